"""Confidences: as often right as they say, rising with the score, and never judged on what they were fitted on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from search.calibration import PRIOR, Calibration, cross_fitted

ANSWERS = st.lists(st.tuples(st.integers(0, 16).map(lambda step: step / 16), st.booleans()), min_size=1, max_size=60)


@settings(deadline=None)
@given(ANSWERS)
def test_equal_to_scikit_learns_isotonic_regression(answers: list[tuple[float, bool]]) -> None:
    scores, right = np.array([score for score, _ in answers]), np.array([truth for _, truth in answers])
    fitted = Calibration.fit(scores, right)
    known = np.concatenate([scores, PRIOR])
    truth = np.concatenate([right.astype(float), np.full(len(PRIOR), right.mean())])
    everywhere = np.linspace(0, 1, 101)
    by_scikit_learn = IsotonicRegression().fit(known, truth).predict(known)
    np.testing.assert_allclose(fitted(known), by_scikit_learn, atol=1e-6)
    assert (np.diff(fitted(everywhere)) >= -1e-12).all()
    assert (fitted(everywhere) >= 0).all() and (fitted(everywhere) <= 1).all()


def test_confidences_say_how_often_answers_are_right() -> None:
    random = np.random.default_rng(0)
    scores = random.random(20_000)
    right = random.random(20_000) < scores**3
    confidence = cross_fitted(scores, right)
    np.testing.assert_allclose(confidence, scores**3, atol=0.1)
    assert np.abs(confidence - scores**3).mean() < 0.02


def test_scores_that_tell_nothing_give_the_mean() -> None:
    random = np.random.default_rng(1)
    right = random.random(5_000) < 0.3
    confidence = cross_fitted(random.random(5_000), right)
    assert np.abs(confidence - 0.3).mean() < 0.05


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_few_answers_give_no_certainty(answers: int) -> None:
    confidence = Calibration.fit(np.array([0.2, 0.9, 0.4])[:answers], np.array([False, True, True])[:answers])
    assert 0 <= confidence(np.array([0.5]))[0] <= 1
    if answers == 3:
        assert confidence(np.array([0.95]))[0] < 1
