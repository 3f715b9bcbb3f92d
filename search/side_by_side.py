"""One query asked of two versions, and what has become of each product: did retraining help here?

`search.compare` counts how much has changed over many products; this looks at one.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.store import Store
from index.loading import load_version
from index.versions import rollback_target
from search.question import Question
from search.results import Match, SearchResult
from search.service import DecodePhoto, SearchService
from search.snapshot import Snapshot
from training.config import Device


@dataclass(frozen=True, slots=True)
class Placed:
    """A product of one version's answer.

    Attributes:
        match: where it is here.
        other_rank: its rank in the other version's answer; None where that has it not.
    """

    match: Match
    other_rank: int | None


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The answers of two versions to one query."""

    first: SearchResult
    second: SearchResult

    @property
    def in_both(self) -> int:
        """How many products both answers have."""
        return len(_ranks(self.first).keys() & _ranks(self.second).keys())

    @property
    def placed(self) -> tuple[tuple[Placed, ...], tuple[Placed, ...]]:
        """Each answer's products, with where the other answer has them."""
        return _placed(self.first, self.second), _placed(self.second, self.first)


class VersionComparer:
    """Asks two versions of a store the same, holding at most one besides the one that the service answers from.

    Safe to call from several threads, one after the other.
    """

    def __init__(self, service: SearchService, store: Path, *, device: Device, decode: DecodePhoto) -> None:
        self._service = service
        self._store, self._device, self._decode = Store(store), device, decode
        self._extra: Snapshot | None = None
        self._asking = threading.Lock()

    def ask(
        self, versions: tuple[str, str], photos: bytes | Sequence[bytes], question: Question, *, name: str = ""
    ) -> SideBySide:
        """The answers of both; arguments as of `SearchService.search`.

        Raises:
            UsageError: there is no such version; and what `search` raises.
            BadImage: as of `search`.
            VersionError: one of them is refused.
        """
        with self._asking:
            first, second = (self._on(version).search(photos, question, name=name) for version in versions)
        return SideBySide(first, second)

    def _on(self, version_id: str) -> SearchService:
        """A service on one version, whatever comes into use meanwhile."""
        in_use = self._service.pin()
        if version_id == in_use.loaded.version.id:
            return SearchService(self._store, self._device, self._decode, in_use)
        if self._extra is None or self._extra.loaded.version.id != version_id:
            rollback_target(self._store, version_id)  # refuses what is no version
            self._extra = None  # never two of them in memory
            self._extra = Snapshot(load_version(self._store.versions_dir / version_id, self._device))
        return SearchService(self._store, self._device, self._decode, self._extra)


def _ranks(result: SearchResult) -> dict[str, int]:
    return {match.item.item_id: match.rank for match in result.matches}


def _placed(result: SearchResult, other: SearchResult) -> tuple[Placed, ...]:
    ranks = _ranks(other)
    return tuple(Placed(match, ranks.get(match.item.item_id)) for match in result.matches)
