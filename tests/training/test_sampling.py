"""Weighted sampling: draws are a function of seed and epoch, and come as often as they should."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.errors import UsageError
from training.random_streams import epoch_order
from training.sampling import balancing_weights, weighted_epoch_order


def assert_as_often(counts: np.ndarray, shares: np.ndarray) -> None:
    """Within 4 standard deviations of a multinomial draw."""
    expected = counts.sum() * shares
    assert (np.abs(counts - expected) <= 4 * np.sqrt(expected * (1 - shares))).all()


def test_draws_follow_the_weights() -> None:
    weights = np.array([0.0, 1.0, 2.0, 5.0])
    drawn = np.concatenate([weighted_epoch_order(weights, 0, epoch) for epoch in range(5000)])
    assert_as_often(np.bincount(drawn, minlength=4), weights / 8)


def test_draws_of_an_epoch_are_independent() -> None:
    """With replacement: of n places drawn evenly, 1 - 1/e are met."""
    order = weighted_epoch_order(np.ones(20_000), 0, 0)
    assert order.dtype == np.int64
    assert order.shape == (20_000,)
    assert len(np.unique(order)) / 20_000 == pytest.approx(1 - 1 / np.e, abs=0.01)
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.03


def test_order_is_a_function_of_seed_and_epoch() -> None:
    weights = np.arange(1.0, 101.0)
    orders = {(seed, epoch): weighted_epoch_order(weights, seed, epoch) for seed in (0, 1) for epoch in (0, 1)}
    assert all(np.array_equal(order, weighted_epoch_order(weights, *name)) for name, order in orders.items())
    assert len({order.tobytes() for order in orders.values()}) == 4
    assert np.array_equal(weighted_epoch_order(7 * weights, 0, 0), orders[0, 0])
    assert not np.array_equal(np.argsort(weighted_epoch_order(np.ones(100), 0, 0)), np.argsort(epoch_order(100, 0, 0)))


def test_balanced_values_come_equally_often() -> None:
    values = ["shirt"] * 900 + ["hat"] * 90 + [None] * 9 + [1.5]
    weights = balancing_weights(values)
    assert weights.dtype == np.float64
    assert weights[[0, 900, 990, 999]] == pytest.approx([1 / 900, 1 / 90, 1 / 9, 1])
    drawn = np.concatenate([weighted_epoch_order(weights, 0, epoch) for epoch in range(20)])
    assert_as_often(np.histogram(drawn, bins=[0, 900, 990, 999, 1000])[0], np.full(4, 1 / 4))


def test_missing_numbers_are_one_value() -> None:
    assert balancing_weights([float("nan"), None, float("nan"), 2.0]) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])
    assert balancing_weights([]).shape == (0,)


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -1.0], [1.0, np.nan], [np.inf, 1.0]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(UsageError, match="sampling weights must be finite and not negative, with one above 0"):
        weighted_epoch_order(np.array(weights), 0, 0)
