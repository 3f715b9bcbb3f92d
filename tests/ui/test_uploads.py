"""The folder of uploads: private, bounded, and read only through its check."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from catalog.errors import BadImage
from ui.uploads import Uploads


def put(uploads: Uploads, name: str, *, size: int = 100, age: float = 0) -> Path:
    """An upload of a size (bytes) and an age (seconds), where Gradio would put it."""
    folder = uploads.folder / f"hash-{name}"
    folder.mkdir()
    path = folder / name
    path.write_bytes(b"x" * size)
    changed = path.stat().st_mtime - age
    os.utime(path, (changed, changed))
    return path


def test_reads_what_was_uploaded_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with Uploads(parent=tmp_path) as uploads:
        assert uploads.read(str(put(uploads, "a.jpg"))) == b"x" * 100
        assert stat.S_IMODE(uploads.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(uploads.folder.parent.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []


def test_reads_nothing_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    with Uploads(parent=tmp_path) as uploads:
        inside = put(uploads, "a.jpg")
        linked = uploads.folder / "link.jpg"
        linked.symlink_to(secret)
        folder_link = uploads.folder / "folder"
        folder_link.symlink_to(tmp_path)
        claims: list[object] = [
            str(secret),
            str(linked),
            str(folder_link / "secret.jpg"),
            str(uploads.folder / ".." / ".." / "secret.jpg"),
            f"{inside.parent}/../{inside.parent.name}/a.jpg",
            str(uploads.folder.parent / "in-use"),
            f"{uploads.folder}-else/a.jpg",
            inside.name,
            "a\0b",
            "",
            7,
            None,
            inside,
        ]
        for claim in claims:
            with pytest.raises(BadImage) as caught:
                uploads.read(claim)
            assert caught.value.code == "expired" and str(tmp_path) not in caught.value.reason
        os.mkfifo(uploads.folder / "pipe.jpg")
        for name in ("pipe.jpg", "hash-a.jpg"):
            with pytest.raises(BadImage) as caught:
                uploads.read(str(uploads.folder / name))
            assert str(tmp_path) not in caught.value.reason


def test_old_uploads_and_those_over_the_quota_go_oldest_first(tmp_path: Path) -> None:
    with Uploads(parent=tmp_path, quota=350, max_age=1000) as uploads:
        stale = put(uploads, "stale.jpg", age=2000)
        older, middle, newest = (
            put(uploads, name, size=150, age=age) for name, age in (("o", 30), ("m", 20), ("n", 10))
        )
        aborted = uploads.folder / "tmpabcdef"
        aborted.write_bytes(b"part")
        os.utime(aborted, (0, 0))
        uploads.sweep()
        assert not stale.parent.exists() and not aborted.exists() and not older.exists()
        assert middle.exists() and newest.exists()
        with pytest.raises(BadImage, match="choose it again"):
            uploads.read(str(stale))


def test_a_killed_server_s_uploads_are_removed_by_the_next_one(tmp_path: Path) -> None:
    in_use = Uploads(parent=tmp_path)
    abandoned = tmp_path / "lookalike-uploads-dead"
    abandoned.mkdir()
    (abandoned / "in-use").touch()
    (abandoned / "photo.jpg").write_bytes(b"x")
    with Uploads(parent=tmp_path):
        assert not abandoned.exists()
        assert in_use.folder.exists()
    in_use.close()
