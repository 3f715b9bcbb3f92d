"""A bad photo never stops a run, is never indexed half, and is named with a reason.

One folder holds every kind of bad photo beside every kind of odd good one, and goes through the real commands. Each
good photo is then asked for by its look, in other bytes: it is found only if its row, its vector and its pixels belong
together, and are right.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from catalog.manifest import Manifest
from catalog.paths import path_to_text, text_to_path
from catalog.quarantine import read_quarantine
from catalog.store import Store
from index.versions import current_id
from tests.conftest import draw_photo
from tests.reliability.hostile_photos import bad_photos, good_photos
from tests.small_run import leave_run

ROOT = Path(__file__).parents[2]
VANISHING = """
import os, sys
def vanish(event, arguments):  # runs before a file is opened: the listing has seen it by then
    if event == "open" and str(arguments[0]).endswith("vanishes-in-the-scan.png") and os.path.exists(arguments[0]):
        os.unlink(arguments[0])
sys.addaudithook(vanish)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What the commands made of the folder; good photos' names as the manifest writes them."""

    photos: Path
    store: Path
    good: dict[str, tuple[int, int]]
    """Their size, upright."""
    bad: dict[str, tuple[str, ...]]
    """The codes that each may be left out under."""
    lost: set[str]
    """Good ones that were deleted or damaged after the scan."""
    codes: dict[str, int]
    """Exit codes."""
    told: dict[str, str]
    """What was said on stdout and stderr."""
    answers: dict[str, list[dict[str, Any]]]
    """By the name of the query: a photo's own, or `look_name` of it; the best first."""


def lookalike(*arguments: str | Path, before: str = "") -> tuple[int, str]:
    code = f"{before}\nfrom ui.command import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, env=environment, timeout=300
    )
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Indexed:
    folder = tmp_path_factory.mktemp("bad")
    photos, looks, store = folder / "photos", folder / "looks", folder / "store"
    photos.mkdir()
    looks.mkdir()
    good, bad = {}, _leave_no_files(photos)
    for photo in good_photos():
        (photos / os.fsdecode(photo.name)).write_bytes(photo.content)
        name = path_to_text(os.fsdecode(photo.name))
        photo.look.save(looks / text_to_path(look_name(name)), compress_level=1)
        good[name] = photo.look.size
    for broken in bad_photos(cuts=100 if request.config.getoption("--long") else 3):
        (photos / os.fsdecode(broken.name)).write_bytes(broken.content)
        bad[path_to_text(os.fsdecode(broken.name))] = broken.codes
    lost = {"deleted.png", "cut.png"}
    for number, name in enumerate((*lost, "vanishes-in-the-scan.png"), 50):
        draw_photo(number).save(photos / name)
    bad["vanishes-in-the-scan.png"] = ("missing",)
    codes, told = {}, {}
    codes["scan"], told["scan"] = lookalike("scan", photos, "--store", store, before=VANISHING)
    assert (store / "quarantine.csv").exists(), told
    (photos / "deleted.png").unlink()
    os.truncate(photos / "cut.png", 3000)
    leave_run(Store(store), "one")
    codes["index"], told["index"] = lookalike("index", "--store", store)
    output = folder / "answers.csv"
    output = folder / "answers.jsonl"
    codes["search"], told["search"] = lookalike(
        "search", looks, photos, "--store", store, "-k", "3", "--output", output
    )
    assert output.exists(), told
    answers: dict[str, list[dict[str, Any]]] = {}
    for line in output.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        answers.setdefault(row["query"], []).append(row)
    return Indexed(photos=photos, store=store, good=good, bad=bad, lost=lost, codes=codes, told=told, answers=answers)


def _leave_no_files(photos: Path) -> dict[str, tuple[str, ...]]:
    """Put what has a photo's name and is no regular file into the folder; returns the codes."""
    (photos / "folder.jpg").mkdir()
    os.mkfifo(photos / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(photos)  # a socket's path is short
        listener.bind("socket.jpg")
        os.chdir(before)
    (photos.parent / "outside").mkdir()
    draw_photo(60).save(photos.parent / "outside" / "secret.png")
    (photos / "to-a-device.jpg").symlink_to("/dev/zero")
    (photos / "to-a-photo-outside.png").symlink_to("../outside/secret.png")
    (photos / "to-a-folder-outside.jpg").symlink_to("../outside")
    (photos / "around.jpg").symlink_to("around.jpg")
    (photos / "there.jpg").symlink_to("and-back.jpg")
    (photos / "and-back.jpg").symlink_to("there.jpg")
    (photos / "to-nothing.jpg").symlink_to("nothing.jpg")
    (photos / "round").symlink_to(".")  # a folder in itself, without a photo's name
    codes: dict[str, tuple[str, ...]] = {
        "folder.jpg": ("not-a-file",),
        "pipe.jpg": ("not-a-file",),
        "socket.jpg": ("not-a-file",),
        "to-a-device.jpg": ("outside-root",),
        "to-a-photo-outside.png": ("outside-root",),
        "to-a-folder-outside.jpg": ("outside-root",),
        "around.jpg": ("unreadable",),
        "there.jpg": ("unreadable",),
        "and-back.jpg": ("unreadable",),
        "to-nothing.jpg": ("missing",),
    }
    with suppress(PermissionError):  # devices are made by root alone, and not everywhere
        os.mknod(photos / "device.jpg", 0o020666, os.makedev(1, 5))  # /dev/zero
        codes["device.jpg"] = ("not-a-file",)
    return codes


def look_name(name: str) -> str:
    """What the query is called that has the look of a good photo, in other bytes."""
    return f"{name[:250]}.look.png"[-254:]


def test_every_bad_photo_is_named_with_its_code_and_no_other(indexed: Indexed) -> None:
    rows = read_quarantine(indexed.store / "quarantine.csv")
    found = {row.path: row.code for row in rows}
    assert len(rows) == len(found)
    assert found.keys() == indexed.bad.keys()
    assert not {name: code for name, code in found.items() if code not in indexed.bad[name]}
    for row in rows:  # a sentence for people, without a path of the machine
        assert row.reason.isprintable() and len(row.reason) > 15 and str(indexed.photos) not in row.reason
    assert indexed.codes == {"scan": 3, "index": 3, "search": 3}
    assert f"{len(rows):,} files left out" in indexed.told["scan"]
    assert "2 unreadable since the scan" in indexed.told["index"]
    assert not any("Traceback" in told for told in indexed.told.values())


def test_the_manifest_has_the_good_ones_at_their_size(indexed: Indexed) -> None:
    table = Manifest.read(indexed.store / "manifest.parquet").table
    found = {row["path"]: (row["width"], row["height"]) for row in table.to_pylist()}
    assert found == {**indexed.good, **dict.fromkeys(indexed.lost, draw_photo(0).size)}


def test_each_good_photo_is_found_by_its_look(
    indexed: Indexed, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    """The eight orientations are of the same pixels: each is told from the other seven only if it was turned."""
    found = {name: indexed.answers[look_name(name)][0] for name in indexed.good}
    wrong = {name: best for name, best in found.items() if best["path"] != name or best["similarity"] < 0.99}
    assert not wrong
    record_figures("bad-photos", {"left_out_and_named": len(indexed.bad), "good_and_found": len(found)})


def test_half_and_lost_photos_are_in_no_answer_and_move_no_row(indexed: Indexed) -> None:
    store = Store.open(indexed.store)
    items = Manifest.read(store.versions_dir / current_id(store) / "items.parquet")
    assert set(items.table["path"].to_pylist()) == indexed.good.keys()
    assert {row["path"] for rows in indexed.answers.values() for row in rows} <= indexed.good.keys()
    scanned = Manifest.read(store.manifest_file).table
    ids = dict(zip(scanned["path"].to_pylist(), scanned["image_id"].to_pylist(), strict=True))
    assert items.image_ids.tolist() == [ids[path] for path in items.table["path"].to_pylist()]


def test_bad_queries_are_named_and_the_others_answered(indexed: Indexed) -> None:
    """The folder itself was asked with, too."""
    told, asked_again = indexed.told["search"], indexed.answers.keys() - {look_name(name) for name in indexed.good}
    assert asked_again == indexed.good.keys()
    assert all(indexed.answers[name][0]["path"] == name for name in indexed.good)
    gone = {"vanishes-in-the-scan.png", "deleted.png"}
    assert told.count("not read: ") == len((indexed.bad.keys() | indexed.lost) - gone)
    assert "not read: cut.png: the PNG file ends before the picture does" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_photo_and_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "folder").mkdir(parents=True)
    for name in ("a.png", "secret.png", "folder/b.png"):
        draw_photo(len(name)).save(photos / name)
    (photos / "secret.png").chmod(0)
    (photos / "folder").chmod(0)
    code, _ = lookalike("scan", photos, "--store", tmp_path / "store")
    (photos / "folder").chmod(0o700)
    assert code == 3
    found = {row.path: row.code for row in read_quarantine(tmp_path / "store" / "quarantine.csv")}
    assert found == {"folder": "unreadable", "secret.png": "unreadable"}
