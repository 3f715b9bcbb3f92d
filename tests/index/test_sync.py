"""Sync: what changed is what is told, only new content is embedded, and the answers are a fresh build's."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from catalog.config import ScanConfig
from catalog.errors import LookalikeError, UsageError, VersionError
from catalog.manifest import Manifest
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.changes import CatalogChanges, changes_between
from index.config import IndexConfig, SyncConfig
from index.loading import load_current
from index.sync import SyncSummary, sync
from index.versions import current_id, version_folders
from tests.conftest import draw_photo
from tests.small_run import leave_run

MakeStore = Callable[[int], Store]


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    made = make_store(9)
    leave_run(made, "one")
    build_version(IndexConfig(store=made.root, device="cpu"))
    return made


def run(store: Store) -> SyncSummary:
    return sync(SyncConfig(store=store.root, device="cpu"))


def assert_as_built_anew(store: Store, tmp_path: Path) -> None:
    """Photos, columns and vectors are those of a scan and build that know nothing, image_ids aside."""
    fresh = tmp_path / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    known = store.read_catalog()
    scan(ScanConfig(catalog=Path(known["source"]), store=fresh))
    leave_run(Store.open(fresh), "one")
    build_version(IndexConfig(store=fresh, device="cpu"))
    found = [load_current(one, "cpu") for one in (store, Store.open(fresh))]
    columns = [name for name in found[1].items.table.column_names if name != "image_id"]
    rows = [
        sorted(
            (repr(row), row["path"], place) for place, row in enumerate(loaded.items.table.select(columns).to_pylist())
        )
        for loaded in found
    ]
    assert [row[:2] for row in rows[0]] == [row[:2] for row in rows[1]]
    for (*_, mine), (*_, theirs) in zip(*rows, strict=True):
        assert found[0].index.vector(mine) @ found[1].index.vector(theirs) == pytest.approx(
            2, abs=1e-5
        )  # of two blocks


def test_all_kinds_of_changes_are_told_and_taken_in(store: Store, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    draw_photo(20).save(photos / "020.png")
    draw_photo(21).save(photos / "003.png")
    (photos / "004.png").unlink()
    (photos / "deep").mkdir()
    (photos / "005.png").rename(photos / "deep" / "moved.png")
    (photos / "006.png").rename(photos / "renamed.png")
    shutil.copy(photos / "000.png", photos / "copy.png")
    before = current_id(store)
    summary = run(store)
    assert summary.changes == CatalogChanges(added=2, changed=1, deleted=1, renamed=2, edited=2)
    assert "+2, ~1, -1, renamed 2" in str(summary)
    assert (summary.embedded, summary.exit_code) == (2, 0)  # the copy has a vector already
    assert summary.published and summary.version.id == current_id(store) != before
    assert_as_built_anew(store, tmp_path)


def test_nothing_changed_publishes_nothing(store: Store) -> None:
    before = current_id(store)
    summary = run(store)
    assert not summary.changes and not summary.published
    assert current_id(store) == before == summary.version.id
    assert f"nothing has changed: version {before} stays in use" in str(summary)
    assert len(version_folders(store)) == 1


def test_an_edited_title_embeds_nothing_and_is_shown(tmp_path: Path, store: Store) -> None:
    table, other = tmp_path / "photos" / "products.csv", tmp_path / "tables"

    def write(**titles: str) -> None:
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "item_id", "title", "price"])
            writer.writerows(
                [f"00{n}.png", f"P{n}", titles.get(f"t{n}", f"T{n}"), "" if n else "1.5"] for n in range(9)
            )

    write()
    scan(ScanConfig(catalog=table, store=other))
    found = Store.open(other)
    leave_run(found, "one")
    build_version(IndexConfig(store=other, device="cpu"))
    assert not run(found).published  # among the prices are NaNs or nulls, which equal themselves
    write(t3="another title")
    summary = run(found)
    assert summary.changes == CatalogChanges(edited=1)
    assert (summary.embedded, summary.published) == (0, True)
    assert load_current(found, "cpu").items.item(3).columns["title"] == "another title"
    assert_as_built_anew(found, tmp_path)


def test_the_encoder_in_use_stays(store: Store, tmp_path: Path) -> None:
    before = load_current(store, "cpu").version
    leave_run(store, "newer", seed=1)
    draw_photo(30).save(tmp_path / "photos" / "030.png")
    after = run(store).version
    assert (after.encoder_name, after.encoder_sha256) == (before.encoder_name, before.encoder_sha256)
    assert after.quality == before.quality


def test_what_an_interrupted_sync_left_is_made_up_for(store: Store, tmp_path: Path) -> None:
    draw_photo(30).save(tmp_path / "photos" / "030.png")
    scan(ScanConfig(catalog=tmp_path / "photos", store=store.root))  # as far as it came
    assert run(store).changes == CatalogChanges(added=1)
    assert not run(store).published


def test_without_a_version_or_a_catalog_nothing_is_done(make_store: MakeStore, store: Store, tmp_path: Path) -> None:
    before = current_id(store)
    (tmp_path / "photos").rename(tmp_path / "gone")
    with pytest.raises(UsageError, match="check the path"):
        run(store)
    assert current_id(store) == before
    (tmp_path / "gone").rename(tmp_path / "photos")
    store.current_file.unlink()
    with pytest.raises(VersionError, match='run "lookalike index"'):
        run(store)


def test_photos_that_were_moved_are_read_from_where_they_are(store: Store, tmp_path: Path) -> None:
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    scan(ScanConfig(catalog=tmp_path / "elsewhere", store=store.root, moved=True))
    summary = run(store)
    assert (summary.published, bool(summary.changes), summary.embedded) == (True, False, 0)
    assert summary.version.root == str(tmp_path / "elsewhere")


def test_a_column_that_comes_or_goes_is_an_edit_of_every_photo(store: Store) -> None:
    manifest = Manifest.read(store.manifest_file)
    with_title = Manifest(manifest.table.append_column("title", [["x"] * 9]))
    assert changes_between(manifest, with_title) == changes_between(with_title, manifest) == CatalogChanges(edited=9)
    assert not changes_between(with_title, with_title)


def test_random_changes_end_in_the_answers_of_a_fresh_build(store: Store, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    random = np.random.default_rng(0)
    for round_ in range(3):
        for step in range(8):
            files = sorted(photos.glob("*.png"))
            file, new = files[random.integers(len(files))], photos / f"new-{round_}-{step}.png"
            match random.integers(4):
                case 0:
                    draw_photo(100 + 10 * round_ + step).save(new)
                case 1:
                    draw_photo(200 + 10 * round_ + step).save(file)
                case 2 if len(files) > 3:
                    file.unlink()
                case _:
                    file.rename(new)
        before = load_current(store, "cpu").items.image_ids.max()
        try:
            summary = run(store)
        except LookalikeError as error:
            pytest.fail(str(error))
        loaded = load_current(store, "cpu")
        assert len(loaded.items) == len(sorted(photos.glob("*.png"))) == summary.version.photos
        assert (loaded.items.image_ids > before).sum() == summary.changes.added  # a number is never given again
        assert_as_built_anew(store, tmp_path)
