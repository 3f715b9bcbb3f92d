"""Order a gallery by similarity for many queries, in bounded memory: what every retrieval metric is counted from.

Shapes: Q queries, N gallery rows, D wide; C queries at a time, K ranks of each. Equal similarities are ordered by
gallery row, so that no result depends on chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Keys = npt.NDArray[Any]
"""Integers or strings, one per row; what matters is which are equal."""

CHUNK = 2**21
"""Similarities held at a time: 8 MB, and 16 MB while they are ordered."""
CHUNK_QUERIES = 1024
"""Queries at a time, however small the gallery."""
RESOLUTION = 2**24
"""Similarities are told apart in steps of one part in this: what float32 can tell near 1."""
LEFT_OUT = -2.0
"""Below every similarity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The first K of the gallery for each of C queries that have an answer, most similar first."""

    queries: Rows
    """Which queries these are, (C,)."""
    rows: Rows
    """Gallery rows, (C, K); those left out come last."""
    similarities: npt.NDArray[np.float64]
    """(C, K), in [-1, 1], descending; -inf for a row that is left out."""
    relevant: Flags
    """Whether the row is an answer: of the query's key and not left out, (C, K)."""
    answers: Rows
    """How many answers the gallery has (R), at least 1, (C,)."""


def rank_gallery(
    queries: Floats,
    gallery: Floats,
    query_keys: Keys,
    gallery_keys: Keys,
    *,
    left_out: tuple[Keys, Keys] | None = None,
    depth: int,
) -> Iterator[Ranking]:
    """Rank the gallery for every query that has an answer, some queries at a time.

    Args:
        queries, gallery: float32 (Q, D) and (N, D), of unit norm; a row of zeros, as a dead network gives, is like
            nothing.
        query_keys, gallery_keys: (Q,) and (N,); a gallery row of the query's key is an answer.
        left_out: keys of the queries (Q,) and of the gallery (N,), such as content hashes: where they are equal, the
            gallery does not hold this row for this query.
        depth: ranks that are needed; there are more where a query has more answers, and at most N.

    Raises:
        ValueError: shapes do not fit, or vectors are not float32 of unit norm.
    """
    _check(queries, gallery)
    wanted, offered = _codes(query_keys, gallery_keys, queries, gallery)
    leaving = None if left_out is None else _codes(*left_out, queries, gallery)
    step = min(CHUNK_QUERIES, max(1, CHUNK // max(1, len(gallery))))
    for begin in range(0, len(queries), step):
        asked = np.arange(begin, min(begin + step, len(queries)))
        relevant = wanted[asked, None] == offered
        out = None if leaving is None else leaving[0][asked, None] == leaving[1]
        if out is not None:
            relevant &= ~out
        answers = relevant.sum(axis=1)
        answerable = answers > 0
        if not answerable.any():
            continue
        asked, relevant, answers = asked[answerable], relevant[answerable], answers[answerable]
        similarities = queries[asked] @ gallery.T
        if out is not None:
            similarities[out[answerable]] = LEFT_OUT
        rows, ordered = _order(similarities, min(len(gallery), max(depth, int(answers.max()))))
        yield Ranking(
            queries=asked,
            rows=rows,
            similarities=ordered,
            relevant=np.take_along_axis(relevant, rows, axis=1),
            answers=answers,
        )


def _order(similarities: Floats, depth: int) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Rows and similarities of the first `depth`, each (C, depth). Overwrites its input, (C, N).

    Similarity and row are packed into one integer, so that the order is total and only the first part is sorted.
    """
    count = similarities.shape[1]
    similarities *= RESOLUTION
    packed = np.rint(similarities, out=similarities).astype(np.int64)
    packed *= count
    packed += np.arange(count)[::-1]
    packed.partition(count - depth, axis=1)
    first = np.sort(packed[:, count - depth :], axis=1)[:, ::-1]
    steps, place = np.divmod(first, count)
    ordered = steps / RESOLUTION
    ordered[ordered <= LEFT_OUT] = -np.inf
    return count - 1 - place, ordered


def _codes(query_keys: Keys, gallery_keys: Keys, queries: Floats, gallery: Floats) -> tuple[Rows, Rows]:
    """Both sides' keys as integers that are equal where the keys are."""
    if np.shape(query_keys) != (len(queries),) or np.shape(gallery_keys) != (len(gallery),):
        raise ValueError(
            f"there must be one key per vector; received {np.shape(query_keys)} for {len(queries)} queries "
            f"and {np.shape(gallery_keys)} for a gallery of {len(gallery)}"
        )
    _, codes = np.unique(np.concatenate([query_keys, gallery_keys]), return_inverse=True)
    return codes[: len(queries)], codes[len(queries) :]


def _check(queries: Floats, gallery: Floats) -> None:
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1]:
        raise ValueError(f"vectors must be (Q, D) and (N, D); received {queries.shape} and {gallery.shape}")
    for vectors in (queries, gallery):
        lengths = np.linalg.norm(vectors, axis=1)
        if vectors.dtype != np.float32 or not ((np.abs(lengths - 1) < 1e-3) | (lengths == 0)).all():
            raise ValueError(f"vectors must be float32 of unit norm; received {vectors.dtype}: normalise them first")
