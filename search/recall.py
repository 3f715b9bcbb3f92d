"""How often the right product is found: queries with known answers against the version in use."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import UsageError
from search.batch import Asking, Unreadable, answer_all, find_queries
from search.results import SearchResult
from search.service import SearchService
from training.config import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAnswer:
    """An answer, and the product that was right."""

    result: SearchResult
    item_id: str

    def found_within(self, k: int) -> bool:
        """Whether the right product is among the first k."""
        return any(match.item.item_id == self.item_id for match in self.result.matches[:k])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Answers to queries whose right product is known."""

    answers: tuple[KnownAnswer, ...]

    def at(self, k: int) -> float:
        """Recall@k: how often the right product is among the first k, in [0, 1]."""
        return sum(answer.found_within(k) for answer in self.answers) / len(self.answers)


def measure_recall(store: Path, queries: Path, known: Path, *, k: int = 5, device: Device = "auto") -> Recall:
    """Ask with every photo of a folder and hold the answers against a table.

    Args:
        queries: folder of photos.
        known: CSV with the columns path (relative to the folder) and item_id.

    Raises:
        UsageError: a photo that cannot be read, or that the table does not name.
    """
    with known.open(encoding="utf-8", newline="") as file:
        right = {row["path"]: row["item_id"] for row in csv.DictReader(file)}
    unreadable: list[Unreadable] = []
    photos = list(find_queries([queries], unreadable))
    snapshot = SearchService.open(store, device=device).pin()
    results = list(answer_all(photos, snapshot, Asking(k=k), unreadable))
    strange = [query.name for query in unreadable] + [result.query for result in results if result.query not in right]
    if strange:
        raise UsageError(f"every query must be readable and named in {known.name}; {strange[0]} is not: mend the table")
    return Recall(answers=tuple(KnownAnswer(result=result, item_id=right[result.query]) for result in results))
