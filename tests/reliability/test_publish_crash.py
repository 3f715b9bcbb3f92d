"""A version is whole or not there: after a power loss at any file operation of a publish, exactly the version before or
the new one is served, and the next publish works and leaves nothing behind."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from catalog.config import ScanConfig
from catalog.errors import VersionError
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig, SyncConfig
from index.loading import check_files
from index.sync import sync
from index.versions import current_id, read_version, version_folders
from search.question import Question
from search.service import SearchService
from tests.conftest import draw_photo
from tests.reliability.file_operations import FATES, Disk, Fate, Operation, Watch
from tests.small_run import leave_run

PHOTOS = 6  # fewer than the gate measures anything with
KINDS = ("index", "sync", "new-encoder")
SHORT_CASES = {"index": 6, "sync": 6, "new-encoder": 0}
"""Beside the one after all operations; of the last, most export the encoder anew, which takes long."""
Answer = tuple[str, tuple[tuple[str, float], ...]]


class Crash(NamedTuple):
    """When, and what became of what was not durable."""

    done: int
    fate: Fate
    seed: int


@dataclass(frozen=True, slots=True)
class Publish:
    """A real publish: what it did, and what was served before and after."""

    kind: str
    store: Path
    """As it was before."""
    photo: bytes
    operations: tuple[Operation, ...]
    before: Answer | None
    """None: there was no version yet."""
    after: Answer
    files: frozenset[str]
    """Of the store afterwards, the version's id aside."""


def run(kind: str, store: Path) -> None:
    """Publish; one version is kept, so that each publish removes one, too."""
    if kind == "sync":
        sync(SyncConfig(store=store, device="cpu", keep=1))
    else:
        build_version(IndexConfig(store=store, device="cpu", keep=1))


def answer(store: Path, photo: bytes) -> Answer:
    """What a user is told: the version, and the products found."""
    result = SearchService.open(store, device="cpu").search(photo, Question(k=PHOTOS))
    return result.version, tuple((match.item.path, round(match.similarity, 4)) for match in result.matches)


def served(store: Path, photo: bytes) -> Answer | None:
    """The same; None where nothing was published yet."""
    try:
        return answer(store, photo)
    except VersionError as error:
        assert "has no version to search yet" in str(error)
        return None


def assert_whole(store: Path) -> None:
    """Whatever has a version's name is one, used or not."""
    for folder in version_folders(Store(store)):
        check_files(folder, read_version(folder))


def files_of(store: Path) -> frozenset[str]:
    paths = (path.relative_to(store).as_posix() for path in store.rglob("*"))
    return frozenset(path.replace(current_id(Store(store)), "VERSION") for path in paths)


@pytest.fixture(scope="module", params=KINDS)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Publish:
    return publish(tmp_path_factory.mktemp("publish"), request.param)


def publish(folder: Path, kind: str) -> Publish:
    """Record a publish: over a version, the first one, or the first one by an encoder that is still to be exported."""
    photos, store = folder / "photos", folder / "store"
    photos.mkdir()
    for number in range(PHOTOS):
        draw_photo(number).save(photos / f"{number}.png")
    scan(ScanConfig(catalog=photos, store=store))
    leave_run(Store(store), "one")
    photo = (photos / "1.png").read_bytes()
    if kind == "new-encoder":
        shutil.rmtree(store / "embeddings")
    elif kind != "first":
        run("index", store)
        for number in range(3):
            draw_photo(PHOTOS + number).save(photos / f"{number}.png")
    if kind == "index":
        scan(ScanConfig(catalog=photos, store=store))
    before = served(store, photo)
    copy = shutil.copytree(store, folder / "before")
    with Watch(store) as watch:
        run(kind, store)
    changes = tuple(operation for operation in watch.operations if operation.kind != "open")
    return Publish(kind, copy, photo, changes, before, answer(store, photo), files_of(store))


def crashes(published: Publish, folder: Path, chosen: set[Crash]) -> Iterator[tuple[Crash, Path]]:
    """The store as each of the crashes leaves it."""
    large, left = folder / "large", folder / "store"
    large.mkdir()
    disk = Disk(published.store, large)
    for done, operation in enumerate((None, *published.operations)):
        if operation is not None:
            disk.do(operation)
        for crash in sorted(crash for crash in chosen if crash.done == done):
            disk.leave(left, crash.fate, crash.seed)
            yield crash, left
            shutil.rmtree(left)


def test_the_recording_is_complete(published: Publish, tmp_path: Path) -> None:
    """Replayed with nothing lost, it gives the very files that the publish left."""
    for _, left in crashes(published, tmp_path, {Crash(len(published.operations), "kept", 0)}):
        assert contents(left) == contents(published.store.with_name("store"))


def contents(store: Path) -> dict[str, bytes]:
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_a_power_loss_leaves_the_old_version_or_the_new(
    published: Publish, tmp_path: Path, long: bool, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    count = len(published.operations)
    seeds: dict[Fate, int] = {"mixed": 3}
    possible = [
        Crash(done, fate, seed) for done in range(count + 1) for fate in FATES for seed in range(seeds.get(fate, 1))
    ]
    afterwards = Crash(count, "dropped", 0)
    chosen = set(possible) if long else {*random.Random(0).sample(possible, SHORT_CASES[published.kind]), afterwards}
    old = 0
    for crash, store in crashes(published, tmp_path, chosen):
        where = f"{crash} of {count} operations, the last of them {published.operations[crash.done - 1 : crash.done]}"
        found = served(store, published.photo)
        assert found in (published.before, published.after), where
        assert found == published.after or crash.done < count, f"{where}: lost after it was told of"
        assert_whole(store)
        run(published.kind, store)
        assert answer(store, published.photo)[1] == published.after[1], where
        assert files_of(store) == published.files, where
        old += found == published.before
    figures = {"operations": count, "cases": len(chosen), "served the old": old, "served the new": len(chosen) - old}
    record_figures(f"publish-crash-{published.kind}", figures)
