"""Weighted sampling for unbalanced catalogs: rare kinds of products are shown as often as common ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.config import require
from training.random_streams import generator

WEIGHTED_ORDER = 0x5745_4947
"""First word of the draws' name (docs/decisions/0006): all others begin with an epoch, which never grows so large."""


def weighted_epoch_order(weights: npt.NDArray[np.float64], seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The photos an epoch visits when some are to be seen more often: drawn with replacement.

    An epoch stays as long as it is without weights. A photo may come several times, also within one batch, and others
    not at all.

    Args:
        weights: (N,), finite and not negative: photo i is drawn with probability weights[i] / sum(weights).

    Returns:
        Places 0 … N-1, int64 (N,): a function of weights, seed and epoch alone.

    Raises:
        UsageError: weights that are no weights.
    """
    require(
        bool(np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0),
        "sampling weights must be finite and not negative, with one above 0",
        f"{weights.min(initial=np.inf)} to {weights.max(initial=-np.inf)}",
        "see training.sampling.balancing_weights",
    )
    random = generator(seed, WEIGHTED_ORDER, epoch)
    return random.choice(len(weights), size=len(weights), p=weights / weights.sum()).astype(np.int64)


def balancing_weights(values: Sequence[object]) -> npt.NDArray[np.float64]:
    """Weights with which every value of a column is drawn equally often, however many photos have it.

    Args:
        values: one per photo, hashable. None is a value of its own, and NaN counts as None.

    Returns:
        1 / (number of photos with that value), float64 (N,).
    """
    keys = [None if value != value else value for value in values]  # only NaN differs from itself
    counts = Counter(keys)
    return np.array([1 / counts[key] for key in keys], dtype=np.float64)
