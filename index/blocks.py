"""Blocks: a vector is its projected embedding and its colour descriptor side by side, each of unit norm.

A query scales its own blocks by weights that sum to 1, so one inner-product index answers "the same design" as well as
"the same colour", and a similarity is the weighted mean of the blocks' cosines, in [-1, 1] (docs/decisions/0020).
"""

from __future__ import annotations

import numpy as np

from index.vectors import Blocks, Floats, unit_norm

SAME_DESIGN, DEFAULT_COLOUR, SAME_COLOUR = 0.0, 0.15, 0.7
"""Weights of the colour block: colours do not count; what was best on the whole; colours count most."""
COLOUR_GRID = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The colour weights at which an index must keep its promise."""


def weigh(vectors: Floats, blocks: Blocks, colour: float) -> Floats:
    """Queries from vectors whose blocks have unit norm: float32 (Q, D).

    Args:
        vectors: float32 (Q, D).
        colour: weight of the colour block, 0 … 1; the projected embedding's is the rest.
    """
    scales = np.repeat(np.array([1 - colour, colour], np.float32), list(blocks.values()))
    weighed: Floats = vectors * scales
    return weighed


def unit_blocks(vectors: Floats, blocks: Blocks) -> Floats:
    """Every block of every row at unit norm, such as those of a mean of vectors: float32 (N, D).

    Raises:
        ValueError: a value is not finite.
    """
    edges = np.cumsum(list(blocks.values()))[:-1]
    return np.concatenate([unit_norm(part) for part in np.split(vectors, edges, axis=1)], axis=1)


def projected(vectors: Floats, blocks: Blocks) -> Floats:
    """The projected embeddings alone: float32 (N, d), C-contiguous."""
    return np.ascontiguousarray(vectors[:, : next(iter(blocks.values()))])
