"""Linear probe: how well a linear classifier on frozen features tells the labels apart (arXiv 2002.05709, section 2.3).

Shapes: N training rows, M test rows, F features.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from training.config import require
from training.evaluation.classification import Classification, many_labels
from training.evaluation.ranking import Floats, Keys

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Values of C, the inverse of the L2 penalty, to choose from."""
USUAL_STRENGTH = 0.1
"""C where too few labels have enough rows to choose it."""
FOLDS = 3
"""Of the cross-validation that chooses C; labels with fewer rows take no part in it."""
CHOOSING_ROWS = 20_000
"""Most training rows that C is chosen on, drawn at random; the probe itself learns from all."""
STEPS = 200
"""At most, of L-BFGS. A few dozen are usual; features of nearly one direction (an untrained network's) need more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearProbe:
    """What a linear classifier made of the features."""

    classification: Classification
    """Its answers on the test rows."""
    strength: float
    """The C that it was fitted with, the inverse of its L2 penalty."""
    converged: bool
    """Whether the fit ended by itself; else it was stopped after `STEPS`."""

    def to_json(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {"strength": self.strength, "converged": self.converged, **self.classification.to_json()}


def linear_probe(
    train_features: Floats, train_labels: Keys, test_features: Floats, test_labels: Keys, *, seed: int = 0
) -> LinearProbe:
    """Fit multinomial logistic regression to standardised features, and classify the test rows.

    C is the one with the best accuracy in a stratified 3-fold cross-validation on the training rows alone, at most
    `CHOOSING_ROWS` of them (of equals the smallest); the test rows are seen once, at the end.

    Args:
        train_features, test_features: float32 (N, F) and (M, F), finite, of any norm.
        train_labels, test_labels: (N,) and (M,); test labels may be new, see `Classification`.
        seed: decides the folds, and the rows to choose C on.

    Raises:
        UsageError: the training rows have fewer than 2 labels.
        ValueError: there are no test rows, or shapes do not fit.
    """
    train_labels, test_labels = np.asarray(train_labels), np.asarray(test_labels)
    learned = np.unique(train_labels)
    require(
        len(learned) >= 2,
        "a linear probe needs training photos of at least 2 labels",
        len(learned),
        "choose another column of labels",
    )
    with many_labels(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # `converged` tells
        strength = _best_strength(train_features, train_labels, seed)
        probe = _probe(strength).fit(train_features, train_labels)
        predicted = probe.predict(test_features)
    classification = Classification(truth=test_labels, predicted=predicted, learned=learned)
    converged = int(probe["logisticregression"].n_iter_.max()) < STEPS
    return LinearProbe(classification=classification, strength=strength, converged=converged)


def _best_strength(features: Floats, labels: Keys, seed: int) -> float:
    rows = np.sort(np.random.default_rng(seed).permutation(len(labels))[:CHOOSING_ROWS])
    names, counts = np.unique(labels[rows], return_counts=True)
    enough = names[counts >= FOLDS]
    if len(enough) < 2:
        return USUAL_STRENGTH
    rows = rows[np.isin(labels[rows], enough)]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    grid = {"logisticregression__C": STRENGTHS}
    search = GridSearchCV(_probe(USUAL_STRENGTH), grid, cv=folds, scoring="accuracy", refit=False)
    return float(search.fit(features[rows], labels[rows]).best_params_["logisticregression__C"])


def _probe(strength: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=STEPS))
