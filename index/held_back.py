"""Held-back queries: vectors that are like photos of the catalog and are none of them.

The catalog itself must be complete, so none of its photos can be left out. Instead each query is a photo's vector,
moved a part of the way that another photo's near neighbour lies from that other photo, and the photo it began at does
not count as its answer. On vectors drawn around real embeddings, such queries are found a little worse than fresh draws
are, by lists and by graphs; photos asked for their own neighbours are found better by a graph, which links them
(docs/decisions/0019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import faiss
import numpy as np

from index.blocks import weigh
from index.query import unit_blocks
from index.vectors import Blocks, Floats, Ids

QUERIES = 1000
NEAR = 10
"""A displacement leads from a photo to one of its so many nearest."""
PART = 0.7
"""How much of a displacement is taken."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Queries, and the photo that each began at.

    Attributes:
        vectors: float32 (Q, D), every block of unit norm.
        began_at: int64 (Q,), positions that do not count as answers.

    Raises:
        ValueError: the shapes differ.
    """

    vectors: Floats
    began_at: Ids

    def __post_init__(self) -> None:
        if self.began_at.shape != (len(self.vectors),):
            raise ValueError("began_at must name one position per query")


def held_back_queries(vectors: Floats, widths: Sequence[int], count: int = QUERIES, seed: int = 0) -> HeldBack:
    """Queries for vectors made of blocks.

    Args:
        vectors: float32 (N, D), N at least 2, every block of unit norm.
        widths: of the blocks, in their order; they sum to D.
    """
    random = np.random.default_rng(seed)
    began_at, others = random.integers(0, len(vectors), (2, count))
    _, near = faiss.knn(vectors[others], vectors, min(NEAR + 1, len(vectors)), metric=faiss.METRIC_INNER_PRODUCT)
    chosen = near[np.arange(count), random.integers(1, near.shape[1], count)]
    moved = vectors[began_at] + PART * (vectors[chosen] - vectors[others])
    return HeldBack(unit_blocks(moved.astype(np.float32), widths), began_at.astype(np.int64))


def query_sets(queries: HeldBack, blocks: Blocks, weights: Sequence[float]) -> dict[str, Floats]:
    """The queries as people ask them: where vectors have a second block, at each of its weights; else as they are.

    Args:
        blocks: widths by name, one or two of them.
        weights: of the second block, in [0, 1]; the first gets the rest.
    """
    if len(blocks) == 1:
        return {"all": queries.vectors}
    _, second = blocks
    return {f"{second} {weight:g}": weigh(queries.vectors, blocks, weight) for weight in weights}
