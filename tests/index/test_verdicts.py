"""Verdicts: thresholds fitted on a catalog keep their promises on it, and say nothing where there is too little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.manifest import Manifest
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from index.fit_verdicts import ERRORS, _seldom_reached, fit_verdicts
from index.loading import LoadedVersion, load_current
from index.vectors import Embeddings
from index.verdicts import Thresholds, Verdicts
from tests.small_run import leave_run

PHOTOS = 40


@pytest.fixture
def loaded(make_store: Callable[[int], Store]) -> LoadedVersion:
    store = make_store(PHOTOS)
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    return load_current(store, "cpu")


def fit(loaded: LoadedVersion, items: Manifest, rows: range = range(PHOTOS)) -> Verdicts | None:
    vectors = np.stack([loaded.index.vector(row) for row in rows])
    embeddings = Embeddings(items.image_ids, vectors, loaded.version.blocks)
    return fit_verdicts(items, embeddings, Path(loaded.version.root), loaded.embedder)


def test_fitted_thresholds_against_all_pairs(loaded: LoadedVersion) -> None:
    verdicts = fit(loaded, loaded.items)
    assert verdicts is not None
    assert verdicts.photos == PHOTOS
    assert Verdicts.from_json(verdicts.to_json()) == verdicts
    vectors = np.stack([loaded.index.vector(row) for row in range(PHOTOS)])
    width = next(iter(loaded.version.blocks.values()))
    fitted = np.argsort(loaded.items.table["sha256"].to_pylist())[::2]
    for thresholds in verdicts.thresholds:
        own = np.split(vectors, [width], axis=1)
        similarities = (1 - thresholds.colour) * own[0] @ own[0].T + thresholds.colour * own[1] @ own[1].T
        np.fill_diagonal(similarities, -1)
        nearest = similarities.max(axis=1)  # every photo is a product of its own here
        others = nearest[fitted]
        least = np.sort(others)[int(np.ceil((1 - ERRORS["same_photo"]) * (len(others) - 1)))]
        assert thresholds.same_photo >= least - 1e-5
        assert not (others >= thresholds.same_product + 1e-5).any()  # so few pairs make nothing sure
        assert thresholds.same_product <= max(others.max(), thresholds.similar) + 1e-5
        measured = verdicts.measured["by_weight"][str(thresholds.colour)]
        assert 0 <= measured["other_photos_called_same_photo"] <= measured["other_products_called_same_product"] < 0.5
    assert verdicts.measured["sibling"] == "strongly altered copies"


@pytest.mark.parametrize("pairs", [60, 216, 500])
def test_a_product_is_seldom_called_the_same_as_another(pairs: int) -> None:
    """In at most one of twenty catalogs is the verdict given more often than it may be."""
    drawn = np.random.default_rng(pairs).random((1_000, pairs), np.float32)
    reached = np.array([1 - _seldom_reached(each, 0.05) for each in drawn])
    assert (reached > 0.05).mean() < 0.07
    assert reached.mean() > 0.25 * 0.05  # and it is given


def test_other_photos_of_a_product_are_used_where_there_are_enough(loaded: LoadedVersion) -> None:
    table = loaded.items.table
    pairs = table.set_column(
        table.column_names.index("item_id"), "item_id", pa.array([f"item-{row // 2}" for row in range(PHOTOS)])
    )
    verdicts = fit(loaded, Manifest(pairs))
    assert verdicts is not None
    assert verdicts.measured["sibling"] == "another photo of the product"


def test_too_few_photos_fit_nothing(loaded: LoadedVersion) -> None:
    assert fit(loaded, Manifest(loaded.items.table.slice(0, 12)), range(12)) is None


@given(similarity=st.floats(-1, 1), colour=st.floats(0, 1))
def test_a_verdict_is_the_first_threshold_that_is_reached(similarity: float, colour: float) -> None:
    low = Thresholds(colour=0.0, same_photo=0.9, same_product=0.7, similar=0.3)
    high = replace(low, colour=1.0, same_photo=0.95, similar=0.5)
    between = Verdicts(thresholds=(low, high), photos=9).at(colour)
    assert between.same_photo == pytest.approx(0.9 + 0.05 * colour)
    assert between.similar == pytest.approx(0.3 + 0.2 * colour)
    expected = "no close match"
    for name, least in (("similar", between.similar), ("same product", 0.7), ("same photo", between.same_photo)):
        if similarity >= least:
            expected = name
    assert between.verdict(similarity) == expected


def test_thresholds_that_do_not_descend_are_refused() -> None:
    with pytest.raises(ValueError, match="must descend"):
        Thresholds(colour=0.0, same_photo=0.5, same_product=0.7, similar=0.3)
    with pytest.raises(ValueError, match="ascending"):
        Verdicts(thresholds=(), photos=1)
