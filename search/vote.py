"""The vote of a product's neighbours on what value it has: each weighs by its similarity.

Z. Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination" (arXiv 1805.01978), 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index.vectors import Floats, Ids

TEMPERATURE = 0.07
"""A neighbour's vote weighs exp(similarity / this)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What a product's neighbours say.

    Attributes:
        value: the code that has most weight; of equal ones the more similar neighbour's.
        share: its part of all weight, in (0, 1].
        second: the code with most weight after it; -1 where all agree.
        nearest: position of the most similar photo with the winning value.
        similarity: of that photo.
    """

    value: int
    share: float
    second: int
    nearest: int
    similarity: float


def vote(positions: Ids, similarities: Floats, values: Ids) -> Vote:
    """Count the votes of at least one neighbour.

    Args:
        positions: int64 (K,), of the neighbours, in any order.
        similarities: float32 (K,), theirs.
        values: int64 (K,), the codes of their values, at least 0.
    """
    order = np.argsort(-similarities, kind="stable")
    positions, similarities, values = positions[order], similarities[order], values[order]
    weights: npt.NDArray[np.float64] = np.exp((similarities.astype(np.float64) - similarities[0]) / TEMPERATURE)
    candidates, first, places = np.unique(values, return_index=True, return_inverse=True)
    sums = np.bincount(places, weights)
    ranking = np.lexsort((first, -sums))  # the most weight, then the more similar neighbour
    best = ranking[0]
    return Vote(
        value=int(candidates[best]),
        share=float(sums[best] / sums.sum()),
        second=int(candidates[ranking[1]]) if len(ranking) > 1 else -1,
        nearest=int(positions[first[best]]),
        similarity=float(similarities[first[best]]),
    )
