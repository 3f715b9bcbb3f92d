"""Bootstrap intervals: how often they hold the truth, against SciPy, and what pairing and grouping change."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from catalog.errors import UsageError
from training.evaluation.bootstrap import Estimate, bootstrap_difference, bootstrap_mean
from training.evaluation.retrieval import macro_mean


def coverage(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


def test_interval_of_a_mean_is_scipys() -> None:
    values = np.random.default_rng(0).exponential(size=300)
    peer = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    ours = bootstrap_mean(values, resamples=4000)
    assert ours.value == pytest.approx(values.mean())
    width = peer.high - peer.low
    assert (ours.low, ours.high) == pytest.approx((peer.low, peer.high), abs=0.06 * width)


def test_interval_holds_the_truth_19_times_of_20() -> None:
    random = np.random.default_rng(1)
    held = []
    for trial in range(300):
        estimate = bootstrap_mean((random.random(150) < 0.7).astype(np.float64), resamples=300, seed=trial)
        held.append(estimate.low <= 0.7 <= estimate.high)
    assert 0.90 <= coverage(held) <= 0.985


def test_macro_interval_holds_the_truth_and_its_value_is_the_macro_mean() -> None:
    random = np.random.default_rng(2)
    labels = np.repeat(["often", "rare", "rarer"], [120, 40, 20])
    chance = np.repeat([0.9, 0.5, 0.3], [120, 40, 20])
    held = []
    for trial in range(200):
        values = (random.random(180) < chance).astype(np.float64)
        estimate = bootstrap_mean(values, labels=labels, resamples=300, seed=trial)
        assert estimate.value == pytest.approx(macro_mean(values, labels))
        held.append(estimate.low <= (0.9 + 0.5 + 0.3) / 3 <= estimate.high)
    assert 0.89 <= coverage(held) <= 0.99


def test_order_of_queries_does_not_matter_to_the_macro_mean() -> None:
    random = np.random.default_rng(3)
    labels, values = random.integers(0, 5, 200), random.random(200)
    shuffled = random.permutation(200)
    first = bootstrap_mean(values, labels=labels)
    second = bootstrap_mean(values[shuffled], labels=labels[shuffled])
    assert (first.value, first.low, first.high) == pytest.approx((second.value, second.low, second.high), abs=0.01)


def test_paired_difference_is_narrower_than_unpaired() -> None:
    random = np.random.default_rng(4)
    hard = random.random(400)  # what makes a query hard for both
    first, second = hard + 0.05 * random.random(400), hard + 0.05 * random.random(400) - 0.02
    paired = bootstrap_difference(first, second)
    unpaired = bootstrap_difference(first, random.permutation(second))
    assert paired.value == pytest.approx(unpaired.value) == pytest.approx(first.mean() - second.mean())
    assert paired.high - paired.low < (unpaired.high - unpaired.low) / 5
    assert paired.excludes_zero
    assert not unpaired.excludes_zero
    peer = stats.ttest_rel(first, second).confidence_interval()
    assert (paired.low, paired.high) == pytest.approx((peer.low, peer.high), abs=3e-4)


def test_difference_of_macro_means_is_that_of_macro_means() -> None:
    random = np.random.default_rng(5)
    labels, first, second = random.integers(0, 7, 100), random.random(100), random.random(100)
    difference = bootstrap_difference(first, second, labels=labels)
    assert difference.value == pytest.approx(macro_mean(first, labels) - macro_mean(second, labels))


def test_copies_of_a_photo_are_not_independent() -> None:
    """Six altered copies of a photo that fare alike say no more than one."""
    photos = np.random.default_rng(6).random(80)
    copies, photo = np.repeat(photos, 6), np.repeat(np.arange(80), 6)
    alone, grouped = bootstrap_mean(photos), bootstrap_mean(copies, groups=photo)
    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high))
    naive = bootstrap_mean(copies)
    assert grouped.high - grouped.low > 2 * (naive.high - naive.low)


def test_groups_of_unequal_size_give_the_width_of_the_cluster_robust_formula() -> None:
    random = np.random.default_rng(7)
    sizes = random.integers(1, 9, 300)
    photo = np.repeat(np.arange(300), sizes)
    values = np.repeat(random.normal(0.5, 0.2, 300), sizes) + random.normal(0, 0.1, len(photo))
    error = np.sqrt((np.bincount(photo, values - values.mean()) ** 2).sum()) / len(values)
    estimate = bootstrap_mean(values, groups=photo * 17 - 40)  # any integers name the groups
    assert (estimate.low, estimate.high) == pytest.approx(
        values.mean() + 1.96 * error * np.array([-1, 1]), abs=error / 5
    )


def test_seed_decides() -> None:
    values = np.random.default_rng(8).random(50)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_estimate_speaks() -> None:
    estimate = Estimate(value=-0.021, low=-0.04, high=-0.0125)
    assert str(estimate) == "-0.021 (-0.040 to -0.013)"
    assert json.loads(json.dumps(estimate.to_json())) == {"value": -0.021, "low": -0.04, "high": -0.0125}
    assert estimate.excludes_zero
    assert estimate.wholly_below(-0.01)
    assert not estimate.wholly_below(-0.0125)
    assert not Estimate(value=0.1, low=0.0, high=0.2).excludes_zero
    with pytest.raises(ValueError, match="ends in order"):
        Estimate(value=0.1, low=0.2, high=0.0)
    with pytest.raises(ValueError, match="finite"):
        Estimate(value=float("nan"), low=0.0, high=0.0)


def test_what_says_nothing_of_others_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 2 queries of different photos; received 1"):
        bootstrap_mean(np.array([1.0, 0.0]), groups=np.array([4, 4]))
    with pytest.raises(UsageError, match="received 0"):
        bootstrap_mean(np.array([]))
    with pytest.raises(ValueError, match="same queries"):
        bootstrap_difference(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="finite"):
        bootstrap_mean(np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="one label and one group"):
        bootstrap_mean(np.zeros(3), labels=np.zeros(2))
