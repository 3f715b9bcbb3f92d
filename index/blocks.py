"""Blocks: a vector is its projected embedding and its colour descriptor side by side, each of unit norm.

A query scales its own blocks by weights that sum to 1, so one inner-product index answers "the same design" as well as
"the same colour", and a similarity is the weighted mean of the blocks' cosines, in [-1, 1] (docs/decisions/0020).
"""

from __future__ import annotations

import numpy as np

from index.vectors import Blocks, Floats


def weigh(vectors: Floats, blocks: Blocks, colour: float) -> Floats:
    """Queries from vectors whose blocks have unit norm: float32 (Q, D), for an inner product in [-1, 1].

    Args:
        vectors: float32 (Q, D).
        colour: weight of the colour block, 0 … 1; the projected embedding's is the rest.
    """
    scales = np.full(vectors.shape[1], colour, np.float32)
    scales[: next(iter(blocks.values()))] = 1 - colour
    weighed: Floats = vectors * scales
    return weighed


def projected(vectors: Floats, blocks: Blocks) -> Floats:
    """The projected embeddings alone: float32 (N, d), C-contiguous."""
    return np.ascontiguousarray(vectors[:, : next(iter(blocks.values()))])
