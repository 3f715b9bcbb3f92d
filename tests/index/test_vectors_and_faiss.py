"""Vectors and the exact index, against a NumPy brute force."""

from __future__ import annotations

import errno
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import DeviceError, VersionError
from index.faiss_index import FlatIndex
from index.gpu_mirror import gpu_count
from index.vectors import Embeddings, Floats, Neighbors, unit_norm


def random_vectors(seed: int, count: int, dimension: int, distinct: int) -> Floats:
    """Unit vectors, `distinct` different ones among them, so that there are ties."""
    random = np.random.default_rng(seed)
    vectors = unit_norm(random.normal(size=(distinct, dimension)).astype(np.float32))
    return vectors[random.integers(0, distinct, count)]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 60),
    dimension=st.integers(1, 40),
    distinct=st.integers(1, 60),
    k=st.integers(1, 80),
)
def test_search_equals_brute_force(seed: int, count: int, dimension: int, distinct: int, k: int) -> None:
    vectors = random_vectors(seed, count, dimension, distinct)
    queries = random_vectors(seed + 1, 5, dimension, 5)
    index = FlatIndex.build(vectors, "cpu")
    found = index.search(queries, k)
    wanted = min(k, count)
    assert (found.counts == wanted).all()
    all_similarities = queries @ vectors.T
    expected = -np.sort(-all_similarities, axis=1)[:, :wanted]
    assert np.allclose(found.similarities, expected, atol=1e-5)
    for row in range(5):  # every position is named once, and has the similarity it claims
        positions = found.positions[row]
        assert len(set(positions.tolist())) == wanted
        assert np.allclose(all_similarities[row, positions], found.similarities[row], atol=1e-5)
    assert np.allclose(index.vector(count - 1), vectors[-1])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 200), part=st.sampled_from([0.0, 0.05, 0.5, 1.0]))
def test_search_among_some_equals_brute_force_over_them(seed: int, count: int, part: float) -> None:
    vectors, queries = random_vectors(seed, count, 8, max(1, count // 2)), random_vectors(seed + 1, 3, 8, 3)
    allowed = np.random.default_rng(seed).random(count) < part
    found = FlatIndex.build(vectors, "cpu").search(queries, 7, allowed)
    wanted = min(7, int(allowed.sum()))
    assert found.positions.shape == (3, wanted) and (found.counts == wanted).all()
    expected = -np.sort(-(queries @ vectors[allowed].T), axis=1)[:, :wanted]
    assert np.allclose(found.similarities, expected, atol=1e-5)
    assert allowed[found.positions].all()
    assert np.allclose(np.take_along_axis(queries @ vectors.T, found.positions, axis=1), found.similarities, atol=1e-5)


def test_unit_norm_against_its_definition() -> None:
    vectors = np.array([[3, 4], [0, 0], [1e-20, 0], [1e19, 1e19]], np.float32)
    expected = np.array([[0.6, 0.8], [0, 0], [1, 0], [0.5**0.5, 0.5**0.5]])
    assert np.allclose(unit_norm(vectors), expected)
    with pytest.raises(ValueError, match="finite"):
        unit_norm(np.array([[np.nan, 1]], np.float32))


def test_types_hold_their_invariants() -> None:
    good = unit_norm(np.eye(3, dtype=np.float32))
    Embeddings(np.array([1, 5, 9]), good, {"projection": 3})
    for ids, vectors, told in (
        (np.array([1, 5, 5]), good, "ascend"),
        (np.array([1, 5]), good, "one per vector"),
        (np.array([1, 5, 9]), 2 * good, "unit norm"),
        (np.array([1, 5, 9]), np.asfortranarray(np.ones((3, 3), np.float32)), "C-contiguous"),
    ):
        with pytest.raises(ValueError, match=told):
            Embeddings(ids, vectors, {"projection": 3})
    with pytest.raises(ValueError, match="not be negative"):
        Neighbors(np.array([[0, -1]]), np.ones((1, 2), np.float32), np.array([2]))


def test_a_file_round_trip_through_our_own_writer(tmp_path: Path) -> None:
    index = FlatIndex.build(random_vectors(0, 50, 16, 50), "cpu")
    with (tmp_path / "index").open("wb") as file:
        index.write(file.write)
    read = FlatIndex.read(tmp_path / "index", "cpu")
    queries = random_vectors(1, 3, 16, 3)
    assert np.array_equal(read.search(queries, 7).positions, index.search(queries, 7).positions)


def test_a_full_disk_is_an_oserror_and_not_a_short_file() -> None:
    index = FlatIndex.build(random_vectors(0, 50, 16, 50), "cpu")

    def full(piece: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space")

    with pytest.raises(OSError, match="no space"):
        index.write(full)


def test_other_kinds_of_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no index")
    with pytest.raises(VersionError, match="exact inner-product index"):
        FlatIndex.read(tmp_path / "text", "cpu")
    faiss.write_index(faiss.IndexFlatL2(4), str(tmp_path / "l2"))
    with pytest.raises(VersionError, match="exact inner-product index"):
        FlatIndex.read(tmp_path / "l2", "cpu")


@pytest.mark.skipif(gpu_count() > 0, reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeviceError, match="--device gpu needs a GPU"):
        FlatIndex.build(random_vectors(0, 2, 4, 2), "gpu")
