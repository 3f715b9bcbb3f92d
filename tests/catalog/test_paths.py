"""Paths as text: whatever the name, it comes back, and nothing leads out of the root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog.errors import BadImage
from catalog.paths import catalog_photo_path, path_to_text, shown, text_to_path


@given(st.binary(max_size=40).filter(lambda name: b"\0" not in name))
@example(b"100%25.jpg")
@example(b"%\xff%2\xff%25")
@example("é ü \n –.jpg".encode())
def test_every_name_survives(name: bytes) -> None:
    text = path_to_text(os.fsdecode(name))
    assert os.fsencode(text_to_path(text)) == name
    text.encode("utf-8")  # any table can hold it


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_different_names_have_different_texts(first: bytes, second: bytes) -> None:
    same = path_to_text(os.fsdecode(first)) == path_to_text(os.fsdecode(second))
    assert same == (first == second)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"shoes/red one.jpg", "shoes/red one.jpg"),
        ("größe 42.jpg".encode(), "größe 42.jpg"),
        (b"50% off.jpg", "50% off.jpg"),
        (b"100%25.jpg", "100%2525.jpg"),
        (b"caf\xe9.jpg", "caf%E9.jpg"),
        (b"-rf\n.jpg", "-rf\n.jpg"),
    ],
)
def test_names_stay_readable(name: bytes, text: str) -> None:
    assert path_to_text(os.fsdecode(name)) == text


def test_a_path_in_the_root_is_resolved(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    (tmp_path / name).touch()
    (tmp_path / "link.jpg").symlink_to(name)
    real = Path(os.path.realpath(tmp_path))
    assert catalog_photo_path(tmp_path, "caf%E9.jpg") == real / name
    assert catalog_photo_path(tmp_path, "link.jpg") == real / name
    assert catalog_photo_path(tmp_path, "a/../b.jpg") == real / "b.jpg"


@pytest.mark.parametrize("text", ["../x.jpg", "a/../../x.jpg", "/etc/passwd", "%2E%2E/x.jpg", "out/x.jpg", "sibling"])
def test_what_leads_out_of_the_root_is_refused(tmp_path: Path, text: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    (tmp_path / "root-sibling").mkdir()
    (root / "sibling").symlink_to(tmp_path / "root-sibling")
    with pytest.raises(BadImage, match="leads out") as caught:
        catalog_photo_path(root, text)
    assert caught.value.code == "outside-root"
    assert str(tmp_path) not in str(caught.value)


def test_a_nul_byte_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadImage) as caught:
        catalog_photo_path(tmp_path, "a\0.jpg")
    assert caught.value.code == "missing"


def test_lines_for_people_hold_no_control_characters() -> None:
    assert shown("a\nb\x1b[31m\u202e\udcff é") == "a\\nb\\x1b[31m\\u202e\\udcff é"
