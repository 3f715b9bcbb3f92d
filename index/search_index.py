"""What every kind of index can do: the interface that publishing, loading and searching know.

The kinds are files of their own: exact (index/faiss_index.py), ivf, hnsw and ivf-pq; index/kinds.py picks one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from index.vectors import Floats, Ids, Mask, Neighbors


class SearchIndex(Protocol):
    """Inner-product search over N vectors of D dimensions. Safe to search from several threads.

    Positions are 0 … N-1, in the order in which the vectors were given.
    """

    @property
    def kind(self) -> str:
        """Its name, such as "exact"."""

    @property
    def dimension(self) -> int:
        """D, the width of its vectors."""

    @property
    def device(self) -> str:
        """Where it searches: "gpu" or "cpu"."""

    def __len__(self) -> int:
        """N."""

    def vector(self, position: int) -> Floats:
        """The vector at a position, float32 (D,), as it was given."""

    def vectors(self, positions: Ids) -> Floats:
        """The vectors at some positions, float32 (n, D)."""

    def search(self, queries: Floats, k: int, allowed: Mask | None = None, where: str = "") -> Neighbors:
        """min(k, vectors that may be found) answers to each query, the most similar first.

        Args:
            queries: float32 (Q, D).
            allowed: bool (N,), the positions that may be found; None for all.
            where: the condition that gave `allowed`, where one did, for an index that knows the columns itself.
        """

    def write(self, write: Callable[[bytes], int]) -> None:
        """Pass the content of its file on, piece by piece; `write` must take every piece whole and return its length.

        Raises:
            OSError: as `write` raises it.
        """


@runtime_checkable
class RemoteIndex(SearchIndex, Protocol):
    """An index on a server, which knows the photos' columns, and may be away.

    Its searches raise EngineError when the server does not answer.
    """

    def check(self) -> None:
        """Whether it can be searched now.

        Raises:
            EngineError: the server does not answer.
        """

    def search_products(self, queries: Floats, k: int, allowed: Mask | None = None, where: str = "") -> Neighbors:
        """As `search`, and of each product only its most similar photo, as far as the index can tell."""


def neighbors(similarities: Floats, positions: Ids) -> Neighbors:
    """What FAISS found, as a result: its -1 are counted out, and rounding does not lead beyond [-1, 1]."""
    return Neighbors(positions, similarities.clip(-1.0, 1.0), (positions >= 0).sum(axis=1))


def no_neighbors(queries: int) -> Neighbors:
    """The result where nothing may be found."""
    empty = np.zeros((queries, 0))
    return Neighbors(empty.astype(np.int64), empty.astype(np.float32), np.zeros(queries, np.int64))
