"""Products, not files: by best photo and by mean against brute force, and what holds the query's own bytes first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.loading import LoadedVersion
from search.config import ProductBy
from tests.search.random_catalog import RandomCatalog, catalogs

hypothesis = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@hypothesis
@given(
    catalog=catalogs((7,), (4, 3)),
    k=st.integers(1, 15),
    least=st.none() | st.integers(0, 45),
    by=st.sampled_from(["best", "mean"]),
)
def test_one_result_per_product_equals_brute_force(
    loaded: LoadedVersion, catalog: RandomCatalog, k: int, least: int | None, by: ProductBy
) -> None:
    """Random catalogs with several photos of a product and equal vectors, perhaps only those from some number on."""
    snapshot = catalog.snapshot(loaded)
    queries = catalog.queries(k, 3)
    allowed = None if least is None else snapshot.allowed(f"image_id >= {least}")
    photos = catalog.photos_of(least or 0)
    for query, matches in zip(queries, snapshot.nearest_products(queries, k, allowed, product_by=by), strict=True):
        photo_scores = catalog.vectors @ query
        if by == "best":
            scores = {owner: float(photo_scores[positions].max()) for owner, positions in photos.items()}
        else:
            scores = {owner: float(catalog.mean(positions) @ query) for owner, positions in photos.items()}
        expected = sorted(scores.values(), reverse=True)[:k]
        assert [match.similarity for match in matches] == pytest.approx(expected, abs=1e-5)
        assert len({match.item.item_id for match in matches}) == len(matches)
        assert [match.rank for match in matches] == list(range(1, len(matches) + 1))
        for match in matches:
            own = photos[match.item.item_id]
            assert scores[match.item.item_id] == pytest.approx(match.similarity, abs=1e-5)
            assert match.item.image_id in own
            assert photo_scores[match.item.image_id] == pytest.approx(photo_scores[own].max(), abs=1e-5)


@hypothesis
@given(
    catalog=catalogs((7,), (4, 3)),
    k=st.integers(1, 15),
    least=st.none() | st.integers(0, 45),
    by=st.sampled_from(["best", "mean"]),
    hidden=st.sets(st.integers(0, 2)),
)
def test_what_holds_the_same_bytes_comes_first_in_the_order_of_items(
    loaded: LoadedVersion, catalog: RandomCatalog, k: int, least: int | None, by: ProductBy, hidden: set[int]
) -> None:
    """Whatever the vector is: here it is a random one, so that others are nearer."""
    snapshot = catalog.snapshot(loaded)
    allowed = None if least is None else snapshot.allowed(f"image_id >= {least}")
    asked = catalog.hashes[k % len(catalog.hashes)]
    hidden = {product for product in hidden if product < len(snapshot.products)}
    names = list(snapshot.product_of)
    query = catalog.queries(k, 1)
    (matches,) = snapshot.nearest_products(query, k, allowed, product_by=by, holding=[{asked}], hidden=hidden)
    photos = catalog.photos_of(least or 0)
    for product in hidden:
        photos.pop(names[product], None)
    holders = sorted(o for o, positions in photos.items() if any(catalog.hashes[p] == asked for p in positions))[:k]
    assert [match.item.item_id for match in matches[: len(holders)]] == holders
    assert all(match.item.sha256 == asked for match in matches[: len(holders)])
    scores = {owner: float(catalog.mean(positions) @ query[0]) for owner, positions in photos.items()}
    if by == "best":
        photo_scores = catalog.vectors @ query[0]
        scores = {owner: float(photo_scores[positions].max()) for owner, positions in photos.items()}
        scores |= {match.item.item_id: float(photo_scores[match.item.image_id]) for match in matches[: len(holders)]}
    for match in matches:
        assert match.similarity == pytest.approx(scores[match.item.item_id], abs=1e-5)
    left = sorted((score for owner, score in scores.items() if owner not in holders), reverse=True)
    others = [match.similarity for match in matches[len(holders) :]]
    assert others == pytest.approx(left[: k - len(holders)], abs=1e-5)


def test_photos_that_cancel_out_are_similar_to_nothing(loaded: LoadedVersion) -> None:
    vectors = RandomCatalog.draw(0, 1, 1, (7,)).vectors
    catalog = RandomCatalog(np.concatenate([vectors, -vectors]), ["one", "one"], ["0" * 64, "1" * 64], (7,))
    ((match,),) = catalog.snapshot(loaded).nearest_products(vectors, 3, product_by="mean")
    assert match.similarity == 0 and match.item.image_id == 0
