"""What the kinds that do not compare every vector have in common, and how a kind says what can be tuned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import faiss
import numpy as np

from index.faiss_files import write_faiss
from index.search_index import SearchIndex, neighbors, no_neighbors
from index.settings import Parameters, Settings
from index.vectors import Floats, Ids, Mask, Neighbors

Found = tuple[Floats, Ids]
"""Similarities and positions (Q, k) as FAISS gives them: -1 where a search found too few."""

TUNED_FOR = 11
"""The k that parameters are tuned at: the true 10 nearest and the photo a query began at. For a smaller k a search
looks as far as for this one, for a larger k further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Settings of a search that find more and take longer from one to the next.

    Raises:
        ValueError: there is no value to choose.
    """

    swept: str
    """Name of the parameter that goes from 1 up."""
    most: int
    """Its largest value."""
    fixed: Mapping[str, int] = field(default_factory=dict)
    """The other parameters, the same on all of the ladder."""
    base_cost: float = 0.0
    """What a search takes whatever the swept parameter is, in the unit of `step_cost`."""
    step_cost: float = 1.0
    """What each further 1 of the swept parameter takes."""

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError("the largest value must be at least 1")

    def parameters(self, value: int) -> dict[str, int]:
        """All parameters, for one value of the swept one."""
        return {**self.fixed, self.swept: value}

    def cost(self, value: int) -> float:
        """What a search takes at that value, in a unit that only compares ladders of one index."""
        return self.base_cost + self.step_cost * value


@runtime_checkable
class TunableIndex(SearchIndex, Protocol):
    """An index whose searches can look less or more far."""

    @property
    def settings(self) -> Settings | None:
        """How far they look; None where they compare every vector."""

    @settings.setter
    def settings(self, settings: Settings) -> None: ...

    def ladders(self) -> Sequence[Ladder]:
        """What can be tuned."""


class ApproximateIndex(ABC):
    """An index that looks where the nearest probably are.

    How far it looks is in `settings`, which a build tunes (index/promise.py) and a version keeps. Where that finds
    fewer than k, the search goes on over everything; so it does under a filter, since the products that a filter
    leaves may all be far from the query, where no setting tuned without it would look.

    Attributes:
        settings: how far a search looks; changed only before the index is shared.
    """

    kind: str

    def __init__(self, index: faiss.Index, settings: Settings) -> None:
        self._index = index
        self.settings = settings

    @property
    def device(self) -> str:
        """Where it searches: "gpu" or "cpu"."""
        return "cpu"

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """D, the width of its vectors."""
        return int(self._index.d)

    @abstractmethod
    def vector(self, position: int) -> Floats:
        """The vector at a position, see `SearchIndex.vector`."""

    def vectors(self, positions: Ids) -> Floats:
        """The vectors at some positions, float32 (n, D)."""
        return np.stack([self.vector(int(position)) for position in positions])

    def write(self, write: Callable[[bytes], int]) -> None:
        """Pass its file on, see `SearchIndex.write`."""
        write_faiss(self._index, write)

    @abstractmethod
    def ladders(self) -> Sequence[Ladder]:
        """What can be tuned."""

    @abstractmethod
    def _look(self, queries: Floats, k: int, parameters: Parameters) -> Found:
        """Search as far as parameters say."""

    @abstractmethod
    def _look_everywhere(self, queries: Floats, k: int, allowed: Mask | None) -> Found:
        """Search everything that is allowed; always k answers where there are k."""

    def search(self, queries: Floats, k: int, allowed: Mask | None = None, where: str = "") -> Neighbors:
        """min(k, vectors that may be found) answers to each query, see `SearchIndex.search`; `allowed` says it all."""
        k = min(k, len(self) if allowed is None else int(allowed.sum()))
        if k == 0:
            return no_neighbors(len(queries))
        if allowed is not None:
            return neighbors(*self._look_everywhere(queries, k, allowed))
        similarities, positions = self._by_weight(queries, k, lambda rows, parameters: self._look(rows, k, parameters))
        short = positions[:, -1] < 0
        if short.any():
            similarities[short], positions[short] = self._look_everywhere(queries[short], k, None)
        return neighbors(similarities, positions)

    def _by_weight(self, queries: Floats, k: int, look: Callable[[Floats, Parameters], Found]) -> Found:
        """Search for each query by the parameters of its own weights."""
        groups = list(self.settings.groups(queries))
        if len(groups) == 1:
            return look(queries, groups[0][1])
        similarities, positions = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        for rows, parameters in groups:
            similarities[rows], positions[rows] = look(queries[rows], parameters)
        return similarities, positions
