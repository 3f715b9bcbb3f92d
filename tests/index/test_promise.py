"""The promise: held-back queries, recall counted as by hand, parameters tuned, and what happens where nothing helps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from catalog.errors import PromiseError, UsageError, VersionError
from catalog.manifest import Manifest
from catalog.store import Store
from index.approximate import ApproximateIndex
from index.blocks import weigh
from index.build import build_version
from index.colour_weights import COLOUR_GRID
from index.config import IndexChoice, IndexConfig, StoreConfig, SyncConfig
from index.encoders import chosen_encoder
from index.faiss_index import FlatIndex
from index.held_back import HeldBack, held_back_queries, query_sets
from index.hnsw_index import HNSWIndex
from index.ivf_index import IVFIndex
from index.ivf_pq_index import IVFPQIndex
from index.kinds import FEWEST
from index.loading import load_current
from index.promise import Task, exact_tasks, keep_promise, recall, sure_recall
from index.promised_index import build_promised_index
from index.publish import publish
from index.settings import Settings, everywhere
from index.status import status
from index.sync import sync
from index.vectors import Embeddings, Floats, unit_norm
from index.versions import IndexVersion, current_id, version_folders
from tests.index.test_kinds import clustered
from tests.small_run import leave_run

MakeStore = Callable[[int], Store]
BLOCKS = {"projection": 16, "colour": 8}


def parameters_of(index: ApproximateIndex) -> dict[str, int]:
    """The parameters of an index that has the same for every weight."""
    (parameters,) = index.settings.by_weight.values()
    return dict(parameters)


PUBLISHED = {"projection": 24, "lab-4x5x5": 100}


def in_blocks(seed: int, count: int) -> Floats:
    return np.concatenate([clustered(seed, count, 16), clustered(seed + 100, count, 8)], axis=1)


def test_held_back_queries_are_no_photos_and_of_unit_norm_in_each_block() -> None:
    vectors = in_blocks(1, 3000)
    queries = held_back_queries(vectors, [16, 8])
    assert queries.vectors.shape == (1000, 24) and queries.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(queries.vectors[:, :16], axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(queries.vectors[:, 16:], axis=1), 1, atol=1e-5)
    assert (queries.vectors @ vectors.T).max() < 2 - 1e-4
    again = held_back_queries(vectors, [16, 8])
    assert np.array_equal(again.vectors, queries.vectors) and np.array_equal(again.began_at, queries.began_at)


def test_held_back_queries_do_not_flatter() -> None:
    """What an index finds of them is not more than it finds of vectors that come from where the catalog comes from."""
    vectors, fresh = clustered(1, 8000), clustered(2, 1000)
    queries = held_back_queries(vectors, [24])
    nobodys = HeldBack(fresh, np.full(1000, -1))
    for index in (IVFIndex.build(vectors), HNSWIndex.build(vectors)):
        for effort in (2, 8):
            index.settings = everywhere(dict.fromkeys(parameters_of(index), effort))
            held_back = recall(index, exact_tasks(vectors, queries, {"": queries.vectors})[""])
            drawn = recall(index, exact_tasks(vectors, nobodys, {"": fresh})[""])
            assert held_back <= drawn + 0.01


def test_weights_scale_the_blocks() -> None:
    queries = held_back_queries(in_blocks(1, 500), [16, 8])
    sets = query_sets(queries, BLOCKS, COLOUR_GRID)
    assert list(sets) == ["colour 0", "colour 0.1", "colour 0.25", "colour 0.5", "colour 0.75", "colour 1"]
    assert np.allclose(np.linalg.norm(sets["colour 0.25"][:, :16], axis=1), 0.75, atol=1e-5)
    assert np.allclose(np.linalg.norm(sets["colour 0.25"][:, 16:], axis=1), 0.25, atol=1e-5)
    assert list(query_sets(queries, {"projection": 24}, COLOUR_GRID)) == ["all"]


def test_recall_is_counted_as_by_hand_and_ties_are_hits() -> None:
    random = np.random.default_rng(0)
    vectors = unit_norm(random.normal(size=(2000, 6)).astype(np.float32))[random.integers(0, 1000, 2000)]
    queries = held_back_queries(vectors, [6], count=200)
    index = IVFIndex.build(vectors)
    index.settings = everywhere({"nprobe": 2})
    measured = recall(index, exact_tasks(vectors, queries, {"": queries.vectors})[""])
    found = index.search(queries.vectors, 11).positions
    hits = 0
    for query, own, positions in zip(queries.vectors, queries.began_at, found, strict=True):
        similarities = vectors @ query
        least = np.sort(np.delete(similarities, own))[-10]
        hits += min(10, sum(similarities[position] >= least - 1e-6 for position in positions if position != own))
    assert measured == pytest.approx(hits / 2000, abs=1e-9)
    assert 0.2 < measured < 0.999
    exact = exact_tasks(vectors, queries, {"": queries.vectors})[""]
    assert recall(FlatIndex.build(vectors, "cpu"), exact) == 1


def test_the_smallest_parameter_that_keeps_the_promise_for_every_set_is_taken() -> None:
    vectors = in_blocks(1, 6000)
    queries = held_back_queries(vectors, [16, 8])
    tasks = exact_tasks(vectors, queries, query_sets(queries, BLOCKS, COLOUR_GRID))
    index = IVFIndex.build(vectors)
    recalls = keep_promise(index, tasks, 0.95, first=16)
    assert set(recalls) == set(tasks) and min(recalls.values()) >= 0.95
    chosen = index.settings.by_weight
    assert list(chosen) == list(COLOUR_GRID) and len({one["nprobe"] for one in chosen.values()}) > 1
    for task, parameters in zip(tasks.values(), chosen.values(), strict=True):
        index.settings = everywhere(parameters)
        assert sure_recall(index, task) >= 0.95
        assert 1 < parameters["nprobe"] < index.lists
        index.settings = everywhere({"nprobe": parameters["nprobe"] - 1})
        assert sure_recall(index, task) < 0.95


def test_a_query_between_two_weights_looks_as_far_as_either_asks() -> None:
    vectors = in_blocks(1, 40)
    tuned = {
        0.0: {"nprobe": 3, "candidates": 50},
        0.5: {"nprobe": 7, "candidates": 20},
        1.0: {"nprobe": 1, "candidates": 9},
    }
    settings = Settings(by_weight=tuned, first=16)
    weights = [0.0, 0.1, 0.5, 0.7, 1.0, 0.1]
    queries = np.concatenate([weigh(vectors[row : row + 1], BLOCKS, weight) for row, weight in enumerate(weights)])
    queries = np.concatenate([queries, np.zeros((1, 24), np.float32)])
    found = {tuple(rows.tolist()): parameters for rows, parameters in settings.groups(queries)}
    assert found == {
        (0, 6): tuned[0.0],
        (1, 5): {"nprobe": 7, "candidates": 50},
        (2,): tuned[0.5],
        (3,): {"nprobe": 7, "candidates": 20},
        (4,): tuned[1.0],
    }
    assert Settings.from_json(json.loads(json.dumps(settings.to_json())), 16) == settings
    for wrong in ({}, {0.5: {"a": 1}, 0.0: {"a": 1}}, {0.0: {"a": 1}, 1.0: {"b": 1}}):
        with pytest.raises(ValueError, match=r"settings need|same names"):
            Settings(by_weight=wrong)


@pytest.mark.parametrize("kind", [IVFIndex, HNSWIndex, IVFPQIndex])
def test_queries_of_different_weights_are_answered_in_one_batch_as_they_are_alone(kind: type[ApproximateIndex]) -> None:
    vectors = in_blocks(1, 3000)
    index = kind.build(vectors)  # type: ignore[attr-defined]
    queries = held_back_queries(vectors, [16, 8], count=60)
    keep_promise(index, exact_tasks(vectors, queries, query_sets(queries, BLOCKS, COLOUR_GRID)), 0.95, first=16)
    mixed = np.concatenate(
        [weigh(queries.vectors[20 * n : 20 * n + 20], BLOCKS, w) for n, w in enumerate((0.0, 0.4, 1.0))]
    )
    for allowed in (None, np.arange(3000) % 2 == 0):
        together = index.search(mixed, 10, allowed)
        alone = [index.search(mixed[20 * n : 20 * n + 20], 10, allowed) for n in range(3)]
        assert np.array_equal(together.positions, np.concatenate([one.positions for one in alone]))


def test_the_recall_of_further_queries_is_what_is_sure() -> None:
    """Of sets of 1,000 queries, tuned by the first, nearly all others find what it was sure of."""
    vectors, fresh = clustered(1, 4000), clustered(2, 20_000).reshape(20, 1000, -1)
    index = IVFIndex.build(vectors)
    index.settings = everywhere({"nprobe": 4})
    tasks = [exact_tasks(vectors, HeldBack(queries, np.full(1000, -1)), {"": queries})[""] for queries in fresh]
    mean = np.mean([recall(index, task) for task in tasks])
    sure = [sure_recall(index, task) for task in tasks]
    assert all(low < recall(index, task) for low, task in zip(sure, tasks, strict=True))
    assert sum(low <= mean for low in sure) >= 17


@pytest.mark.parametrize("kind", ["ivf", "hnsw", "ivf-pq"])
def test_every_kind_keeps_the_promise_at_every_weight(kind: str) -> None:
    choice = IndexChoice(kind=kind)  # type: ignore[arg-type]
    promised = build_promised_index(in_blocks(1, 3000), BLOCKS, choice)
    assert len(promised.recalls) == 6 and promised.recall >= 0.99


def impossible(vectors: Floats) -> dict[str, Task]:
    """Neighbours more similar than there can be."""
    return {"": Task(vectors[:50], np.arange(50), np.full(50, 2, np.float32), 10)}


def test_an_index_that_cannot_keep_it_is_one_clear_line() -> None:
    vectors = clustered(1, 2000)
    with pytest.raises(
        PromiseError, match=r"must find 0\.99 of the true nearest 10; the ivf index is sure to find 0 at most"
    ):
        keep_promise(IVFIndex.build(vectors), impossible(vectors), 0.99, first=24)


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    made = make_store(3)
    leave_run(made, "one", projection_dim=24)
    return made


def published(count: int) -> Floats:
    """Vectors as the store's encoder and the colour descriptor might give."""
    return np.concatenate([clustered(1, count), clustered(101, count, 100)], axis=1)


def publish_many(store: Store, choice: IndexChoice, count: int = FEWEST + 200) -> IndexVersion:
    """A version of drawn vectors, by the encoder of the store's run."""
    ids = np.arange(count)
    names = [f"{number:04d}.png" for number in ids]
    table = pa.table(
        {
            "image_id": pa.array(ids, pa.int64()),
            "item_id": names,
            "path": names,
            "sha256": [f"{number:064x}" for number in ids],
            "width": pa.array(np.full(count, 9), pa.int32()),
            "height": pa.array(np.full(count, 9), pa.int32()),
        }
    )
    encoder = chosen_encoder(store, IndexConfig(store=store.root))
    return publish(store, Manifest(table), Embeddings(ids, published(count), PUBLISHED), encoder, choice=choice)


@pytest.mark.parametrize("kind", ["exact", "ivf", "hnsw", "ivf-pq"])
def test_a_published_version_says_what_it_finds_and_is_loaded_as_it_was_tuned(store: Store, kind: str) -> None:
    version = publish_many(store, IndexChoice(kind=kind, recall=0.9))  # type: ignore[arg-type]
    loaded = load_current(store, "cpu")
    assert loaded.version == version and loaded.index.kind == version.kind == kind
    told = str(status(StoreConfig(store=store.root)))
    if kind == "exact":
        assert version.recall == 1 and not version.recalls and "recall@10" not in told
    else:
        assert version.recall == min(version.recalls.values()) >= 0.9
        assert "recall@10  lab-4x5x5 0: 0.9" in told and "(promised 0.9)" in told
        assert list(version.parameters) == ["0", "0.1", "0.25", "0.5", "0.75", "1"]
        for weight, parameters in version.parameters.items():
            assert f"{weight}: {' '.join(f'{name} {value}' for name, value in parameters.items())}" in told
        assert loaded.index.settings == version.settings  # type: ignore[attr-defined]
    vectors = published(FEWEST + 200)
    assert np.array_equal(loaded.index.vector(7), vectors[7])
    found = loaded.index.search(weigh(vectors[:50], PUBLISHED, 0.5), 1)
    assert (found.positions[:, 0] == np.arange(50)).mean() >= 0.9
    assert ("vectors.faiss" in version.files) == (kind == "ivf-pq")


def test_a_version_in_use_stays_where_the_promise_is_broken(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = publish_many(store, IndexChoice(kind="ivf"))
    monkeypatch.setattr("index.promised_index.exact_tasks", lambda vectors, queries, sets: impossible(vectors))
    with pytest.raises(PromiseError, match="ask for less by --recall"):
        publish_many(store, IndexChoice(kind="hnsw"))
    assert current_id(store) == before.id and len(version_folders(store)) == 1
    assert not list(store.versions_dir.glob(".tmp-*"))


def test_a_damaged_vectors_file_is_refused(store: Store) -> None:
    version = publish_many(store, IndexChoice(kind="ivf-pq"))
    path = store.versions_dir / version.id / "vectors.faiss"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(VersionError, match=r"refused: vectors\.faiss must have the SHA-256"):
        load_current(store, "cpu")


def test_versions_from_before_the_kinds_still_load(store: Store) -> None:
    version = publish_many(store, IndexChoice(kind="exact"), count=20)
    path: Path = store.versions_dir / version.id / "version.json"
    values = json.loads(path.read_text())
    for name in ("sha256", "asked_kind", "promised_recall", "recalls", "parameters"):
        del values[name]
    path.write_text(json.dumps(values))
    assert load_current(store, "cpu").version == replace(version, asked_kind="auto")


def test_a_small_catalog_is_exact_whatever_was_asked_and_sync_remembers(store: Store, tmp_path: Path) -> None:
    summary = build_version(IndexConfig(store=store.root, device="cpu", kind="ivf-pq", recall=0.95))
    assert (summary.version.kind, summary.version.recall) == ("exact", 1.0)
    assert (summary.version.asked_kind, summary.version.promised_recall) == ("ivf-pq", 0.95)
    (tmp_path / "photos" / "002.png").unlink()
    synced = sync(SyncConfig(store=store.root, device="cpu")).version
    assert (synced.photos, synced.asked_kind, synced.promised_recall) == (2, "ivf-pq", 0.95)
    with pytest.raises(UsageError, match="--recall must lie above 0"):
        IndexConfig(recall=1.5)
