"""A whole scan: what is written, what is left out and said, and that a scan that fails changes nothing."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import catalog.scan as scan_module
from catalog.config import ScanConfig
from catalog.errors import BadImage, LookalikeError, StoreBusy, StoreError, UsageError
from catalog.image import Photo, decode_photo, read_photo
from catalog.manifest import Manifest
from catalog.scan import ScanSummary, scan
from catalog.store import Store

FOLDER_OF_PACKAGES = Path(scan_module.__file__).parent.parent


def draw(path: Path, shade: int = 0, size: tuple[int, int] = (16, 12)) -> Path:
    """A photo whose bytes depend on the shade only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade % 256, shade // 256, 99)).save(path, "PNG")
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with three photos."""
    for shade, name in enumerate(("a.png", "b.png", "deep/er/c.png")):
        draw(tmp_path / "photos" / name, shade)
    return tmp_path / "photos"


def run(catalog: Path, **options: Any) -> ScanSummary:
    return scan(ScanConfig(catalog=catalog, store=options.pop("store", catalog.parent / "store"), **options))


def manifest(store: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = Manifest.read(store / "manifest.parquet").table.to_pylist()
    return rows


def ids(store: Path) -> dict[str, int]:
    return {row["path"]: row["image_id"] for row in manifest(store)}


def quarantine(store: Path) -> dict[str, str]:
    with (store / "quarantine.csv").open(newline="", encoding="utf-8") as file:
        return {row["path"]: row["code"] for row in csv.DictReader(file)}


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a store but the lock, which names its last holder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "LOCK"}


def refused(error: type[LookalikeError], catalog: Path, **options: Any) -> str:
    with pytest.raises(error) as caught:
        run(catalog, **options)
    assert type(caught.value) is error and "\n" not in str(caught.value)
    return str(caught.value)


# Folders


def test_a_folder_of_photos(photos: Path) -> None:
    (photos / "notes.txt").write_text("three photos")
    summary = run(photos)
    store = photos.parent / "store"
    rows = manifest(store)
    assert [(row["image_id"], row["item_id"], row["path"]) for row in rows] == [
        (0, "a.png", "a.png"),
        (1, "b.png", "b.png"),
        (2, "deep/er/c.png", "deep/er/c.png"),
    ]
    assert {(row["width"], row["height"]) for row in rows} == {(16, 12)}
    sha256sum = subprocess.run(["sha256sum", photos / "b.png"], capture_output=True, text=True, check=True).stdout
    assert rows[1]["sha256"] == sha256sum.split()[0]
    assert (summary.photos, summary.products, summary.other_files, summary.exit_code) == (3, 3, 1, 0)
    assert str(summary).startswith("3 photos of 3 products from ")
    assert (store / "quarantine.csv").read_text() == "path,code,reason\n"
    described = json.loads((store / "catalog.json").read_text())
    assert described["kind"] == "folder" and described["root"] == os.path.realpath(photos)
    assert described["photos"] == 3 and described["next_image_id"] == 3
    Store.open(store)


def test_what_cannot_be_used_is_left_out_and_named(photos: Path) -> None:
    whole = (photos / "a.png").read_bytes()
    (photos / "cut.png").write_bytes(whole[:45])
    (photos / "page.jpg").write_text("<html>not found</html>")
    (photos / "empty.jpg").touch()
    (photos / "folder.jpg").mkdir()
    os.mkfifo(photos / "pipe.jpg")
    draw(photos / "dot.png", size=(1, 1))
    (photos / "wrong.jpg").write_bytes(whole)
    (photos / "out.jpg").symlink_to("/etc/hostname")
    (photos / "dangling.jpg").symlink_to("nothing")
    (photos / "loop.jpg").symlink_to("loop.jpg")
    (photos / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    summary = run(photos)
    found = quarantine(photos.parent / "store")
    assert found == {
        "cut.png": "truncated",
        "page.jpg": "unsupported-format",
        "empty.jpg": "empty",
        "folder.jpg": "not-a-file",
        "pipe.jpg": "not-a-file",
        "dot.png": "too-small",
        "out.jpg": "outside-root",
        "dangling.jpg": "missing",
        "loop.jpg": "unreadable",
        "phone.heic": "unsupported-format",
    }
    assert sorted(ids(photos.parent / "store")) == ["a.png", "b.png", "deep/er/c.png", "wrong.jpg"]
    assert summary.exit_code == 3
    last = str(summary).splitlines()[-1]
    assert last.startswith("10 files left out: 2 not-a-file, 2 unsupported-format, 1 ") and "quarantine.csv" in last
    reasons = (photos.parent / "store/quarantine.csv").read_text()
    assert str(photos) not in reasons


def test_files_that_vanish_during_the_scan(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> bytes:
        if path.name == "b.png":
            path.unlink()
        return read_photo(path)

    monkeypatch.setattr(scan_module, "read_photo", read)
    assert run(photos).quarantined == {"missing": 1}
    assert ids(photos.parent / "store") == {"a.png": 0, "deep/er/c.png": 1}


def test_odd_names_are_found_again(photos: Path) -> None:
    for shade, name in enumerate([b"caf\xe9.png", b"100%25.png", b"line\nbreak.png", b"-rf.png", "日本.png".encode()]):
        draw(photos / os.fsdecode(name), 100 + shade)
    summary = run(photos)
    assert (summary.photos, summary.exit_code) == (8, 0)
    store = photos.parent / "store"
    assert {"caf%E9.png", "100%2525.png", "line\nbreak.png", "-rf.png", "日本.png"} < set(ids(store))
    from catalog.paths import catalog_photo_path

    for row in manifest(store):
        assert catalog_photo_path(photos, row["path"]).is_file()


def test_files_with_the_same_bytes_keep_a_row_each_and_are_named(photos: Path) -> None:
    draw(photos / "copy\n.png", 0)
    draw(photos / "z.png", 1)
    summary = run(photos)
    assert summary.photos == 5
    assert summary.same_bytes == (("a.png", "copy\n.png"), ("b.png", "z.png"))
    assert "2 groups of files with the same bytes: a.png = copy\\n.png; b.png = z.png" in str(summary)


def test_of_many_groups_the_first_few_are_named(photos: Path) -> None:
    for shade in range(10, 20):
        draw(photos / f"{shade}.png", shade)
        draw(photos / f"{shade}-again.png", shade)
    line = str(run(photos)).splitlines()[1]
    assert line.count("=") == 3 and line.endswith("; and 7 more")


def test_numbers_are_kept_when_files_are_renamed_added_and_removed(photos: Path) -> None:
    store = photos.parent / "store"
    run(photos)
    first = ids(store)
    (photos / "a.png").rename(photos / "moved.png")
    (photos / "b.png").unlink()
    draw(photos / "0-new.png", 50)
    run(photos)
    second = ids(store)
    assert second == {"deep/er/c.png": first["deep/er/c.png"], "moved.png": first["a.png"], "0-new.png": 3}
    draw(photos / "b.png", 51)
    run(photos)
    assert ids(store) == second | {"b.png": 4}
    assert [row["image_id"] for row in manifest(store)] == [0, 2, 3, 4]


def test_a_second_scan_of_the_same_photos_changes_nothing_but_the_time(photos: Path) -> None:
    store = photos.parent / "store"
    run(photos)
    before = content(store)
    run(photos)
    after = content(store)
    assert before["manifest.parquet"] == after["manifest.parquet"]
    assert before["quarantine.csv"] == after["quarantine.csv"]
    assert Manifest.read(store / "manifest.parquet").fingerprint


@pytest.mark.parametrize("damage", [None, b"", b"PAR1 rubbish PAR1"])
def test_a_damaged_manifest_is_mended_by_a_scan(photos: Path, damage: bytes | None) -> None:
    store = photos.parent / "store"
    run(photos)
    (store / "manifest.parquet").unlink()
    if damage is not None:
        (store / "manifest.parquet").write_bytes(damage)
    summary = run(photos)
    assert summary.renumbered and "new image_id" in str(summary)
    assert ids(store) == {"a.png": 3, "b.png": 4, "deep/er/c.png": 5}
    assert not run(photos).renumbered


def test_one_worker_or_many(photos: Path, tmp_path: Path) -> None:
    for shade in range(60):
        draw(photos / f"{shade}.png", shade)
    run(photos, store=tmp_path / "one", workers=1)
    run(photos, store=tmp_path / "many", workers=8)
    assert manifest(tmp_path / "one") == manifest(tmp_path / "many")


def test_the_store_in_the_folder_is_not_scanned(photos: Path) -> None:
    store = photos / "index-of-photos"
    draw(photos / "d.png", 77)
    run(photos, store=store)
    draw(store / "pixels" / "x.png", 78)
    assert run(photos, store=store).photos == 4


# Tables


def test_a_table_with_products_and_columns(photos: Path) -> None:
    table = photos / "table.csv"
    table.write_text(
        "item_id,path,title,price,stock\n"
        "007,b.png,Boots,9.5,3\n"
        "007,deep/er/c.png,Boots,9.5,3\n"
        "A1,a.png,Hat,,1\n"
        "A2,a.png,Cap,2.25,\n"
        ",./deep/../b.png,No id,1,1\n"
    )
    summary = run(table, store=photos.parent / "store")
    rows = manifest(photos.parent / "store")
    assert [
        (row["image_id"], row["item_id"], row["path"], row["title"], row["price"], row["stock"]) for row in rows
    ] == [
        (0, "007", "b.png", "Boots", 9.5, 3),
        (1, "007", "deep/er/c.png", "Boots", 9.5, 3),
        (2, "A1", "a.png", "Hat", None, 1),
        (3, "A2", "a.png", "Cap", 2.25, None),
        (4, "b.png", "b.png", "No id", 1.0, 1),
    ]
    assert (summary.photos, summary.products, summary.same_bytes) == (5, 4, ())
    assert json.loads((photos.parent / "store/catalog.json").read_text())["kind"] == "table"


def test_a_table_elsewhere_with_a_root(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "elsewhere" / "table.csv"
    table.parent.mkdir()
    table.write_text(f"path\na.png\n{photos / 'b.png'}\n")
    (tmp_path / "link").symlink_to(photos)
    run(table, root=photos, store=tmp_path / "store")
    assert ids(tmp_path / "store") == {"a.png": 0, "b.png": 1}
    table.write_text(f"path\n{tmp_path / 'link' / 'deep/er/c.png'}\n")
    run(table, root=tmp_path / "link", store=tmp_path / "store")
    assert ids(tmp_path / "store") == {"deep/er/c.png": 2}


def test_cells_are_names_as_they_are_or_as_the_manifest_writes_them(photos: Path) -> None:
    draw(photos / os.fsdecode(b"caf\xe9.png"), 60)
    draw(photos / "100%25.png", 61)
    (photos / "table.csv").write_text("path\ncaf%E9.png\n100%25.png\n")
    run(photos / "table.csv", store=photos.parent / "store")
    assert ids(photos.parent / "store") == {"caf%E9.png": 0, "100%2525.png": 1}


def test_rows_that_cannot_be_used(photos: Path) -> None:
    (photos / "out.png").symlink_to("/etc/hostname")
    (photos / "table.csv").write_text("path,n\na.png,1\nabsent.png,2\n,3\nout.png,4\nb.png,5\na.png,6\n")
    summary = run(photos / "table.csv", store=photos.parent / "store")
    store = photos.parent / "store"
    assert quarantine(store) == {"absent.png": "missing", "": "missing", "out.png": "outside-root"}
    assert "row 3 of the table has no path" in (store / "quarantine.csv").read_text()
    assert [(row["path"], row["n"]) for row in manifest(store)] == [("a.png", 1), ("b.png", 5)]
    assert summary.repeated_rows == 1 and "1 row of the table repeated" in str(summary)


@pytest.mark.parametrize("cell", ["../secret.png", "/etc/hostname", "deep/../../secret.png"])
def test_a_path_outside_the_root_refuses_the_whole_scan(photos: Path, cell: str) -> None:
    draw(photos.parent / "secret.png")
    (photos / "table.csv").write_text(f"path\na.png\n{cell}\n")
    message = refused(UsageError, photos / "table.csv", store=photos.parent / "store")
    assert "row 2" in message and cell in message and "--root" in message
    assert not (photos.parent / "store").exists()


def test_ids_survive_the_change_from_a_folder_to_a_table(photos: Path) -> None:
    store = photos.parent / "store"
    run(photos)
    before = ids(store)
    (photos / "table.csv").write_text("path,item_id,title\nb.png,7,Boots\na.png,7,Boots\n")
    run(photos / "table.csv", store=store)
    assert ids(store) == {"a.png": before["a.png"], "b.png": before["b.png"]}


# Refusals


def test_a_catalog_that_is_not_there_or_is_neither(photos: Path) -> None:
    assert "there is no" in refused(UsageError, photos / "absent")
    (photos / "notes.txt").touch()
    assert "neither" in refused(UsageError, photos / "notes.txt")
    assert "--root" in refused(UsageError, photos, root=photos.parent)
    (photos / "table.csv").write_text("path\na.png\n")
    assert "--root must be a folder" in refused(UsageError, photos / "table.csv", root=photos / "absent")
    with pytest.raises(UsageError, match="--workers"):
        ScanConfig(catalog=photos, workers=-1)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/notes.txt").touch()
    message = refused(LookalikeError, tmp_path / "photos")
    assert "no photos in" in message
    assert not (tmp_path / "store").exists()


def test_only_broken_files(photos: Path) -> None:
    run(photos)
    before = content(photos.parent / "store")
    for file in photos.rglob("*.png"):
        file.write_bytes(b"<html>")
    (photos / "empty.jpg").touch()
    message = refused(LookalikeError, photos)
    assert "none of the 4 in" in message and "3 unsupported-format, 1 empty" in message and "a web page" in message
    assert content(photos.parent / "store") == before


def test_another_catalog_into_the_same_store(photos: Path, tmp_path: Path) -> None:
    run(photos)
    before = content(tmp_path / "store")
    draw(tmp_path / "other" / "x.png")
    message = refused(UsageError, tmp_path / "other")
    assert str(photos) in message and "--moved" in message
    assert content(tmp_path / "store") == before


def test_photos_that_were_moved(photos: Path, tmp_path: Path) -> None:
    run(photos)
    before = ids(tmp_path / "store")
    photos.rename(tmp_path / "new place")
    run(tmp_path / "new place", moved=True)
    assert ids(tmp_path / "store") == before
    run(tmp_path / "new place")


def test_the_photos_in_the_store(photos: Path) -> None:
    run(photos)
    store = photos.parent / "store"
    draw(store / "pixels" / "x.png")
    assert "must not lie in the store" in refused(UsageError, store / "pixels", store=store)
    assert "must not lie in the store" in refused(UsageError, store, store=store)


def test_a_store_that_is_something_else(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    assert "other files" in refused(StoreError, photos, store=tmp_path / "full")
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "catalog.json").write_text('{"format": 99}')
    before = content(tmp_path / "later")
    assert "99" in refused(StoreError, photos, store=tmp_path / "later")
    assert content(tmp_path / "later") == before


def test_a_second_writer(photos: Path) -> None:
    run(photos)
    store = Store.open(photos.parent / "store")
    before = content(store.root)
    with store.writing("lookalike train"):
        assert "lookalike train" in refused(StoreBusy, photos)
    assert content(store.root) == before


# Interruptions


def interrupt_after(count: int, error: type[BaseException]) -> Callable[..., Photo]:
    lock, done = threading.Lock(), 0

    def decode(data: bytes, **options: Any) -> Photo:
        nonlocal done
        with lock:
            done += 1
            if done > count:
                raise error
        return decode_photo(data, **options)

    return decode


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_an_interrupted_scan_leaves_the_store_as_it_was(
    photos: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    store = photos.parent / "store"
    run(photos)
    before = content(store)
    for shade in range(100, 140):
        draw(photos / f"{shade}.png", shade)
    monkeypatch.setattr(scan_module, "decode_photo", interrupt_after(20, error))
    with pytest.raises(error):
        run(photos)
    assert content(store) == before
    monkeypatch.undo()
    assert run(photos).photos == 43


def test_an_interrupted_first_scan_leaves_nothing(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "decode_photo", interrupt_after(1, KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(photos)
    assert not (photos.parent / "store").exists()


def test_a_full_disk_leaves_the_store_as_it_was(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(photos)
    before = content(photos.parent / "store")
    draw(photos / "new.png", 200)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scan_module, "write_quarantine", full)
    with pytest.raises(OSError, match="No space"):
        run(photos)
    assert content(photos.parent / "store") == before


@pytest.mark.parametrize("written", ["nothing", "quarantine.csv", "manifest.parquet"])
def test_a_first_scan_that_was_killed_can_be_done_again(photos: Path, written: str) -> None:
    """Killed with the lock held, with a temporary file, before catalog.json."""
    store = photos.parent / "store"
    run(photos)
    (store / "catalog.json").rename(store / ".catalog.json.1.tmp")
    if written != "manifest.parquet":
        (store / "manifest.parquet").rename(store / ".manifest.parquet.1.tmp")
    if written == "nothing":
        (store / "quarantine.csv").unlink()
    with pytest.raises(StoreError, match="no store"):
        Store.open(store)
    assert run(photos).photos == 3
    assert sorted(content(store)) == ["catalog.json", "files.parquet", "manifest.parquet", "quarantine.csv"]


def test_ctrl_c_in_a_real_process(photos: Path) -> None:
    for shade in range(300):
        draw(photos / f"{shade}.png", shade)
    code = (
        "import sys, time; import catalog.scan as s; from pathlib import Path\n"
        "original = s.decode_photo\n"
        "def slow(*a, **k): print('x', flush=True); time.sleep(0.02); return original(*a, **k)\n"
        "s.decode_photo = slow\n"
        "s.scan(s.ScanConfig(catalog=Path(sys.argv[1]), store=Path(sys.argv[2])))\n"
    )
    store = photos.parent / "store"
    with subprocess.Popen(
        [sys.executable, "-c", code, photos, store],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(FOLDER_OF_PACKAGES)},
    ) as process:
        assert process.stdout is not None
        for _ in range(10):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode != 0 and b"KeyboardInterrupt" in stderr
    assert not store.exists()


def test_a_bad_image_is_an_error_of_its_own() -> None:
    assert (BadImage("truncated", "it ends").code, BadImage("truncated", "it ends").exit_code) == ("truncated", 1)
