"""Versions whose vectors lie in Milvus: built, searched, synced, taken back and pruned by the same commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.errors import EngineError, UsageError
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig, PruneConfig, RollbackConfig, StoreConfig, SyncConfig
from index.engines import Engine, read_engine
from index.milvus import Milvus, connect
from index.milvus_collections import FILE
from index.status import prune_versions, rollback, status
from index.sync import sync
from index.versions import current_id, version_folders
from search.question import Question
from search.results import SearchResult
from search.service import SearchService
from tests.conftest import draw_photo
from tests.small_run import leave_run

MakeStore = Callable[[int], Store]


@pytest.fixture
def server(milvus: Engine) -> Milvus:
    return connect(milvus)


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    made = make_store(12)
    leave_run(made, "one")
    return made


def build(store: Store, engine: str = "", run: str = "one") -> str:
    """A new version; returns its collection."""
    config = IndexConfig(store=store.root, device="cpu", engine=engine, run=run, force=True)
    return build_version(config).version.collection


def ask(store: Store, **asked: object) -> SearchResult:
    photo = store.root.parent / "photos" / "003.png"
    return SearchService.open(store.root, device="cpu").search(photo.read_bytes(), Question(k=5, **asked))  # type: ignore[arg-type]


def found(result: SearchResult) -> list[tuple[str, float]]:
    return [(match.item.path, round(match.similarity, 3)) for match in result.matches]


def collections(server: Milvus, store: Store) -> list[str]:
    """The store's, on the server."""
    return list(server.collections(json.loads((store.root / FILE).read_text())["alias"]))


def test_answers_are_those_of_faiss(store: Store, milvus: Engine) -> None:
    conditions = ("", "width > 90", 'path in ("005.png", "007.png")', '"00" in path', 'not path == "003.png"')
    build(store, "faiss")
    expected = [found(ask(store, where=condition)) for condition in conditions]
    by_mean = found(ask(store, product_by="mean"))
    assert (store.versions_dir / current_id(store) / "index.faiss").exists()
    collection = build(store, str(milvus))
    assert not (store.versions_dir / current_id(store) / "index.faiss").exists()
    assert [found(ask(store, where=condition)) for condition in conditions] == expected
    assert found(ask(store, product_by="mean")) == by_mean
    assert f"in {milvus} as {collection}" in str(status(StoreConfig(store=store.root)))


def test_a_sync_and_a_further_build_keep_to_the_engine(store: Store, milvus: Engine, server: Milvus) -> None:
    first = build(store, str(milvus))
    draw_photo(40).save(store.root.parent / "photos" / "040.png")
    (store.root.parent / "photos" / "003.png").unlink()
    summary = sync(SyncConfig(store=store.root, device="cpu"))
    second = summary.version.collection
    assert (summary.embedded, summary.version.engine) == (1, str(milvus)) and second not in ("", first)
    service = SearchService.open(store.root, device="cpu")
    result = service.search((store.root.parent / "photos" / "040.png").read_bytes(), Question(k=20))
    assert result.matches[0].item.path == "040.png" and len(result.matches) == 12
    assert "003.png" not in [match.item.path for match in result.matches]
    third = build(store)
    assert third not in ("", first, second) and collections(server, store) == sorted([first, second, third])


def alias_of(server: Milvus, store: Store) -> str:
    """The collection that whoever else asks the server is given."""
    alias = json.loads((store.root / FILE).read_text())["alias"]
    return str(server.call("describe_alias", alias)["collection_name"])


def test_an_alias_names_what_is_in_use_and_a_rollback_moves_it(store: Store, milvus: Engine, server: Milvus) -> None:
    leave_run(store, "two", seed=1)
    first = build(store, str(milvus))
    answers = found(ask(store))
    second = build(store, run="two")
    assert alias_of(server, store) == second and found(ask(store)) != answers
    rollback(RollbackConfig(store=store.root))
    assert alias_of(server, store) == first and found(ask(store)) == answers


def test_a_collection_that_no_version_has_is_dropped_after_a_while(
    store: Store, milvus: Engine, server: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = build(store, str(milvus)), build(store)
    old = SearchService.open(store.root, device="cpu")
    rollback(RollbackConfig(store=store.root))
    reader = SearchService.open(store.root, device="cpu")
    rollback(RollbackConfig(store=store.root, to=old.version.id))
    prune_versions(PruneConfig(store=store.root, keep=1))
    assert collections(server, store) == sorted([first, second])
    assert reader.search(question=Question(product=3)).matches  # it goes on with what was removed
    monkeypatch.setattr("index.milvus_collections.GRACE_SECONDS", 0)
    prune_versions(PruneConfig(store=store.root, keep=1))
    assert collections(server, store) == [second]


def test_versions_that_are_kept_leave_the_servers_memory_and_come_back(
    store: Store, milvus: Engine, server: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(collection: str) -> bool:
        return bool(server.call("get_load_state", collection)["state"].name == "Loaded")

    first, second = build(store, str(milvus)), build(store)
    assert loaded(first) and loaded(second)  # the first may still be searched
    monkeypatch.setattr("index.milvus_collections.GRACE_SECONDS", 0)
    third = build(store)
    assert [loaded(one) for one in (first, second, third)] == [False, False, True]
    rollback(RollbackConfig(store=store.root, to=version_folders(store)[0].name))
    assert loaded(first) and ask(store).matches


def test_a_build_that_ends_in_between_leaves_nothing_for_good(
    store: Store, milvus: Engine, server: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(store, str(milvus))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("index.milvus_index.MilvusIndex.finish", interrupted)
        build(store)
    assert (
        len(collections(server, store)) == 2
        and SearchService.open(store.root, device="cpu").version.collection == first
    )
    monkeypatch.setattr("index.milvus_collections.GRACE_SECONDS", 0)
    second = build(store)
    assert collections(server, store) == sorted([first, second])


def interrupted(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_collection_that_is_not_as_published_is_refused(store: Store, milvus: Engine, server: Milvus) -> None:
    collection = build(store, str(milvus))
    service = SearchService.open(store.root, device="cpu")
    server.call("delete", collection, ids=[3])
    with pytest.raises(EngineError, match=f"the collection {collection} must hold 12 photos; it holds 11"):
        SearchService.open(store.root, device="cpu")
    server.call("drop_collection", collection)
    with pytest.raises(EngineError, match=f"must have the collection {collection}"):
        service.refresh()
    for ask_for_it in (lambda: SearchService.open(store.root), lambda: sync(SyncConfig(store=store.root))):
        with pytest.raises(EngineError, match=f"must have the collection {collection}.*lookalike rollback"):
            ask_for_it()


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ("milvus", 'must be "faiss", "milvus:http://HOST:PORT" or "milvus:FILE.db"'),
        ("milvus:", "must be"),
        ("qdrant:x", "must be"),
        ("milvus:ftp://host", "by http:// or https://"),
        ("milvus:http://", "by http:// or https://"),
        ("milvus:http://host:abc", "and a port up to 65535"),
        ("milvus:http://host:99999", "and a port up to 65535"),
        ("milvus:host:19530", "as milvus:http://HOST:PORT, a file of Milvus Lite as milvus:FILE.db"),
        ("milvus:vectors.sqlite", "a file of Milvus Lite as milvus:FILE.db"),
        ("milvus:http://root:secret@host:19530", "put it into the environment variable LOOKALIKE_MILVUS_TOKEN"),
    ],
)
def test_an_engine_that_is_none_is_one_line(engine: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        IndexConfig(engine=engine)
    assert told in str(caught.value) and "secret" not in str(caught.value)


def test_a_kind_that_milvus_has_not_is_refused() -> None:
    with pytest.raises(UsageError, match="--kind must be auto, exact or hnsw in Milvus; received ivf"):
        IndexConfig(engine="milvus:x.db", kind="ivf")
    assert read_engine("milvus:x.db").milvus == str(Path("x.db").absolute())


def test_a_server_that_does_not_answer_is_one_line_and_changes_nothing(store: Store) -> None:
    build(store, "faiss")
    before = current_id(store)
    with pytest.raises(EngineError, match=r"milvus:http://127\.0\.0\.1:1 must answer; it says: .*: start it "):
        build(store, "milvus:http://127.0.0.1:1")
    assert current_id(store) == before and not (store.root / FILE).exists()


def test_without_pymilvus_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)  # as if it were not installed
    with pytest.raises(EngineError, match=r"needs pymilvus, which is not installed: .*pip install '\.\[milvus\]'"):
        connect(Engine(milvus="http://127.0.0.1:2"))


def test_a_file_of_milvus_lite_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"gone\.db must be there; it is not: restore it"):
        connect(Engine(milvus=str(tmp_path / "gone.db")))
    assert not (tmp_path / "gone.db").exists()


def test_a_file_of_milvus_lite_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="must be there: make it first"):
        connect(Engine(milvus=str(tmp_path / "none" / "vectors.db")), new=True)
