"""Walking a folder: every photo once, in the same order, and never outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from catalog.files import FoundFiles, find_photos

AS_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")


def codes(found: FoundFiles) -> dict[str, str]:
    return {row.path: row.code for row in found.left_out}


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_any_depth_any_case_sorted(tmp_path: Path) -> None:
    make(tmp_path, "b.JPG", "a/z.png", "a/b/c/d.Jpeg", "a.webp", "x.tif", "y.TIFF", "h.heic", "q.avif", "j.jfif")
    make(tmp_path, "notes.txt", "a/table.csv", "Thumbs.db", "noextension")
    found = find_photos(tmp_path)
    assert found.paths == [
        "a.webp",
        "a/b/c/d.Jpeg",
        "a/z.png",
        "b.JPG",
        "h.heic",
        "j.jfif",
        "q.avif",
        "x.tif",
        "y.TIFF",
    ]
    assert (found.other_files, found.left_out) == (4, [])


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, ".hidden.jpg", "._a.jpg", ".cache/b.jpg", "c.jpg")
    found = find_photos(tmp_path)
    assert (found.paths, found.other_files, found.left_out) == (["c.jpg"], 0, [])


def test_a_hidden_root_is_looked_into(tmp_path: Path) -> None:
    make(tmp_path, ".photos/a.jpg")
    assert find_photos(tmp_path / ".photos").paths == ["a.jpg"]


def test_links(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    make(root, "in/a.jpg")
    make(outside, "b.jpg", "c.txt")
    (root / "to-file.jpg").symlink_to("in/a.jpg")
    (root / "to-folder").symlink_to("in")
    (root / "loop").symlink_to(".")
    (root / "in/up").symlink_to("..")
    (root / "self.jpg").symlink_to("self.jpg")
    (root / "dangling.jpg").symlink_to("nothing.jpg")
    (root / "out.jpg").symlink_to(outside / "b.jpg")
    (root / "out").symlink_to(outside)
    (root / "out.txt").symlink_to(outside / "c.txt")
    found = find_photos(root)
    assert found.paths == ["dangling.jpg", "in/a.jpg", "self.jpg", "to-file.jpg"]
    assert codes(found) == {"out": "outside-root", "out.jpg": "outside-root"}
    assert found.other_files == 1


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    make(tmp_path, "root/a.jpg")
    (tmp_path / "link").symlink_to("root")
    assert find_photos(tmp_path / "link").paths == ["a.jpg"]


def test_a_folder_named_like_a_photo(tmp_path: Path) -> None:
    make(tmp_path, "x.jpg/inside.png")
    found = find_photos(tmp_path)
    assert found.paths == ["x.jpg/inside.png"]
    assert codes(found) == {"x.jpg": "not-a-file"}


def test_odd_names(tmp_path: Path) -> None:
    names = [b" space .jpg", b"-rf.jpg", b"caf\xe9.jpg", b"line\nbreak.jpg", b"x" * 251 + b".jpg", "日本.png".encode()]
    make(tmp_path, *map(os.fsdecode, names))
    assert [os.fsencode(path) for path in find_photos(tmp_path).paths] == sorted(names)


def test_the_store_in_the_folder_is_not_looked_into(tmp_path: Path) -> None:
    make(tmp_path, "store/pixels/a.jpg", "b.jpg", "stores/c.jpg")
    (tmp_path / "link.jpg").symlink_to("store/pixels/a.jpg")
    found = find_photos(tmp_path, skip=tmp_path / "stores/../store")
    assert found.paths == ["b.jpg", "stores/c.jpg"]
    assert codes(found) == {"link.jpg": "outside-root"}


def test_a_folder_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/x.jpg", "b/y.jpg")
    listed = os.scandir

    def list_and_remove(folder: str) -> object:
        if folder.endswith("b"):
            (tmp_path / "b/y.jpg").unlink()
            (tmp_path / "b").rmdir()
        return listed(folder)

    monkeypatch.setattr(os, "scandir", list_and_remove)
    found = find_photos(tmp_path)
    assert found.paths == ["a/x.jpg"]
    assert codes(found) == {"b": "missing"}


@AS_ROOT
def test_a_folder_without_permission(tmp_path: Path) -> None:
    make(tmp_path, "a/x.jpg", "b/y.jpg")
    (tmp_path / "b").chmod(0)
    try:
        found = find_photos(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o755)
    assert (found.paths, codes(found)) == (["a/x.jpg"], {"b": "unreadable"})
