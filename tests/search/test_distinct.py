"""Which of the nearest products are shown, against brute force on random catalogs with many equal photos."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import search.distinct as module
from index.loading import LoadedVersion
from search.config import ProductBy
from tests.search.random_catalog import RandomCatalog, catalogs


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    catalog=catalogs((7,), (4, 3)),
    k=st.integers(1, 15),
    least=st.none() | st.integers(0, 45),
    by=st.sampled_from(["best", "mean"]),
    asked_with=st.lists(
        st.none() | st.sampled_from([f"item-{number}" for number in range(12)]), min_size=1, max_size=5
    ),
    hidden=st.sets(st.integers(0, 2)),
    same_photo=st.sampled_from([None, 0.3, 0.8, 0.995]),
)
def test_the_answers_to_many_queries_equal_brute_force(
    loaded: LoadedVersion,
    monkeypatch: pytest.MonkeyPatch,
    catalog: RandomCatalog,
    k: int,
    least: int | None,
    by: ProductBy,
    asked_with: list[str | None],
    hidden: set[int],
    same_photo: float | None,
) -> None:
    """Products that are asked with or hidden are no answers; of photos at least so similar, the first is."""
    monkeypatch.setattr(module, "DUPLICATE_SIMILARITY", same_photo)
    monkeypatch.setattr(module, "COMPARED_TOGETHER", 4)
    snapshot = catalog.snapshot(loaded)
    names = list(snapshot.product_of)
    hidden = {product for product in hidden if product < len(names)}
    colour = 0.3 if len(catalog.widths) > 1 else 0.0
    weights = np.repeat((1 - colour, colour)[: len(catalog.widths)], catalog.widths)
    queries = catalog.queries(k, len(asked_with)) * np.float32(len(catalog.widths))
    answers = module.best_answers(
        snapshot,
        queries,
        k,
        None if least is None else snapshot.allowed(f"image_id >= {least}"),
        colour=colour,
        product_by=by,
        holding=[()] * len(asked_with),
        asked_with=asked_with,
        hidden=hidden,
        hide_duplicates=same_photo is not None,
        close_only=False,
    )
    for query, own, matches in zip(queries, asked_with, answers, strict=True):
        scores = catalog.vectors @ (weights * query)
        ranking = []
        for owner, positions in catalog.photos_of(least or 0).items():
            if owner != own and owner not in {names[product] for product in hidden}:
                photo = max(positions, key=lambda position: scores[position])
                score = scores[photo] if by == "best" else catalog.mean(positions) @ (weights * query)
                ranking.append((float(score), photo))
        kept: list[tuple[float, int]] = []
        for score, photo in sorted(ranking, reverse=True):
            alike = catalog.vectors[[other for _, other in kept]] @ (weights * catalog.vectors[photo])
            if same_photo is None or not (alike >= same_photo).any():
                kept.append((score, photo))
        assert [match.similarity for match in matches] == pytest.approx([score for score, _ in kept[:k]], abs=1e-5)
        assert [match.rank for match in matches] == list(range(1, len(matches) + 1))
        assert not {match.item.item_id for match in matches} & {own, *(names[product] for product in hidden)}
