"""The answers to queries: which of the nearest products are shown. The service and the batch search share it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from index.batches import batches
from index.query import vectors_at
from index.vectors import Floats, Mask
from search.config import DUPLICATE_SIMILARITY, ProductBy
from search.results import Match
from search.snapshot import Snapshot

COMPARED_TOGETHER = 256
"""Answers whose photos are compared in one product of matrices."""

Nearest = Callable[[Sequence[int], int], list[tuple[Match, ...]]]
"""From some queries, by their numbers, to the n most alike products of each, most alike first."""


def best_answers(
    snapshot: Snapshot,
    queries: Floats,
    k: int,
    allowed: Mask | None,
    *,
    where: str = "",
    colour: float,
    product_by: ProductBy,
    holding: Sequence[Collection[str]],
    asked_with: Sequence[str | None],
    hidden: Collection[int],
    hide_duplicates: bool,
    close_only: bool,
    judged: bool = True,
) -> list[tuple[Match, ...]]:
    """The k best answers to each query, most alike first; fewer where there are fewer.

    Args:
        queries: vectors of unit norm by block, float32 (Q, D).
        allowed, where, product_by, holding, hidden: see `Snapshot.nearest_products`.
        colour: weight of the colour block, 0 … 1.
        asked_with: per query, the item_id of the product that it is, which is no answer to itself; None: of none.
        hide_duplicates: of answers that look like the same photo of each other, leave only the first.
        close_only: leave out what is no close match.
        judged: tell what similarities mean. Of a query that likes and dislikes have moved they say nothing: verdicts
            are fitted on photos.
    """
    weighed, thresholds = snapshot.weighed(queries, colour), snapshot.thresholds(colour) if judged else None
    own = int(any(item_id is not None for item_id in asked_with))

    def nearest(rows: Sequence[int], count: int) -> list[tuple[Match, ...]]:
        found = snapshot.nearest_products(
            weighed[rows],
            count + own,
            allowed,
            where=where,
            product_by=product_by,
            holding=[holding[row] for row in rows],
            hidden=hidden,
            thresholds=thresholds,
        )
        return [_without(matches, asked_with[row])[:count] for row, matches in zip(rows, found, strict=True)]

    if hide_duplicates:
        answers = _distinct(snapshot, nearest, len(queries), k, colour)
    else:
        answers = nearest(range(len(queries)), k)
    return [_close(matches) for matches in answers] if close_only else answers


def _without(matches: tuple[Match, ...], item_id: str | None) -> tuple[Match, ...]:
    """All but a product, ranked anew."""
    if item_id is None:
        return matches
    return _ranked(match for match in matches if match.item.item_id != item_id)


def _close(matches: tuple[Match, ...]) -> tuple[Match, ...]:
    """Those that are some match: all but those with the verdict "no close match"."""
    return tuple(match for match in matches if match.verdict != "no close match")


def _distinct(snapshot: Snapshot, nearest: Nearest, queries: int, k: int, colour: float) -> list[tuple[Match, ...]]:
    """The k best answers to each query of which no two show the same photo, or as many as there are.

    Args:
        nearest: is asked for more and more until k of them differ.
        colour: weight of the colour block, by which two photos are compared.
    """
    thresholds = snapshot.thresholds(colour)
    least = thresholds.same_photo if thresholds else DUPLICATE_SIMILARITY
    answers: list[tuple[Match, ...]] = [()] * queries
    waiting, wanted = list(range(queries)), k
    while waiting:
        unfilled = []
        for rows in batches(waiting, max(1, queries * k // wanted)):  # never more answers in memory than at first
            for row, matches in zip(rows, nearest(rows, wanted), strict=True):
                answers[row] = _first_of_alike(snapshot, matches, k, colour, least)
                if len(answers[row]) < k and len(matches) == wanted:
                    unfilled.append(row)
        waiting, wanted = unfilled, 2 * wanted
    return answers


def _first_of_alike(
    snapshot: Snapshot, matches: tuple[Match, ...], k: int, colour: float, least: float
) -> tuple[Match, ...]:
    """The first k whose photo is less similar than `least` to every one kept before, ranked anew."""
    kept: list[Match] = []
    photos = np.zeros((0, snapshot.loaded.index.dimension), np.float32)
    for block in batches(matches, COMPARED_TOGETHER):
        positions = np.array([snapshot.position_of[match.item.image_id] for match in block], np.int64)
        vectors = np.concatenate([photos, vectors_at(snapshot.loaded.index, positions)])
        alike = snapshot.weighed(vectors[len(photos) :], colour) @ vectors.T >= least
        shown = np.arange(len(vectors)) < len(photos)
        for row, match in enumerate(block):
            if len(kept) < k and not (alike[row] & shown).any():
                shown[len(photos) + row] = True
                kept.append(match)
        if len(kept) == k:
            break
        photos = vectors[shown]
    return _ranked(kept)


def _ranked(matches: Iterable[Match]) -> tuple[Match, ...]:
    """The same with ranks from 1 on."""
    return tuple(replace(match, rank=rank) for rank, match in enumerate(matches, start=1))
