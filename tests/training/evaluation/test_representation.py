"""Alignment, uniformity, RankMe and spread against closed forms and loops; the verdict on collapse."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt
import pytest

from training.evaluation import representation
from training.evaluation.representation import alignment, measure_representation, rank_me, spread, uniformity

Floats = npt.NDArray[np.float32]


def random_units(count: int, dim: int, seed: int = 0) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((count, dim))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def test_alignment_of_known_pairs() -> None:
    axes = np.eye(4, dtype=np.float32)
    assert alignment(axes, axes) == 0
    assert alignment(axes, np.roll(axes, 1, axis=0)) == pytest.approx(2)
    assert alignment(axes, -axes) == pytest.approx(4)
    assert alignment(axes, np.concatenate([axes[:2], -axes[2:]])) == pytest.approx(2)


def test_uniformity_of_known_vectors() -> None:
    assert uniformity(np.repeat(random_units(1, 8), 50, axis=0)) == pytest.approx(0, abs=1e-6)
    assert uniformity(np.eye(6, dtype=np.float32)) == pytest.approx(-4)  # every squared distance is 2
    opposite = np.array([[1, 0], [-1, 0]], dtype=np.float32)
    assert uniformity(opposite) == pytest.approx(-8)


@pytest.mark.parametrize("block", [7, representation.BLOCK])
def test_uniformity_is_the_loop_over_pairs(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(representation, "BLOCK", block)
    vectors = random_units(60, 5)
    terms = [
        math.exp(-2 * float(np.square(vectors[i].astype(np.float64) - vectors[j]).sum()))
        for i in range(60)
        for j in range(60)
        if i != j
    ]
    assert uniformity(vectors) == pytest.approx(math.log(sum(terms) / len(terms)), rel=1e-9)


def test_rank_me_of_known_vectors() -> None:
    assert rank_me(np.repeat(random_units(1, 16), 100, axis=0)) == pytest.approx(1, abs=1e-3)
    line = random_units(1, 16)
    assert rank_me(np.concatenate([line, -line, line])) == pytest.approx(1, abs=1e-3)
    for dim in (2, 16, 64):
        assert rank_me(np.tile(np.eye(dim, dtype=np.float32), (5, 1))) == pytest.approx(dim, rel=1e-3)
    # singular values 2 and 1: shares 2/3 and 1/3
    vectors = np.array([[1, 0]] * 4 + [[0, 1]], dtype=np.float32)
    assert rank_me(vectors) == pytest.approx(math.exp(-(2 / 3) * math.log(2 / 3) - (1 / 3) * math.log(1 / 3)), rel=1e-5)


def test_spread_of_known_vectors() -> None:
    assert spread(np.repeat(random_units(1, 8), 9, axis=0)) == pytest.approx(0, abs=1e-6)
    assert spread(np.eye(4, dtype=np.float32)) == pytest.approx(3 / 4)
    assert spread(np.concatenate([np.eye(4), -np.eye(4)]).astype(np.float32)) == pytest.approx(1)


def test_many_vectors_are_measured_on_a_sample_that_the_seed_decides() -> None:
    vectors = random_units(9000, 6)
    assert uniformity(vectors, seed=1) == uniformity(vectors, seed=1) != uniformity(vectors, seed=2)
    assert uniformity(vectors, seed=1) == pytest.approx(uniformity(vectors, seed=2), abs=0.01)
    assert rank_me(vectors, seed=1) == rank_me(vectors, seed=1) != rank_me(vectors, seed=2)
    assert measure_representation(vectors).count == 9000


def test_collapse_is_seen_in_both_its_forms() -> None:
    random = np.random.default_rng(0)
    nearly_one_point = np.ones((200, 32)) + random.normal(0, 0.02, (200, 32))
    nearly_one_line = np.outer(random.choice([-1, 1], 200), np.ones(32)) + random.normal(0, 0.01, (200, 32))
    for vectors in (nearly_one_point, nearly_one_line):
        units = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        measured = measure_representation(units)
        assert measured.collapsed
        assert measured.verdict.startswith("collapsed: ")
    assert measured.spread > 0.9  # the line: told by its rank alone
    assert measured.rank_me < 2


def test_what_is_no_collapse_is_not_called_so() -> None:
    good = measure_representation(random_units(300, 64))
    assert not good.collapsed
    assert good.verdict.startswith("not collapsed: spread ")
    assert "(collapsed below 0.001)" in good.verdict
    assert "of at most 64 (collapsed below 2" in good.verdict
    ten_classes = np.repeat(np.eye(10, dtype=np.float32), 30, axis=0)  # as after perfect supervised training
    assert not measure_representation(ten_classes).collapsed
    untrained = random_units(300, 64) * 0.12 + 1 / 8  # one common direction: spread 0.014, like a random network's
    untrained /= np.linalg.norm(untrained, axis=1, keepdims=True)
    assert measure_representation(untrained).spread == pytest.approx(0.014, abs=0.002)
    assert not measure_representation(untrained).collapsed
    few = np.array([[1, 0], [0.8, 0.6]], dtype=np.float32)  # a catalog of two photos cannot have RankMe 2
    assert not measure_representation(few).collapsed


def test_measures_travel_as_json() -> None:
    vectors = random_units(20, 4)
    measured = measure_representation(vectors, pairs=(vectors[:5], vectors[5:10]))
    assert measured.alignment == alignment(vectors[:5], vectors[5:10])
    values = json.loads(json.dumps(measured.to_json()))
    assert values["rank_me"] == rank_me(vectors)
    assert values["collapsed"] is False
    assert values["verdict"] == measured.verdict
    assert measure_representation(vectors).to_json()["alignment"] is None


def test_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 vectors"):
        measure_representation(random_units(1, 4))
    with pytest.raises(ValueError, match="pairs of vectors"):
        alignment(random_units(3, 4), random_units(2, 4))
