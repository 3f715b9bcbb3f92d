"""The linear probe against scikit-learn called directly, and the scores of its answers against worked cases."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from catalog.errors import UsageError
from training.evaluation.classification import Classification
from training.evaluation.linear_probe import STRENGTHS, USUAL_STRENGTH, linear_probe

Floats = npt.NDArray[np.float32]


def clouds(count: int, noise: float, seed: int) -> tuple[Floats, npt.NDArray[np.str_]]:
    """Points around one centre per label, of very different scales per feature."""
    centres = np.random.default_rng(0).standard_normal((3, 12))
    random = np.random.default_rng(seed)
    codes = random.integers(0, 3, count)
    points = centres[codes] + noise * random.standard_normal((count, 12))
    return (points * np.logspace(-3, 3, 12) + 5).astype(np.float32), np.array(["bag", "cup", "hat"])[codes]


def test_separable_labels_are_all_found() -> None:
    train, labels = clouds(120, 0.1, 1)
    test, truth = clouds(60, 0.1, 2)
    scores = linear_probe(train, labels, test, truth).classification
    assert scores.accuracy == scores.macro_precision == scores.macro_recall == scores.macro_f1 == 1
    assert scores.labels == ("bag", "cup", "hat")
    assert scores.confusion().tolist() == np.diag(np.unique(truth, return_counts=True)[1]).tolist()


def test_same_answers_as_scikit_learn_called_directly() -> None:
    train, labels = clouds(200, 1.5, 1)
    test, truth = clouds(300, 1.5, 2)
    probe = linear_probe(train, labels, test, truth)
    assert probe.strength in STRENGTHS
    mean, scale = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    peer = LogisticRegression(C=probe.strength, max_iter=5000, tol=1e-8).fit((train - mean) / scale, labels)
    expected = peer.predict((test - mean) / scale)
    scores = probe.classification
    assert np.mean(scores.predicted == expected) > 0.99  # a point on a border may fall to either side
    assert 0.5 < scores.accuracy < 0.95
    assert scores.accuracy == pytest.approx(peer.score((test - mean) / scale, truth), abs=0.01)
    assert scores.macro_f1 == pytest.approx(f1_score(truth, scores.predicted, average="macro"))


def test_penalty_is_chosen_on_the_training_rows() -> None:
    """Where labels are noise, a strong penalty is best; where a few hundred features say it all, a weak one."""
    random = np.random.default_rng(0)
    noise = random.standard_normal((90, 40)).astype(np.float32)
    assert linear_probe(noise, np.arange(90) % 10 // 7, noise, np.zeros(90)).strength < USUAL_STRENGTH
    train = random.standard_normal((400, 20)).astype(np.float32)
    clear = (train[:, 0] + 0.3 * train[:, 1] > 0).astype(np.int64)
    probe = linear_probe(train, clear, train, clear)
    assert probe.strength > USUAL_STRENGTH
    assert probe.classification.accuracy > 0.98


def test_a_fit_that_does_not_end_by_itself_says_so_without_a_warning() -> None:
    random = np.random.default_rng(0)
    one_direction = random.standard_normal((600, 1)) + 1e-4 * random.standard_normal((600, 40))
    features = one_direction.astype(np.float32)
    labels = (random.permutation(600) % 3).astype(np.str_)
    train, names = clouds(120, 0.1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("training.evaluation.linear_probe.STEPS", 3)
            assert linear_probe(features, labels, features, labels).to_json()["converged"] is False
        assert linear_probe(train, names, train, names).converged


def test_labels_with_a_single_photo_do_no_harm() -> None:
    train, labels = clouds(60, 0.1, 1)
    few = np.concatenate([labels[:-2], ["lone", "other"]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert linear_probe(train, few, train, few).classification.accuracy > 0.9
        every = np.arange(60)
        probe = linear_probe(train, every, train, every)
    assert probe.strength == USUAL_STRENGTH  # nothing to choose it by
    assert len(probe.classification.labels) == 60


def test_labels_that_training_never_saw_count_as_errors() -> None:
    train, labels = clouds(120, 0.1, 1)
    test, truth = clouds(90, 0.1, 2)
    truth = np.where(np.arange(90) < 30, "zebra", truth)
    scores = linear_probe(train, labels, test, truth).classification
    assert scores.accuracy == pytest.approx(60 / 90)
    by_label = {row.label: row for row in scores.per_label()}
    assert (by_label["zebra"].recall, by_label["zebra"].f1, by_label["zebra"].support) == (0, 0, 30)
    assert not by_label["zebra"].learned
    assert by_label["cup"].learned
    assert scores.macro_recall == pytest.approx(3 / 4)


def test_one_label_is_no_probe() -> None:
    with pytest.raises(UsageError, match="at least 2 labels; received 1: choose another column"):
        linear_probe(np.ones((3, 2), np.float32), np.zeros(3), np.ones((3, 2), np.float32), np.zeros(3))


def worked() -> Classification:
    return Classification(
        truth=np.array(["a", "a", "a", "b", "b"]),
        predicted=np.array(["a", "a", "b", "b", "c"]),
        learned=np.array(["a", "b", "c"]),
    )


def test_scores_of_a_worked_example() -> None:
    """a: 2 of 2 given are right, 2 of 3 found; b: 1 of 2, 1 of 2; c is in no test row, so not in the means."""
    scores = worked()
    a, b, c = scores.per_label()
    assert (a.precision, a.recall, a.f1, a.support) == pytest.approx((1, 2 / 3, 4 / 5, 3))
    assert (b.precision, b.recall, b.f1, b.support) == pytest.approx((1 / 2, 1 / 2, 1 / 2, 2))
    assert (c.precision, c.recall, c.f1, c.support) == (0, 0, 0, 0)
    assert scores.accuracy == 3 / 5
    assert (scores.macro_precision, scores.macro_recall) == pytest.approx((3 / 4, 7 / 12))
    assert scores.macro_f1 == pytest.approx(13 / 20)
    assert scores.correct.tolist() == [1, 1, 0, 1, 0]


def test_scores_and_confusion_are_written(tmp_path: Path) -> None:
    scores = worked()
    values = json.loads(json.dumps(scores.to_json()))
    assert values["accuracy"] == 3 / 5
    assert [row["label"] for row in values["labels"]] == ["a", "b", "c"]
    scores.write_confusion(tmp_path / "confusion.csv")
    with (tmp_path / "confusion.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["true \\ predicted", "a", "b", "c"],
            ["a", "2", "1", "0"],
            ["b", "0", "1", "1"],
            ["c", "0", "0", "0"],
        ]
    assert [path.name for path in tmp_path.iterdir()] == ["confusion.csv"]


def test_numbers_are_labels_too_and_sort_as_numbers() -> None:
    scores = Classification(truth=np.array([2, 10]), predicted=np.array([10, 10]), learned=np.array([2, 10]))
    assert scores.labels == ("2", "10")
    assert scores.confusion().tolist() == [[0, 1], [0, 1]]


def test_answers_must_fit_the_rows() -> None:
    with pytest.raises(ValueError, match="one answer for each test row"):
        Classification(truth=np.array(["a"]), predicted=np.array(["a", "b"]), learned=np.array(["a"]))
