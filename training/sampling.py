"""Weighted sampling for unbalanced catalogs: rare kinds of products are shown as often as common ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from training.config import require
from training.random_streams import generator

WEIGHTED_ORDER = 0x5745_4947
"""First word of the draws' name (docs/decisions/0006): all others begin with an epoch, which never grows so large."""


def weighted_batches(
    weights: npt.NDArray[np.float64], batches: int, seed: int, epoch: int
) -> Iterator[npt.NDArray[np.int64]]:
    """The photos of an epoch's batches when some are to be seen more often.

    Every batch is drawn without replacement, as successive draws by weight: a photo beside itself in a batch would be
    repelled by itself. So a rare value comes as often as wanted only where it has enough photos to fill its part of a
    batch; else all of its photos are in every batch. An epoch has as many draws as without weights; a photo may be in
    several of its batches, and others in none.

    Args:
        weights: (N,), finite and not negative.
        batches: their number, at most N.

    Yields:
        Places 0 … N-1, int64 (B,), all different: a function of weights, batches, seed and epoch alone. B is as
        without weights, or the number of weights above 0 where that is smaller.

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
    places, reached = np.flatnonzero(weights), np.cumsum(weights[weights > 0])
    for part in np.array_split(weights, batches):
        yield _draw(random, places, reached, min(len(part), len(places)))


def _draw(
    random: np.random.Generator, places: npt.NDArray[np.int64], reached: npt.NDArray[np.float64], size: int
) -> npt.NDArray[np.int64]:
    """Successive weighted draws without replacement; a few spare ones with it are quicker, and nearly always enough.

    Args:
        places: to draw from, (M,).
        reached: running sums of their weights, (M,).
    """
    spare = np.searchsorted(reached, random.random(4 * size) * reached[-1], side="right").clip(max=len(places) - 1)
    _, first = np.unique(spare, return_index=True)
    drawn = spare[np.sort(first)[:size]]
    if len(drawn) < size:
        drawn = random.choice(len(places), size, replace=False, p=np.diff(reached, prepend=0.0) / reached[-1])
    chosen: npt.NDArray[np.int64] = places[drawn]
    return chosen


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
