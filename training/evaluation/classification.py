"""A classifier's answers held against the truth: accuracy, precision, recall, F1 and the confusion matrix.

Shapes: M test rows, L labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from catalog import atomic
from catalog.csv_text import InertWriter
from training.evaluation.ranking import Keys


@contextmanager
def many_labels() -> Iterator[None]:
    """Let scikit-learn take nearly as many labels as photos without a warning: products are labels too."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScores:
    """How one label was told from all others; precision, recall and F1 of nothing are 0."""

    label: str
    precision: float
    """Part of the rows given this label that have it."""
    recall: float
    """Part of the rows with this label that were given it."""
    f1: float
    """Harmonic mean of the two."""
    support: int
    """Test rows with this label."""
    learned: bool
    """Whether the classifier was ever shown this label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """A classifier's answers on M test rows.

    A label of the test rows that training did not have counts like any other: its rows are wrong in the accuracy, and
    its recall and F1 are 0 in the macro means. Those are taken over the labels that test rows have; a label that only
    training had is listed, and lowers the others' recall where it is given wrongly, but is not in the means.

    Raises:
        ValueError: there are no test rows, or not one answer for each.
    """

    truth: Keys
    """The true labels, (M,)."""
    predicted: Keys
    """The labels given, (M,)."""
    learned: Keys
    """The labels that the classifier was trained on, without repeats."""

    def __post_init__(self) -> None:
        if len(self.truth) == 0 or np.shape(self.truth) != np.shape(self.predicted):
            raise ValueError(
                f"there must be one answer for each test row, and at least one row; "
                f"received {np.shape(self.predicted)} for {np.shape(self.truth)}"
            )

    @property
    def correct(self) -> npt.NDArray[np.float64]:
        """1 where the answer is right, else 0, (M,): what `bootstrap_mean` takes."""
        return np.asarray(self.truth == self.predicted, dtype=np.float64)

    @property
    def accuracy(self) -> float:
        """Part of the rows that were given their label."""
        return float(self.correct.mean())

    @property
    def macro_precision(self) -> float:
        """Mean precision of the test rows' labels."""
        return float(np.mean([scores.precision for scores in self._tested()]))

    @property
    def macro_recall(self) -> float:
        """Mean recall of the test rows' labels."""
        return float(np.mean([scores.recall for scores in self._tested()]))

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the test rows' labels."""
        return float(np.mean([scores.f1 for scores in self._tested()]))

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label of training or test, sorted, (L,)."""
        return tuple(str(label) for label in self._all_labels())

    def per_label(self) -> tuple[LabelScores, ...]:
        """The scores of every label, in the order of `labels`."""
        all_labels = self._all_labels()
        with many_labels():
            columns = precision_recall_fscore_support(self.truth, self.predicted, labels=all_labels, zero_division=0)
        return tuple(
            LabelScores(
                label=str(label),
                precision=float(precision),
                recall=float(recall),
                f1=float(f1),
                support=int(support),
                learned=bool(learned),
            )
            for label, precision, recall, f1, support, learned in zip(
                all_labels, *columns, np.isin(all_labels, self.learned), strict=True
            )
        )

    def confusion(self) -> npt.NDArray[np.int64]:
        """Counts, (L, L): true label by row, given label by column, both in the order of `labels`."""
        with many_labels():
            counts = confusion_matrix(self.truth, self.predicted, labels=self._all_labels())
        return np.asarray(counts, dtype=np.int64)

    def write_confusion(self, path: Path) -> None:
        """Write the confusion matrix as CSV: a row per true label, a column per given label."""
        names = ["true \\ predicted", *self.labels]
        rows = ([label, *counts] for label, counts in zip(self.labels, self.confusion().tolist(), strict=True))
        with atomic.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            InertWriter(file, names).write(dict(zip(names, row, strict=True)) for row in rows)

    def to_json(self) -> dict[str, Any]:
        """The scores as plain values, for JSON; the confusion matrix has a file of its own."""
        return {
            "rows": len(self.truth),
            "accuracy": self.accuracy,
            "macro_precision": self.macro_precision,
            "macro_recall": self.macro_recall,
            "macro_f1": self.macro_f1,
            "labels": [asdict(scores) for scores in self.per_label()],
        }

    def _all_labels(self) -> Keys:
        return np.unique(np.concatenate([self.truth, self.predicted, self.learned]))

    def _tested(self) -> list[LabelScores]:
        return [scores for scores in self.per_label() if scores.support]
