"""From a vote's share to how often such votes are right: isotonic regression on answers that are known.

B. Zadrozny and C. Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

Values = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]

PARTS = 5
"""Parts of the known answers; each is judged by a calibration on the others."""
PRIOR = np.linspace(0, 1, 11)
"""Scores at which one made-up answer is right as often as answers are on the whole: few answers prove little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A rising function from scores to the part of answers with such a score that are right."""

    scores: Values
    right: Values

    @classmethod
    def fit(cls, scores: Values, right: Truths) -> Calibration:
        """On answers whose scores (N,), in [0, 1], and truth (N,) are known; at least one."""
        everywhere = float(right.mean())
        known = np.concatenate([scores, PRIOR])
        truth = np.concatenate([right.astype(np.float64), np.full(len(PRIOR), everywhere)])
        order = np.lexsort((-truth, known))  # of equal scores the right ones first: they are pooled to their mean
        fitted = isotonic_regression(truth[order]).x
        distinct, first = np.unique(known[order], return_index=True)
        return cls(scores=distinct, right=fitted[first])

    def __call__(self, scores: Values) -> Values:
        """How often answers with these scores are right, (N,), in [0, 1]."""
        return np.interp(scores, self.scores, self.right)


def cross_fitted(scores: Values, right: Truths) -> Values:
    """The confidence of each of the known answers by a calibration that did not see it, (N,).

    Fewer than two answers are given their calibration on themselves.
    """
    parts = np.random.default_rng(0).permutation(len(scores)) % PARTS
    confidence = Calibration.fit(scores, right)(scores)
    for part in range(PARTS):
        held_out = parts == part
        if held_out.any() and not held_out.all():
            confidence[held_out] = Calibration.fit(scores[~held_out], right[~held_out])(scores[held_out])
    return confidence
