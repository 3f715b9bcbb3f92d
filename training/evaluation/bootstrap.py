"""Percentile bootstrap: how far a mean over queries would move with other queries of the same kind.

Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. What is drawn anew are queries or, where
several queries stem from one photo, photos with all of their queries (a cluster bootstrap); nothing is stratified.
Shapes: M queries, U resampling units, B resamples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from catalog.errors import UsageError
from training.evaluation.ranking import Keys
from training.random_streams import generator

Values = npt.NDArray[np.float64]

LEVEL = 0.95
"""Part of the resamples that lies in an interval."""
RESAMPLES = 2000
"""Between seeds, an interval's ends then vary by about 1.5 % of its width."""
STREAM = 0x626F6F74
"""Names these draws in `training.random_streams` ("boot"): no epoch has this number."""
CHUNK = 2**21
"""Query weights held at a time, 16 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measured value with its 95 % interval.

    Raises:
        ValueError: a number is not finite, or the ends are out of order.
    """

    value: float
    """As measured on all queries."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""

    def __post_init__(self) -> None:
        if not (np.isfinite([self.value, self.low, self.high]).all() and self.low <= self.high):
            raise ValueError(f"an interval needs finite ends in order; received {self.low} to {self.high}")

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero, neither end on it."""
        return self.low > 0 or self.high < 0

    def wholly_below(self, limit: float) -> bool:
        """Whether the whole interval lies below a limit."""
        return self.high < limit

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    def to_json(self) -> dict[str, float]:
        """As plain values, for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


def bootstrap_mean(
    values: Values,
    *,
    labels: Keys | None = None,
    groups: Keys | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """The mean of one value per query, with its interval.

    Args:
        values: (M,), finite.
        labels: (M,); with them the mean is the macro mean, over labels of each label's mean. A resample that misses a
            label is averaged over those it has.
        groups: (M,), the unit that each query belongs to, such as its photo; default: every query is its own.
        resamples: how many resamples are drawn.
        seed: the same seed and the same number of units give the same resamples, whatever the values.

    Raises:
        UsageError: there are fewer than 2 units: nothing can be said of others then.
        ValueError: shapes do not fit, or a value is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    units = np.arange(len(values)) if groups is None else _codes(groups, len(values))
    if not np.isfinite(values).all() or values.ndim != 1:
        raise ValueError(f"values must be finite and of shape (M,); received {values.shape}")
    unit_count = int(units.max(initial=-1)) + 1
    if unit_count < 2:
        raise UsageError(f"an interval needs at least 2 queries of different photos; received {unit_count}: add photos")
    codes = np.zeros(len(values), dtype=np.int64) if labels is None else _codes(labels, len(values))
    order = np.argsort(codes, kind="stable")
    values, units, starts = values[order], units[order], np.flatnonzero(np.diff(codes[order], prepend=-1))
    measured = _macro_means(values, starts, np.ones((1, len(values))))
    drawn = [
        _macro_means(values, starts, counts[:, units])
        for counts in _unit_counts(unit_count, len(values), resamples, seed)
    ]
    low, high = np.quantile(np.concatenate(drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=float(measured[0]), low=float(low), high=float(high))


def bootstrap_difference(
    first: Values,
    second: Values,
    *,
    labels: Keys | None = None,
    groups: Keys | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """The mean of first - second over the same queries, with its interval: the *paired* difference.

    What makes a query hard for both cancels out, so this tells two embeddings apart that their own intervals do not.

    Args:
        first, second: (M,), finite, of the same queries in the same order.
        labels, groups, resamples, seed: as in `bootstrap_mean`.

    Raises:
        UsageError, ValueError: as `bootstrap_mean`.
    """
    if np.shape(first) != np.shape(second):
        raise ValueError(
            f"a paired difference needs the same queries; received {np.shape(first)} and {np.shape(second)}"
        )
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return bootstrap_mean(difference, labels=labels, groups=groups, resamples=resamples, seed=seed)


def _macro_means(values: Values, starts: npt.NDArray[np.int64], weights: Values) -> Values:
    """The macro mean under each of many weightings; with one label, the plain mean. (M,), (L,), (B, M) to (B,).

    Args:
        values: sorted by label.
        starts: where each label begins.
        weights: of each value, at least 0; a label of no weight is left out of that mean.
    """
    totals = np.add.reduceat(weights * values, starts, axis=1)
    sizes = np.add.reduceat(weights, starts, axis=1)
    means = np.divide(totals, sizes, out=np.zeros_like(totals), where=sizes > 0)
    return np.asarray(means.sum(axis=1) / (sizes > 0).sum(axis=1))


def _unit_counts(units: int, queries: int, resamples: int, seed: int) -> Iterator[Values]:
    """How often each resample draws each unit, with replacement: (B, U), some resamples at a time."""
    random = generator(seed, STREAM)
    step = max(1, CHUNK // queries)
    for begin in range(0, resamples, step):
        size = min(step, resamples - begin)
        drawn = random.integers(0, units, (size, units)) + units * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units).astype(np.float64)


def _codes(keys: Keys, count: int) -> npt.NDArray[np.int64]:
    """The keys as integers from 0."""
    if np.shape(keys) != (count,):
        raise ValueError(f"there must be one label and one group per value; received {np.shape(keys)} for {count}")
    return np.asarray(np.unique(keys, return_inverse=True)[1])
