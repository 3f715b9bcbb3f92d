"""Sums of vectors against their closed forms, and the means of products against NumPy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import index.product_means as module
from index.faiss_index import FlatIndex
from index.groups import Groups
from index.product_means import ProductMeans
from index.query import mean_vector, rocchio, unit_blocks
from index.vectors import Floats

WIDTHS = (3, 2)
NONE = np.zeros((0, 5), np.float32)


def draw(count: int) -> Floats:
    return unit_blocks(np.random.default_rng(3).normal(size=(count, 5)).astype(np.float32), WIDTHS)


def by_block(vector: Floats) -> Floats:
    """Both blocks of a vector (D,) to length 1."""
    return np.concatenate([vector[:3] / np.linalg.norm(vector[:3]), vector[3:] / np.linalg.norm(vector[3:])])


def test_every_block_has_length_one_and_zeros_stay() -> None:
    vectors = np.array([[3, 0, 4, 0, 0], [0, 0, 0, 5, 12]], np.float32)
    expected = [[0.6, 0, 0.8, 0, 0], [0, 0, 0, 5 / 13, 12 / 13]]
    assert np.allclose(unit_blocks(vectors, WIDTHS), expected) and unit_blocks(vectors, WIDTHS).dtype == np.float32
    with pytest.raises(ValueError, match="must be finite"):
        unit_blocks(np.full((1, 5), np.nan, np.float32), WIDTHS)


def test_several_vectors_are_one() -> None:
    vectors = draw(4)
    assert np.allclose(mean_vector(vectors, WIDTHS)[0], by_block(vectors.mean(axis=0)), atol=1e-6)
    assert (mean_vector(vectors[:1], WIDTHS) == vectors[:1]).all()


def test_rocchio() -> None:
    queries, liked, disliked = draw(9)[:2], draw(9)[2:5], draw(9)[5:]
    moved = rocchio(queries, liked, disliked, WIDTHS)
    for query, found in zip(queries, moved, strict=True):
        expected = by_block(query + 0.75 * liked.mean(axis=0) - 0.25 * disliked.mean(axis=0))
        assert np.allclose(found, expected, atol=1e-6)
    assert (rocchio(queries, NONE, NONE, WIDTHS) == queries).all()
    without_photo = rocchio(np.zeros((1, 5), np.float32), liked, NONE, WIDTHS)
    assert np.allclose(without_photo[0], by_block(liked.mean(axis=0)), atol=1e-6)


def test_groups_are_numbered_as_they_appear() -> None:
    groups = Groups.of_equal(pa.chunked_array([["b", "a"], ["b", "c", "a"]]))
    assert groups.codes.tolist() == [0, 1, 0, 2, 1] and len(groups) == 3
    assert [groups.members(group).tolist() for group in range(3)] == [[0, 2], [1, 4], [3]]


def test_means_under_one_selection_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worked out in chunks of two products, and asked with selections that take whole products, parts and none."""
    monkeypatch.setattr(module, "CHUNK", 2)
    vectors, codes = draw(11), np.array([0, 1, 0, 2, 3, 3, 4, 4, 4, 1, 5])
    means = ProductMeans(FlatIndex.build(vectors, "cpu"), Groups(codes), WIDTHS)
    query = vectors[4] / 2
    first, second = np.arange(11) > 4, np.arange(11) % 2 == 0
    for allowed in (None, first, second, first, np.zeros(11, bool)):
        counted = np.ones(11, bool) if allowed is None else allowed
        expected = {
            int(code): by_block(vectors[counted & (codes == code)].mean(axis=0)) @ query
            for code in np.unique(codes[counted])
        }
        for k in (2, 9):
            found = means.search(query[None], k, allowed)
            best = sorted(expected, key=lambda code: -expected[code])[:k]
            count = int(found.counts[0])
            assert found.positions[0, :count].tolist() == best
            assert np.allclose(found.similarities[0, :count], [expected[code] for code in best], atol=1e-6)
