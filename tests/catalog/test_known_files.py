"""A second scan opens only what is new or has changed, and its manifest is that of a scan which opens everything."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.config import ScanConfig
from catalog.manifest import Manifest
from catalog.scan import ScanSummary, scan
from catalog.store import Store

LONG_AGO = 3600
"""Seconds; what was changed so long before a scan is trusted."""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(6):
        draw(tmp_path / "photos" / f"{number}.png", number)
    return tmp_path / "photos"


def draw(path: Path, shade: int, *, age: float = LONG_AGO) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), (shade, 9, 99)).save(path)
    os.utime(path, (time.time() - age,) * 2)


def rescan(photos: Path, *, reopen: bool = False, moved: bool = False) -> ScanSummary:
    return scan(ScanConfig(catalog=photos, store=photos.parent / "store", reopen=reopen, moved=moved))


def test_only_new_and_changed_files_are_opened(photos: Path) -> None:
    assert rescan(photos).opened == 6
    before = (photos.parent / "store" / "manifest.parquet").read_bytes()
    again = rescan(photos)
    assert again.opened == 0 and "0 files opened" in str(again)
    assert (photos.parent / "store" / "manifest.parquet").read_bytes() == before
    draw(photos / "new.png", 100)
    draw(photos / "1.png", 101, age=LONG_AGO - 1)
    (photos / "2.png").rename(photos / "renamed.png")
    (photos / "3.png").unlink()
    assert rescan(photos).opened == 3


@pytest.mark.parametrize("age", [0.0, -60.0])
def test_a_change_at_the_time_of_the_scan_is_not_missed(photos: Path, age: float) -> None:
    """Same size, same time of change: what was written just before the scan may be written again just after it."""
    draw(photos / "0.png", 7, age=age)
    rescan(photos)
    first = (photos / "0.png").stat()
    draw(photos / "0.png", 8)
    os.utime(photos / "0.png", ns=(first.st_atime_ns, first.st_mtime_ns))
    assert (photos / "0.png").stat().st_size == first.st_size
    assert rescan(photos).opened == 1
    shutil.rmtree(photos.parent / "other", ignore_errors=True)
    scan(ScanConfig(catalog=photos, store=photos.parent / "other"))
    sha256 = [
        Manifest.read(photos.parent / store / "manifest.parquet").table["sha256"].to_pylist()
        for store in ("store", "other")
    ]
    assert sha256[0] == sha256[1]


def test_photos_that_were_left_out_are_tried_again(photos: Path) -> None:
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    os.utime(photos / "broken.png", (1, 1))
    rescan(photos)
    again = rescan(photos)
    assert again.opened == 1 and sum(again.quarantined.values()) == 1


@pytest.mark.parametrize("damage", [None, b"", b"PAR1 rubbish PAR1"])
def test_without_what_is_known_everything_is_opened(photos: Path, damage: bytes | None) -> None:
    rescan(photos)
    file = Store.open(photos.parent / "store").known_files_file
    file.unlink() if damage is None else file.write_bytes(damage)
    assert rescan(photos).opened == 6
    assert rescan(photos).opened == 0


def test_photos_elsewhere_and_reopen_trust_nothing(photos: Path) -> None:
    rescan(photos)
    assert rescan(photos, reopen=True).opened == 6
    assert rescan(photos.rename(photos.parent / "elsewhere"), moved=True).opened == 6


@pytest.mark.parametrize("seed", range(5))
def test_any_changes_give_the_manifest_of_a_scan_that_opens_everything(photos: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    rescan(photos)
    changes: list[Callable[[Path], object]] = [
        lambda file: draw(file, int(random.integers(256)), age=float(random.integers(0, LONG_AGO))),
        lambda file: file.rename(file.with_name(f"{random.integers(1 << 40)}.png")),
        lambda file: file.unlink(),
        lambda file: shutil.copy2(file, file.with_name(f"copy-{random.integers(1 << 40)}.png")),
        lambda file: file.write_bytes(b"no photo"),
    ]
    for _ in range(12):
        files = sorted(photos.iterdir())
        if len(files) > 2:
            changes[random.integers(len(changes))](files[random.integers(len(files))])
        draw(photos / f"{random.integers(1 << 40)}.png", int(random.integers(256)))
        copy = photos.parent / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(photos.parent / "store", copy)
        quick = rescan(photos)
        whole = scan(ScanConfig(catalog=photos, store=copy, reopen=True))
        assert (quick.photos, quick.quarantined, quick.same_bytes) == (
            whole.photos,
            whole.quarantined,
            whole.same_bytes,
        )
        for name in ("manifest.parquet", "quarantine.csv"):
            assert (photos.parent / "store" / name).read_bytes() == (copy / name).read_bytes()
