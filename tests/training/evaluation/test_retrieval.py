"""Retrieval metrics against hand-worked cases, a plain slow loop in float64, and scikit-learn."""

from __future__ import annotations

import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.neighbors import KNeighborsClassifier

from training.evaluation import ranking, retrieval
from training.evaluation.retrieval import find_category, find_original, macro_mean

Floats = npt.NDArray[np.float32]


def on_circle(*degrees: float) -> Floats:
    """Unit vectors of these angles: the nearer the angles, the more similar."""
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def many_ties(count: int, seed: int) -> Floats:
    """Corners of a hypercube of unit radius: similarities are multiples of 1/8 exactly, and many are equal."""
    return np.random.default_rng(seed).choice([-0.25, 0.25], (count, 16)).astype(np.float32)


def slow(
    queries: Floats, gallery: Floats, query_labels: list[str], gallery_labels: list[str], left_out: list[set[int]]
) -> dict[int, tuple[list[bool], float, str]]:
    """Hits at 1, 5 and 10, average precision at R and the kNN label of every query that has an answer, in loops."""
    results = {}
    for q, query in enumerate(queries.astype(np.float64)):
        similarity = {n: float(query @ row) for n, row in enumerate(gallery.astype(np.float64)) if n not in left_out[q]}
        ranked = sorted(similarity, key=lambda n: (-similarity[n], n))
        relevant = [gallery_labels[n] == query_labels[q] for n in ranked]
        answers = sum(relevant)
        if not answers:
            continue
        precision = 0.0
        for i in range(1, answers + 1):
            if relevant[i - 1]:
                precision += sum(relevant[:i]) / i / answers
        votes: dict[str, float] = {}
        for n in ranked[:20]:
            votes[gallery_labels[n]] = votes.get(gallery_labels[n], 0) + np.exp(similarity[n] / 0.07)
        results[q] = ([any(relevant[:k]) for k in (1, 5, 10)], precision, max(votes, key=lambda label: votes[label]))
    return results


def test_worked_example() -> None:
    """The order is a, b, a, b, a; R = 3, so AP = (1/1 + 0 + 2/3) / 3, and the fifth, which is right, does not count."""
    found = find_category(
        on_circle(0), on_circle(10, 20, 30, 40, 50), np.array(["a"]), np.array(["a", "b", "a", "b", "a"])
    )
    assert found.means() == pytest.approx(
        {"recall@1": 1, "recall@5": 1, "recall@10": 1, "map@r": 5 / 9, "knn_accuracy": 1}
    )
    wrong = find_category(on_circle(0), on_circle(10, 20, 90), np.array([1]), np.array([2, 2, 1]))
    assert wrong.means() == {"recall@1": 0, "recall@5": 1, "recall@10": 1, "map@r": 0, "knn_accuracy": 0}


@pytest.mark.parametrize("chunk", [1, 100, ranking.CHUNK])
def test_equals_the_slow_loop_however_it_is_cut(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "CHUNK", chunk)
    random = np.random.default_rng(0)
    queries, gallery = many_ties(40, 1), many_ties(70, 2)
    query_labels, gallery_labels = random.choice(list("abcdx"), 40), random.choice(list("abcd"), 70)
    contents = random.integers(0, 15, 40), random.integers(0, 15, 70)
    left_out = [{n for n in range(70) if contents[0][q] == contents[1][n]} for q in range(40)]
    expected = slow(queries, gallery, query_labels.tolist(), gallery_labels.tolist(), left_out)
    found = find_category(queries, gallery, query_labels, gallery_labels, left_out=contents)
    assert found.rows.tolist() == list(expected)
    assert found.without_answer == 40 - len(expected) > 0
    assert found.labels.tolist() == query_labels[found.rows].tolist()
    assert found.hits.tolist() == [hits for hits, _, _ in expected.values()]
    assert found.average_precision == pytest.approx([precision for _, precision, _ in expected.values()])
    assert found.predicted.tolist() == [label for _, _, label in expected.values()]
    assert 0 < found.means()["recall@1"] < 1


def test_knn_votes_as_scikit_learn_does() -> None:
    random = np.random.default_rng(3)
    vectors = random.standard_normal((260, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    labels = random.integers(0, 5, 260)
    peer = KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / 0.07)
    ).fit(vectors[60:], labels[60:])
    found = find_category(vectors[:60], vectors[60:], labels[:60], labels[60:])
    assert found.predicted.tolist() == peer.predict(vectors[:60]).tolist()


def test_macro_means_let_every_label_count_alike() -> None:
    assert macro_mean(np.array([1.0, 1, 1, 0]), np.array(["a", "a", "a", "b"])) == 0.5
    found = find_category(on_circle(0, 1, 2, 90), on_circle(0, 3), np.array(list("aaab")), np.array(list("ab")))
    # nearest to 0 and 1 degrees is a, to 2 and 90 degrees b
    assert found.means()["recall@1"] == 3 / 4
    assert found.macro_means()["recall@1"] == pytest.approx((2 / 3 + 1) / 2)


def test_catalog_against_itself_finds_neither_itself_nor_its_copies() -> None:
    vectors = on_circle(0, 0, 5, 90, 95)
    contents = np.array(["p", "p", "q", "r", "s"])
    labels = np.array([1, 1, 1, 2, 2])
    found = find_category(vectors, vectors, labels, labels, left_out=(contents, contents))
    assert found.average_precision.tolist() == [1, 1, 1, 1, 1]
    lonely = find_category(vectors, vectors, contents, contents, left_out=(contents, contents))
    assert lonely.without_answer == 5
    assert len(lonely.rows) == 0
    assert np.isnan(lonely.means()["map@r"])


def test_collapsed_embedding_gets_no_credit_from_rounding() -> None:
    """All vectors are the same: the order is the gallery's, and one label is found, whoever asks."""
    vectors = np.repeat(on_circle(33), 40, axis=0)
    labels = np.arange(40) % 4
    found = find_category(vectors, vectors, labels, labels, left_out=(np.arange(40), np.arange(40)))
    assert found.macro_means()["recall@1"] == pytest.approx(0.25, abs=0.03)
    originals = find_original(vectors, vectors, np.arange(40), np.arange(40))
    assert originals.means() == {"recall@1": 1 / 40, "recall@5": 5 / 40}


def test_finds_the_original_of_an_altered_copy() -> None:
    gallery = on_circle(0, 10, 20, 30, 40, 50, 60)
    found = find_original(on_circle(1, 12, 59, 24), gallery, np.array([0, 1, 0, 3]), np.arange(7))
    assert found.hits.tolist() == [[True, True], [True, True], [False, False], [False, True]]
    assert found.means() == {"recall@1": 0.5, "recall@5": 0.75}
    assert found.without_answer == 0


def test_finds_another_photo_of_the_product_but_not_the_same() -> None:
    vectors = on_circle(0, 2, 50, 52, 53, 90)
    products = np.array(["cup", "cup", "bag", "hat", "bag", "shoe"])
    contents = np.arange(6)
    found = find_original(vectors, vectors, products, products, left_out=(contents, contents))
    assert found.rows.tolist() == [0, 1, 2, 4]  # hat and shoe have one photo only
    assert found.without_answer == 2
    assert found.hits[:, 0].tolist() == [True, True, False, False]
    assert found.metrics()["recall@5"].tolist() == [1, 1, 1, 1]


def test_a_copy_of_the_original_is_as_right_as_itself() -> None:
    gallery = on_circle(0, 0, 40)
    found = find_original(on_circle(0), gallery, np.array(["x"]), np.array(["y", "x", "x"]))
    assert found.hits.tolist() == [[False, True]]  # of equal similarities the first row wins
    found = find_original(on_circle(0), gallery, np.array(["x"]), np.array(["x", "x", "y"]))
    assert found.hits.tolist() == [[True, True]]


def test_memory_does_not_grow_with_queries_times_gallery() -> None:
    """2,000 x 20,000 similarities would be 160 MB."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((22_000, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = random.integers(0, 1000, 22_000)
    tracemalloc.start()
    find_category(vectors[:2000], vectors[2000:], labels[:2000], labels[2000:])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64e6


@pytest.mark.parametrize(
    ("queries", "gallery", "keys", "message"),
    [
        (2 * on_circle(0), on_circle(1), (1, 1), "unit norm"),
        (on_circle(0).astype(np.float64), on_circle(1), (1, 1), "float32"),
        (on_circle(0) * np.nan, on_circle(1), (1, 1), "unit norm"),
        (on_circle(0), np.ones((1, 1), dtype=np.float32), (1, 1), r"\(Q, D\) and \(N, D\)"),
        (on_circle(0), on_circle(1), (2, 1), "one key per vector"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    queries: Floats, gallery: Floats, keys: tuple[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        find_original(queries, gallery, np.zeros(keys[0]), np.zeros(keys[1]))


def test_zero_vector_of_a_dead_network_is_like_nothing() -> None:
    found = find_original(np.zeros((1, 2), dtype=np.float32), on_circle(0, 90), np.array([1]), np.arange(2))
    assert found.hits.tolist() == [[False, True]]


def test_results_of_other_queries_do_not_fit() -> None:
    with pytest.raises(ValueError, match="hits must be"):
        retrieval.OriginalRetrieval(rows=np.arange(3), hits=np.zeros((2, 2), dtype=np.bool_), without_answer=0)
