"""Vectors: the types that carry them, and the one place where they are brought to unit norm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Blocks = Mapping[str, int]
"""The names and widths of the parts of a vector, in their order (index/blocks.py)."""


def unit_norm(vectors: Floats) -> Floats:
    """Scale every row to length 1: float32 (N, D), C-contiguous. A row of zeros stays as it is.

    Raises:
        ValueError: a value is not finite.
    """
    if not np.isfinite(vectors).all():
        raise ValueError("vectors must be finite: the encoder gave a NaN or an infinity")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def block_products(rows: Floats, others: Floats, blocks: Blocks) -> Floats:
    """Inner products of each row with its counterpart, block by block: float32 (N, B) of two (N, D)."""
    edges = np.cumsum([0, *blocks.values()])
    parts = [slice(*pair) for pair in pairwise(edges)]
    return np.stack([np.einsum("nd,nd->n", rows[:, part], others[:, part]) for part in parts], axis=1)


def is_of_unit_norm(vectors: Floats, blocks: Blocks) -> bool:
    """Whether every block of every vector is finite and of unit norm."""
    return bool((np.abs(block_products(vectors, vectors, blocks) - 1) < 1e-3).all())


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of N photos.

    Attributes:
        image_ids: int64 (N,), ascending.
        vectors: float32 (N, D), C-contiguous, finite, every block of every row of unit norm.
        blocks: the blocks' names and widths in their order.

    Raises:
        ValueError: any of that does not hold.
    """

    image_ids: Ids
    vectors: Floats
    blocks: Blocks

    def __post_init__(self) -> None:
        if self.image_ids.dtype != np.int64 or self.image_ids.shape != (len(self.vectors),):
            raise ValueError("image_ids must be int64, one per vector")
        if (self.image_ids[1:] <= self.image_ids[:-1]).any():
            raise ValueError("image_ids must ascend without repeats")
        if self.vectors.ndim != 2 or self.vectors.dtype != np.float32 or not self.vectors.flags.c_contiguous:
            raise ValueError("vectors must be float32 (N, D), C-contiguous")
        if self.vectors.shape[1] != sum(self.blocks.values()):
            raise ValueError("vectors must be as wide as their blocks together")
        if not is_of_unit_norm(self.vectors, self.blocks):
            raise ValueError("every block of every vector must be finite and of unit norm")

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The K nearest of each of Q queries.

    Attributes:
        positions: int64 (Q, K), rows of the index; beyond a query's count they mean nothing.
        similarities: float32 (Q, K), descending, in [-1, 1].
        counts: int64 (Q,), how many of the K there are.

    Raises:
        ValueError: shapes differ, or a position below a count is negative.
    """

    positions: Ids
    similarities: Floats
    counts: Ids

    def __post_init__(self) -> None:
        if self.positions.shape != self.similarities.shape or self.counts.shape != (len(self.positions),):
            raise ValueError("positions, similarities and counts must be of the same queries")
        valid = np.arange(self.positions.shape[1]) < self.counts[:, None]
        if (self.positions[valid] < 0).any():
            raise ValueError("a found position must not be negative")


def first_of_each(keys: npt.NDArray[Any], wanted: int) -> list[int]:
    """Places at which a key appears for the first time, ascending, at most `wanted`: keys of any kind, (N,)."""
    _, first = np.unique(keys, return_index=True)
    places: list[int] = np.sort(first)[:wanted].tolist()
    return places
