"""The vote of neighbours, against a plain count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.vote import TEMPERATURE, vote


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1, width=32), st.integers(0, 4)), min_size=1, max_size=20))
def test_the_value_with_most_weight_wins(neighbours: list[tuple[float, int]]) -> None:
    similarities = np.array([similarity for similarity, _ in neighbours], np.float32)
    values = np.array([value for _, value in neighbours], np.int64)
    found = vote(np.arange(100, 100 + len(values)), similarities, values)
    weights: dict[int, float] = {}
    for similarity, value in neighbours:
        weights[value] = weights.get(value, 0.0) + math.exp((similarity - 1) / TEMPERATURE)
    assert weights[found.value] == pytest.approx(max(weights.values()), rel=1e-4)
    assert found.share == pytest.approx(max(weights.values()) / sum(weights.values()), rel=1e-4)
    assert (found.second == -1) == (len(weights) == 1)
    assert values[found.nearest - 100] == found.value
    assert found.similarity == max(similarities[values == found.value])


def test_of_equal_sums_the_more_similar_neighbour_wins() -> None:
    tied = vote(np.array([7, 8]), np.array([0.5, 0.5], np.float32), np.array([3, 1]))
    assert (tied.value, tied.nearest, tied.second, tied.share) == (3, 7, 1, 0.5)
