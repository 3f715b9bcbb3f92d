"""Retrieval measured: is what lies nearest to a query what should be found?

Shapes: Q queries, N gallery rows, D wide; M queries that have an answer at all. Which these are depends on keys only,
so the results of two embeddings on the same photos are paired, query by query.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.evaluation.ranking import Flags, Floats, Keys, Ranking, Rows, rank_gallery

Values = npt.NDArray[np.float64]

CATEGORY_DEPTHS = (1, 5, 10)
"""The k of recall@k in finding the same category."""
ORIGINAL_DEPTHS = (1, 5)
"""The k of recall@k in finding an original."""
NEIGHBOURS = 20
"""Gallery rows that vote in the kNN classifier."""
VOTE_TEMPERATURE = 0.07
"""A neighbour's vote weighs exp(similarity / this)."""


def macro_mean(values: Values, labels: Keys) -> float:
    """The mean over labels of each label's own mean, so that every label counts alike; both (M,)."""
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return float(np.mean(np.bincount(codes, weights=values) / counts))


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryRetrieval:
    """How each of M queries fared in finding the gallery's items of its own label.

    Raises:
        ValueError: the arrays are not of the same M queries.
    """

    rows: Rows
    """Which of the queries asked, ascending, (M,)."""
    labels: Keys
    """Their true labels, (M,)."""
    hits: Flags
    """Whether any of the first k is of the query's label, a column for each k of `CATEGORY_DEPTHS`, (M, 3)."""
    average_precision: Values
    """Average precision at R, in [0, 1], (M,)."""
    predicted: Keys
    """The label that the kNN classifier gives, (M,)."""
    without_answer: int
    """Queries left out because the gallery holds nothing of their label for them."""

    def __post_init__(self) -> None:
        _check_hits(self.rows, self.hits, CATEGORY_DEPTHS)
        if any(len(part) != len(self.rows) for part in (self.labels, self.average_precision, self.predicted)):
            raise ValueError("labels, average_precision and predicted must be of the same queries as rows")

    def metrics(self) -> dict[str, Values]:
        """recall@1, recall@5, recall@10, map@r and knn_accuracy, each as one value in [0, 1] per query, (M,)."""
        return {
            **_recalls(self.hits, CATEGORY_DEPTHS),
            "map@r": self.average_precision,
            "knn_accuracy": (self.predicted == self.labels).astype(np.float64),
        }

    def means(self) -> dict[str, float]:
        """Every metric's mean over the queries; NaN where no query has an answer."""
        return _means(self.metrics())

    def macro_means(self) -> dict[str, float]:
        """Every metric's mean over the labels asked for of that label's mean; NaN where no query has an answer."""
        return {
            name: macro_mean(values, self.labels) if len(values) else float("nan")
            for name, values in self.metrics().items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalRetrieval:
    """Whether each of M queries found a gallery row of its own key.

    Raises:
        ValueError: the arrays are not of the same M queries.
    """

    rows: Rows
    """Which of the queries asked, ascending, (M,)."""
    hits: Flags
    """Whether a right row is among the first k, a column for each k of `ORIGINAL_DEPTHS`, (M, 2)."""
    without_answer: int
    """Queries left out because the gallery holds no right row for them."""

    def __post_init__(self) -> None:
        _check_hits(self.rows, self.hits, ORIGINAL_DEPTHS)

    def metrics(self) -> dict[str, Values]:
        """recall@1 and recall@5, each as 0 or 1 per query, (M,)."""
        return _recalls(self.hits, ORIGINAL_DEPTHS)

    def means(self) -> dict[str, float]:
        """Both metrics' means over the queries; NaN where no query has an answer."""
        return _means(self.metrics())


def find_category(
    queries: Floats,
    gallery: Floats,
    query_labels: Keys,
    gallery_labels: Keys,
    *,
    left_out: tuple[Keys, Keys] | None = None,
) -> CategoryRetrieval:
    """Search the gallery with every query and see which of the nearest are of the query's label.

    recall@k asks whether any of the first k is, as metric learning does. Average precision goes to rank R, the number
    of items of that label: (1/R) sum over i ≤ R of P(i) rel(i); its mean is MAP@R of "A Metric Learning Reality Check"
    (arXiv 2003.08505). In the kNN classifier the 20 nearest vote for their labels, each with the weight
    exp(similarity / 0.07) (arXiv 1805.01978); of equal sums the nearest row's label wins.

    Args:
        queries, gallery: float32 (Q, D) and (N, D), of unit norm.
        query_labels, gallery_labels: (Q,) and (N,).
        left_out: contents of the queries (Q,) and of the gallery (N,): a gallery row with the query's own content is
            not in its gallery. Pass the same hashes twice to hold a catalog against itself.

    Raises:
        ValueError: shapes do not fit, or vectors are not float32 of unit norm.
    """
    query_labels, gallery_labels = np.asarray(query_labels), np.asarray(gallery_labels)
    answered = np.zeros(len(queries), dtype=np.bool_)
    hits = np.zeros((len(queries), len(CATEGORY_DEPTHS)), dtype=np.bool_)
    average_precision = np.zeros(len(queries))
    predicted = np.zeros(len(queries), dtype=gallery_labels.dtype)
    depth = max(*CATEGORY_DEPTHS, NEIGHBOURS)
    for ranking in rank_gallery(queries, gallery, query_labels, gallery_labels, left_out=left_out, depth=depth):
        answered[ranking.queries] = True
        hits[ranking.queries] = _hits(ranking, CATEGORY_DEPTHS)
        average_precision[ranking.queries] = _average_precision(ranking)
        predicted[ranking.queries] = _vote(ranking, gallery_labels)
    return CategoryRetrieval(
        rows=np.flatnonzero(answered),
        labels=query_labels[answered],
        hits=hits[answered],
        average_precision=average_precision[answered],
        predicted=predicted[answered],
        without_answer=int((~answered).sum()),
    )


def find_original(
    queries: Floats,
    gallery: Floats,
    query_keys: Keys,
    gallery_keys: Keys,
    *,
    left_out: tuple[Keys, Keys] | None = None,
) -> OriginalRetrieval:
    """Search the gallery with every query for the one thing it shows.

    The keys say what is asked: content hashes (altered copy → original, any copy of the photo is right), gallery rows,
    or products (photo → another photo of the same product; then leave out equal contents, or it finds itself).

    Args:
        queries, gallery: float32 (Q, D) and (N, D), of unit norm.
        query_keys, gallery_keys: (Q,) and (N,); every gallery row of a query's key is right.
        left_out: as in `find_category`.

    Raises:
        ValueError: shapes do not fit, or vectors are not float32 of unit norm.
    """
    answered = np.zeros(len(queries), dtype=np.bool_)
    hits = np.zeros((len(queries), len(ORIGINAL_DEPTHS)), dtype=np.bool_)
    depth = max(ORIGINAL_DEPTHS)
    for ranking in rank_gallery(queries, gallery, query_keys, gallery_keys, left_out=left_out, depth=depth):
        answered[ranking.queries] = True
        hits[ranking.queries] = _hits(ranking, ORIGINAL_DEPTHS)
    return OriginalRetrieval(rows=np.flatnonzero(answered), hits=hits[answered], without_answer=int((~answered).sum()))


def _hits(ranking: Ranking, depths: tuple[int, ...]) -> Flags:
    """Whether any of the first k is an answer, one column for each k, (C, len(depths))."""
    return np.stack([ranking.relevant[:, :k].any(axis=1) for k in depths], axis=1)


def _average_precision(ranking: Ranking) -> Values:
    """(1/R) sum over i ≤ R of P(i) rel(i), (C,)."""
    ranks = np.arange(1, ranking.rows.shape[1] + 1)
    counted = ranking.relevant & (ranks <= ranking.answers[:, None])
    precision = np.cumsum(counted, axis=1) / ranks
    return np.asarray((precision * counted).sum(axis=1) / ranking.answers)


def _vote(ranking: Ranking, gallery_labels: Keys) -> Keys:
    """The label with the most weight among the nearest, (C,)."""
    labels = gallery_labels[ranking.rows[:, :NEIGHBOURS]]
    similarities = ranking.similarities[:, :NEIGHBOURS]
    weights = np.exp((similarities - similarities[:, :1]) / VOTE_TEMPERATURE)
    votes = ((labels[:, :, None] == labels[:, None, :]) * weights[:, None, :]).sum(axis=2)
    return np.take_along_axis(labels, votes.argmax(axis=1, keepdims=True), axis=1)[:, 0]


def _recalls(hits: Flags, depths: tuple[int, ...]) -> dict[str, Values]:
    return {f"recall@{k}": hits[:, place].astype(np.float64) for place, k in enumerate(depths)}


def _means(metrics: dict[str, Values]) -> dict[str, float]:
    return {name: float(values.mean()) if len(values) else float("nan") for name, values in metrics.items()}


def _check_hits(rows: Rows, hits: Flags, depths: tuple[int, ...]) -> None:
    if hits.shape != (len(rows), len(depths)):
        raise ValueError(f"hits must be ({len(rows)}, {len(depths)}); received {hits.shape}")
