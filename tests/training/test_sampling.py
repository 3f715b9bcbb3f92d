"""Weighted sampling: batches are full, hold no photo twice, follow the weights; a function of seed and epoch."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from catalog.errors import UsageError
from training.config import TrainConfig
from training.sampling import balancing_weights, weighted_batches
from training.step import epoch_batches


def batches_of(weights: np.ndarray, batches: int, seed: int = 0, epoch: int = 0) -> list[np.ndarray]:
    return list(weighted_batches(weights, batches, seed, epoch))


def test_single_draws_follow_the_weights() -> None:
    weights = np.array([0.0, 1.0, 2.0, 5.0])
    drawn = np.concatenate([batch for epoch in range(5000) for batch in batches_of(weights, 4, epoch=epoch)])
    expected = len(drawn) * weights / 8
    assert (np.abs(np.bincount(drawn, minlength=4) - expected) <= 4 * np.sqrt(expected * (1 - weights / 8))).all()


@pytest.mark.parametrize("size", [2, 3])
def test_batches_follow_successive_draws_without_replacement(size: int) -> None:
    """How often each photo is in a batch, against the sum over all orders in which it could have been filled."""
    weights = np.array([1.0, 2.0, 3.0, 6.0, 12.0, 24.0])
    expected = np.zeros(6)
    for order in permutations(range(6), size):
        left, probability = weights.sum(), 1.0
        for place in order:
            probability *= weights[place] / left
            left -= weights[place]
        expected[list(order)] += probability
    rounds = 4000
    batches = [batch for epoch in range(rounds) for batch in batches_of(weights, 6 // size, epoch=epoch)]
    found = np.bincount(np.concatenate(batches), minlength=6) / len(batches)
    assert all(len(set(batch.tolist())) == size for batch in batches)
    assert np.abs(found - expected).max() <= 4 * np.sqrt(0.25 / len(batches))


def test_batches_are_as_large_as_without_weights() -> None:
    config = TrainConfig(batch_size=30)
    plain, weighted = (epoch_batches(config, weights, 250, 3) for weights in (None, np.arange(1.0, 251.0)))
    assert [len(batch.places) for batch in weighted] == [len(batch.places) for batch in plain]
    for batch in weighted:
        assert len(np.unique(batch.places)) == len(batch.places)


def test_a_photo_that_comes_again_gets_other_views() -> None:
    batches = epoch_batches(TrainConfig(batch_size=10), np.repeat([50.0, 1.0], [4, 96]), 100, 0)
    times = [batch.repeats[batch.places < 4].tolist() for batch in batches]
    assert times == [[number] * 4 for number in range(10)]


def test_balanced_values_come_equally_often_where_they_can() -> None:
    values = ["shirt"] * 9000 + ["hat"] * 1000
    batches = epoch_batches(TrainConfig(batch_size=100), balancing_weights(values), 10_000, 0)
    assert np.mean([np.mean(batch.places >= 9000) for batch in batches]) == pytest.approx(0.5, abs=0.02)


def test_all_of_a_value_with_too_few_photos_is_in_every_batch() -> None:
    for batch in epoch_batches(TrainConfig(batch_size=128), balancing_weights(["rare"] * 4 + ["common"] * 428), 432, 0):
        assert len(batch.places) == 144
        assert (batch.places < 4).sum() == 4


def test_order_is_a_function_of_seed_and_epoch() -> None:
    weights = np.arange(1.0, 101.0)
    names = [(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    orders = [np.concatenate(batches_of(weights, 10, *name)) for name in names]
    again = [np.concatenate(batches_of(7 * weights, 10, *name)) for name in names]
    assert all(np.array_equal(one, other) for one, other in zip(orders, again, strict=True))
    assert len({order.tobytes() for order in orders}) == 4


def test_weights_of_values() -> None:
    weights = balancing_weights(["shirt"] * 900 + ["hat"] * 90 + [None] * 9 + [1.5])
    assert weights.dtype == np.float64
    assert weights[[0, 900, 990, 999]] == pytest.approx([1 / 900, 1 / 90, 1 / 9, 1])
    assert balancing_weights([float("nan"), None, float("nan"), 2.0]) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])
    assert balancing_weights([]).shape == (0,)


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -1.0], [1.0, np.nan], [np.inf, 1.0]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(UsageError, match="sampling weights must be finite and not negative, with one above 0"):
        batches_of(np.array(weights), 1)
