"""One query's answers in two versions: what moved, what is new, and that one extra version is held at most."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from catalog.errors import UsageError
from catalog.manifest import CatalogItem
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from index.versions import version_folders
from search.question import Question
from search.results import Match, SearchResult
from search.service import SearchService
from search.side_by_side import SideBySide, VersionComparer
from tests.small_run import leave_run


def result(version: str, *item_ids: str) -> SearchResult:
    items = [
        CatalogItem(image_id=place, item_id=name, path=f"{name}.jpg", sha256="", width=1, height=1, columns={})
        for place, name in enumerate(item_ids)
    ]
    matches = tuple(Match(item=item, similarity=0.5, rank=rank) for rank, item in enumerate(items, start=1))
    return SearchResult(query="q", matches=matches, version=version, seconds=0.0)


def test_each_product_knows_where_the_other_answer_has_it() -> None:
    found = SideBySide(result("1", "a", "b", "c"), result("2", "c", "a", "d"))
    first, second = found.placed
    assert [place.other_rank for place in first] == [2, None, 1]
    assert [place.other_rank for place in second] == [3, 1, None]
    assert found.in_both == 2


def test_answers_are_those_of_each_version_and_one_extra_is_held(make_store: Callable[[int], Store]) -> None:
    store = make_store(12)
    for name, seed in (("one", 0), ("two", 1)):
        leave_run(store, name, seed=seed)
        build_version(IndexConfig(store=store.root, device="cpu", run=name, force=True))
    build_version(IndexConfig(store=store.root, device="cpu", run="one", force=True))
    ids = [folder.name for folder in version_folders(store)]
    service = SearchService.open(store.root, device="cpu")

    def never(photo: bytes, fit: int | None) -> None:
        raise AssertionError("a product is asked for by its vector")

    comparer = VersionComparer(service, store.root, device="cpu", decode=never)  # type: ignore[arg-type]
    question = Question(product="003.png", k=5)
    for versions in ((ids[0], ids[1]), (ids[1], ids[2]), (ids[2], ids[2])):
        found = comparer.ask(versions, (), question)
        for answer, version in zip((found.first, found.second), versions, strict=True):
            (store.root / "CURRENT").write_text(version)
            alone = SearchService.open(store.root, device="cpu").search((), question)
            assert answer.version == version and answer.matches == alone.matches
    assert comparer._extra is not None and comparer._extra.loaded.version.id == ids[1]
    with pytest.raises(UsageError, match="there is no version"):
        comparer.ask((ids[0], "../versions"), (), question)
