"""One suite for all engines: what goes in is found, by brute force in NumPy, and by conditions as rows are found."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from catalog.errors import EngineError, PromiseError, UsageError
from catalog.where import rows_where
from index.blocks import weigh
from index.config import IndexChoice
from index.query import unit_blocks
from index.vectors import Floats, Ids
from tests.catalog.test_where import CONDITIONS, TABLE
from tests.index.conftest import MakeIndex

BLOCKS = {"projection": 12, "colour": 4}
WIDTHS = list(BLOCKS.values())
D = sum(WIDTHS)
TOLERANCE = 1e-5


def drawn(count: int, seed: int = 0) -> Floats:
    return unit_blocks(np.random.default_rng(seed).normal(size=(count, D)).astype(np.float32), WIDTHS)


def asked(count: int, seed: int) -> Floats:
    """Queries, float32 (Q, D), of unit norm."""
    return weigh(drawn(count, seed), BLOCKS, 0.3)


def photos_of(count: int, first: int = 0, per_product: int = 3) -> pa.Table:
    """Photos `first`, … with a price, and a category that not all have."""
    ids = list(range(first, first + count))
    categories = [None if one % 5 == 0 else ("mug", "cup")[one % 2] for one in ids]
    columns = {"price": [one * 0.5 for one in ids], "category": categories}
    return pa.table({"image_id": ids, "item_id": [f"p{one // per_product}" for one in ids], **columns})


def nearest(vectors: Floats, ids: Ids, queries: Floats, k: int) -> tuple[Ids, Floats]:
    """By comparing all, in NumPy."""
    similarities = queries @ vectors.T
    order = np.argsort(-similarities, axis=1)[:, :k]
    return ids[order], np.take_along_axis(similarities, order, axis=1)


def test_what_was_sent_is_found_and_counted(make_index: MakeIndex) -> None:
    photos, vectors, queries = photos_of(700), drawn(700), asked(5, seed=1)
    index = make_index(photos.schema, D)
    assert index.count() == 0 and index.dimension == D
    index.upsert(photos, vectors)
    ids, similarities = nearest(vectors, np.arange(700), queries, 10)
    found = index.search(queries, 10, strong=True)
    assert np.array_equal(found.image_ids, ids)
    assert np.allclose(found.similarities, similarities, atol=TOLERANCE)
    assert found.counts.tolist() == [10] * 5 and index.count() == 700


def test_a_photo_that_is_sent_again_replaces_itself_and_one_that_is_deleted_is_gone(make_index: MakeIndex) -> None:
    photos, vectors = photos_of(60), drawn(60)
    index = make_index(photos.schema, D)
    index.upsert(photos, vectors)
    index.upsert(photos_of(2, first=7), vectors[[20, 21]])  # photos 7 and 8 look like 20 and 21 now
    index.upsert(photos_of(3, first=60), drawn(3, seed=9))
    index.delete(np.array([20, 999]))
    assert index.count() == 62
    found = index.search(weigh(vectors[[20]], BLOCKS, 0.3), 3, strong=True)
    assert found.image_ids[0, 0] == 7 and 20 not in found.image_ids
    assert index.search(drawn(3, seed=9)[[2]], 1, strong=True).image_ids[0, 0] == 62


def test_where_there_are_fewer_than_asked_for_all_are_found(make_index: MakeIndex) -> None:
    photos, vectors = photos_of(4), drawn(4)
    index = make_index(photos.schema, D)
    assert index.search(vectors, 3, strong=True).counts.tolist() == [0] * 4
    index.upsert(photos, vectors)
    found = index.search(vectors[:2], 10, strong=True)
    assert found.counts.tolist() == [4, 4]
    assert sorted(found.image_ids[0].tolist()) == [0, 1, 2, 3]
    assert index.search(vectors[:1], 3, 'category == "none"', strong=True).counts.tolist() == [0]


@pytest.mark.parametrize("condition", ["price < 3", "price >= 3", 'category == "mug"', 'not category == "mug"'])
def test_a_condition_leaves_the_nearest_of_those_that_meet_it(make_index: MakeIndex, condition: str) -> None:
    photos, vectors, queries = photos_of(500), drawn(500), asked(8, seed=2)
    index = make_index(photos.schema, D)
    index.upsert(photos, vectors)
    met = np.flatnonzero(rows_where(condition, photos))
    ids, _ = nearest(vectors[met], met, queries, 5)
    assert np.array_equal(index.search(queries, 5, condition, strong=True).image_ids, ids)


def test_every_condition_means_the_same(make_index: MakeIndex) -> None:
    """Those of the tests of conditions, with empty cells, lists, dates and strange names, and their opposites."""
    photos = TABLE.append_column("image_id", pa.array(range(len(TABLE)))).append_column(
        "item_id", pa.array([f"p{row}" for row in range(len(TABLE))])
    )
    index = make_index(photos.schema, D)
    index.upsert(photos, drawn(len(TABLE)))
    not_asked = 0
    for condition in CONDITIONS:
        for one in (condition, f"not ({condition})"):
            met = np.flatnonzero(rows_where(one, photos)).tolist()
            try:
                found = index.search(drawn(1), len(TABLE), one, strong=True)
            except EngineError as error:
                assert "Milvus cannot search by" in str(error)
                not_asked += 1
            else:
                assert sorted(found.image_ids[0, : found.counts[0]].tolist()) == met, one
    assert not_asked <= 8  # text within text, and one column against another, as they are and as their opposites


def test_what_cannot_be_understood_is_one_line(make_index: MakeIndex) -> None:
    index = make_index(photos_of(1).schema, D)
    with pytest.raises(UsageError, match='where must name columns of the catalog; received "colour"'):
        index.search(drawn(1), 1, 'colour == "red"')


def test_of_each_product_only_its_nearest_photo(make_index: MakeIndex) -> None:
    """Also where one product has more photos than are asked for, all of them nearer than any other's."""
    vectors = drawn(90)
    vectors[:30] = unit_blocks(vectors[0] + 0.01 * vectors[:30], WIDTHS)
    photos = photos_of(90, per_product=30)
    index = make_index(photos.schema, D)
    index.upsert(photos, vectors)
    found = index.search(vectors[:1], 3, by_product=True, strong=True)
    products = [image_id // 30 for image_id in found.image_ids[0].tolist()]
    assert products[0] == 0 and sorted(products) == [0, 1, 2]
    for image_id, product in zip(found.image_ids[0].tolist(), products, strict=True):
        members = np.arange(30 * product, 30 * product + 30)
        assert image_id == members[np.argmax(vectors[members] @ vectors[0])]


def test_what_is_published_finds_what_was_promised(make_index: MakeIndex) -> None:
    photos, vectors, queries = photos_of(3000), drawn(3000), asked(50, seed=3)
    index = make_index(photos.schema, D)
    index.upsert(photos, vectors)
    built = index.publish(BLOCKS, IndexChoice(kind="hnsw", recall=0.95))
    assert built.recall >= 0.95 and built.settings is not None
    assert index.measure_recall(queries, 10) >= 0.95
    assert len(built.index) == 3000
    assert np.allclose(built.index.vector(17), vectors[17], atol=1e-6)
    ids, _ = nearest(vectors, np.arange(3000), queries, 1)
    found = built.index.search(queries, 1)
    assert (found.positions[:, 0] == ids[:, 0]).mean() >= 0.95


def test_more_than_can_be_found_is_no_promise(make_index: MakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    photos, vectors = photos_of(1200), drawn(1200)
    index = make_index(photos.schema, D)
    index.upsert(photos, vectors)
    monkeypatch.setattr("index.promise.sure_recall", lambda index, task: 0.5)  # as of an index that finds half
    with pytest.raises(PromiseError):
        index.publish(BLOCKS, IndexChoice(kind="hnsw", recall=0.99))
