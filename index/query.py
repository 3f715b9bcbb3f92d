"""Arithmetic on query vectors: several photos as one query, and a query moved by what was liked and disliked.

A vector is made of blocks, each of unit norm (`IndexVersion.blocks`). Sums of such vectors are not; whatever is summed
here is brought back by `unit_blocks`, so that a sum is searched like the vector of a photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from index.vectors import Floats, Ids, Mask, Neighbors, unit_norm

QUERY_WEIGHT, LIKED_WEIGHT, DISLIKED_WEIGHT = 1.0, 0.75, 0.25
"""Rocchio's a, b and c: the values that Manning, Raghavan and Schütze (Introduction to Information Retrieval, 9.1.1)
call reasonable."""


class Vectors(Protocol):
    """Vectors that are held by position and can be searched: an index of photos or of products."""

    @property
    def dimension(self) -> int:
        """D, their width."""

    def vector(self, position: int) -> Floats:
        """The vector at a position, float32 (D,)."""

    def vectors(self, positions: Ids) -> Floats:
        """The vectors at some positions, float32 (n, D)."""

    def search(self, queries: Floats, k: int, allowed: Mask | None = None) -> Neighbors:
        """The k most similar of each query, float32 (Q, D); `allowed`: the photos that count, bool (N,)."""


def unit_blocks(vectors: Floats, widths: Sequence[int]) -> Floats:
    """Scale every block of every row to length 1: float32 (N, D), C-contiguous. A block of zeros stays as it is.

    Args:
        vectors: float32 (N, D).
        widths: of the blocks in their order; their sum is D.

    Raises:
        ValueError: a value is not finite.
    """
    blocks = np.split(vectors, np.cumsum(widths)[:-1], axis=1)
    return np.ascontiguousarray(np.concatenate([unit_norm(block) for block in blocks], axis=1))


def mean_vector(vectors: Floats, widths: Sequence[int]) -> Floats:
    """Several vectors of one thing as one: their mean, of unit norm by block; float32 (1, D).

    Args:
        vectors: float32 (n, D), n at least 1; a single one is returned unchanged.
        widths: of the blocks.
    """
    if len(vectors) == 1:
        return vectors
    return unit_blocks(vectors.mean(axis=0, keepdims=True), widths)


def rocchio(queries: Floats, liked: Floats, disliked: Floats, widths: Sequence[int]) -> Floats:
    """Queries moved towards what was liked and away from what was not: float32 (Q, D), of unit norm by block.

    q' = a q + b mean(liked) - c mean(disliked): J. J. Rocchio, "Relevance feedback in information retrieval", in
    G. Salton (ed.), The SMART Retrieval System, 1971.

    Args:
        queries: float32 (Q, D); a row of zeros where there is no photo to begin with.
        liked: float32 (L, D), may be empty.
        disliked: float32 (M, D), may be empty.
        widths: of the blocks.
    """
    if not len(liked) and not len(disliked):
        return queries
    moved = QUERY_WEIGHT * queries
    if len(liked):
        moved = moved + LIKED_WEIGHT * liked.mean(axis=0)
    if len(disliked):
        moved = moved - DISLIKED_WEIGHT * disliked.mean(axis=0)
    return unit_blocks(moved, widths)


def vectors_at(index: Vectors, positions: Ids) -> Floats:
    """The vectors at some positions of an index, float32 (n, D)."""
    if not len(positions):
        return np.zeros((0, index.dimension), np.float32)
    return index.vectors(positions)
