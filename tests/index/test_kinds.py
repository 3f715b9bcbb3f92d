"""Every kind of index against a NumPy brute force; the kinds' rules."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import VersionError
from index.approximate import ApproximateIndex
from index.config import IndexChoice
from index.faiss_index import FlatIndex
from index.hnsw_index import HNSWIndex
from index.ivf_index import IVFIndex
from index.ivf_pq_index import IVFPQIndex
from index.kinds import choose_kind
from index.promised_index import build_promised_index
from index.search_index import SearchIndex
from index.settings import everywhere
from index.vectors import Floats, Mask, unit_norm

APPROXIMATE = ("ivf", "hnsw", "ivf-pq")
COUNT, DIMENSION = 6000, 24


def clustered(seed: int, count: int, dimension: int = DIMENSION) -> Floats:
    """Unit vectors around 40 centres, with neighbours that lists and graphs can miss."""
    centres = np.random.default_rng(0).normal(size=(40, dimension))
    random = np.random.default_rng(seed)
    noise = 0.7 * random.normal(size=(count, dimension))
    return unit_norm((centres[random.integers(0, 40, count)] + noise).astype(np.float32))


@cache
def built(kind: str) -> ApproximateIndex:
    """An index over `clustered(1, COUNT)`, tuned."""
    choice = IndexChoice(kind=kind)  # type: ignore[arg-type]
    index = build_promised_index(clustered(1, COUNT), {"projection": DIMENSION}, choice).index
    assert isinstance(index, ApproximateIndex) and index.kind == kind
    return index


def with_ties(seed: int, count: int, dimension: int, distinct: int) -> Floats:
    random = np.random.default_rng(seed)
    vectors = unit_norm(random.normal(size=(distinct, dimension)).astype(np.float32))
    return vectors[random.integers(0, distinct, count)]


def assert_exact(index: SearchIndex, vectors: Floats, queries: Floats, k: int, allowed: Mask | None = None) -> None:
    """Similarities are the largest there are, descending; positions are different, allowed, and as similar as told."""
    found = index.search(queries, k, allowed)
    may = np.flatnonzero(np.ones(len(vectors), bool) if allowed is None else allowed)
    wanted = min(k, len(may))
    assert found.positions.shape == (len(queries), wanted) and (found.counts == wanted).all()
    everything = queries @ vectors.T
    assert np.allclose(found.similarities, -np.sort(-everything[:, may], axis=1)[:, :wanted], atol=1e-5)
    assert np.isin(found.positions, may).all()
    assert all(len(set(row)) == wanted for row in found.positions.tolist())
    assert np.allclose(np.take_along_axis(everything, found.positions, axis=1), found.similarities, atol=1e-5)


def recall(index: SearchIndex, vectors: Floats, queries: Floats, k: int, allowed: Mask | None = None) -> float:
    """By NumPy alone; also that there are min(k, allowed) answers, all of them allowed."""
    found = index.search(queries, k, allowed)
    may = np.flatnonzero(np.ones(len(vectors), bool) if allowed is None else allowed)
    wanted = min(k, len(may))
    assert (found.counts == wanted).all() and np.isin(found.positions, may).all()
    least = -np.sort(-(queries @ vectors[may].T), axis=1)[:, wanted - 1 : wanted]
    return float((found.similarities >= least - 1e-5).mean())


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 400),
    dimension=st.integers(1, 24),
    distinct=st.integers(1, 400),
    k=st.integers(1, 450),
    part=st.sampled_from([None, 0.0, 0.05, 0.5, 1.0]),
)
def test_ivf_with_all_lists_probed_is_exact(
    seed: int, count: int, dimension: int, distinct: int, k: int, part: float | None
) -> None:
    vectors, queries = with_ties(seed, count, dimension, distinct), with_ties(seed + 1, 4, dimension, 4)
    allowed = None if part is None else np.random.default_rng(seed).random(count) < part
    index = IVFIndex.build(vectors)
    index.settings = everywhere({"nprobe": index.lists})
    assert_exact(index, vectors, queries, k, allowed)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 300),
    distinct=st.integers(1, 300),
    k=st.integers(1, 350),
    part=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
)
def test_filters_are_exact_on_lists_and_graphs(seed: int, count: int, distinct: int, k: int, part: float) -> None:
    vectors, queries = with_ties(seed, count, 8, distinct), with_ties(seed + 1, 4, 8, 4)
    allowed = np.random.default_rng(seed).random(count) < part
    for kind in (IVFIndex, HNSWIndex):
        assert_exact(kind.build(vectors), vectors, queries, k, allowed)


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_tuned_kinds_find_fresh_queries_neighbours(kind: str) -> None:
    assert recall(built(kind), clustered(1, COUNT), clustered(2, 500), 10) >= 0.98


@pytest.mark.parametrize("kind", APPROXIMATE)
@pytest.mark.parametrize("part", [0.9, 0.5, 0.3, 0.1, 0.04, 0.01, 0.001, 0.0002])
def test_filters_keep_the_promise_at_every_selectivity(kind: str, part: float) -> None:
    allowed = np.zeros(COUNT, bool)
    allowed[np.random.default_rng(3).permutation(COUNT)[: max(1, round(part * COUNT))]] = True
    assert recall(built(kind), clustered(1, COUNT), clustered(2, 100), 10, allowed) >= 0.99


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_a_filter_that_leaves_only_far_products_keeps_the_promise(kind: str) -> None:
    vectors, queries = clustered(1, COUNT), clustered(2, 10)
    for query in queries:  # the nearest 60 % are not allowed
        similarities = vectors @ query
        allowed = similarities < np.quantile(similarities, 0.4)
        assert recall(built(kind), vectors, query[None], 10, allowed) >= 0.99


@pytest.mark.parametrize("kind", APPROXIMATE)
@pytest.mark.parametrize("k", [1, 50, 700, COUNT + 5])
def test_there_are_always_k_answers(kind: str, k: int) -> None:
    index = built(kind)
    before = index.settings
    (parameters,) = before.by_weight.values()
    try:
        index.settings = everywhere(dict.fromkeys(parameters, 1))  # looks nowhere near far enough
        found = index.search(clustered(2, 20), k)
    finally:
        index.settings = before
    assert (found.counts == min(k, COUNT)).all()
    assert all(len(set(row)) == min(k, COUNT) for row in found.positions.tolist())
    assert (np.diff(found.similarities, axis=1) <= 1e-6).all()
    assert recall(index, clustered(1, COUNT), clustered(2, 20), k) >= 0.97


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_vectors_keep_their_positions(kind: str) -> None:
    index, vectors = built(kind), clustered(1, COUNT)
    assert (len(index), index.dimension, index.device) == (COUNT, DIMENSION, "cpu")
    for position in (0, 17, COUNT - 1):
        assert np.array_equal(index.vector(position), vectors[position])
        assert index.search(vectors[position][None], 1).positions[0, 0] == position


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_files_bring_the_same_answers(kind: str, tmp_path: Path) -> None:
    index, queries = built(kind), clustered(2, 50)
    with (tmp_path / "index").open("wb") as file:
        index.write(file.write)
    read: ApproximateIndex
    if isinstance(index, IVFPQIndex):
        with (tmp_path / "vectors").open("wb") as file:
            index.exact.write(file.write)
        read = IVFPQIndex.read(tmp_path / "index", tmp_path / "vectors", index.settings)
    else:
        read = type(index).read(tmp_path / "index", index.settings)  # type: ignore[attr-defined]
    for allowed in (None, np.arange(COUNT) % 3 > 0, np.arange(COUNT) % 100 == 0):
        one, other = index.search(queries, 10, allowed), read.search(queries, 10, allowed)
        assert np.array_equal(one.positions, other.positions)
        assert np.array_equal(one.similarities, other.similarities)
    assert np.array_equal(read.vector(5), index.vector(5))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "flat").open("wb") as file:
        FlatIndex.build(clustered(1, 50), "cpu").write(file.write)
    faiss.write_index(faiss.IndexHNSWFlat(4, 8, faiss.METRIC_L2), str(tmp_path / "l2"))
    with pytest.raises(VersionError, match="ivf inner-product index"):
        IVFIndex.read(tmp_path / "flat", everywhere({"nprobe": 1}))
    with pytest.raises(VersionError, match="hnsw inner-product index"):
        HNSWIndex.read(tmp_path / "l2", everywhere({"nprobe": 1}))
    with pytest.raises(VersionError, match="ivf-pq inner-product index"):
        IVFPQIndex.read(tmp_path / "flat", tmp_path / "flat", everywhere({"nprobe": 1}))


def test_sizes_and_wishes_choose_the_kind() -> None:
    assert choose_kind("auto", 130_000, 512) == "exact"
    assert choose_kind("auto", 140_000, 512) == "ivf-pq"
    assert choose_kind("auto", 1_000_000, 128) == "ivf-pq"
    assert choose_kind("ivf", 1_000_000, 512) == "ivf"
    assert choose_kind("hnsw", 1_000, 512) == "hnsw"
    assert choose_kind("exact", 10_000_000, 512) == "exact"
    assert choose_kind("ivf-pq", 999, 512) == "exact"
