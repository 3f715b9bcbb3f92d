"""The label-free check: what counts as found, pairing of two encoders, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalog.manifest import CatalogPhoto
from tests.conftest import draw_photo
from training.evaluation.alterations import FAMILIES
from training.evaluation.label_free import LabelFreeCheck, altered_copies, check_label_free, sample_by_content

F = len(FAMILIES)


def check(contents: str, first: np.ndarray) -> LabelFreeCheck:
    return LabelFreeCheck(contents=tuple(contents), first=first, among_five=np.ones_like(first), gallery=10)


def test_copies_that_equal_their_original_find_it_and_opposite_ones_do_not() -> None:
    gallery = np.eye(8, dtype=np.float32)
    copies = np.repeat(gallery[:3], F, axis=0)
    copies[0] = -gallery[0]  # the first copy of the first photo
    found = check_label_free(["a", "b", "c"], copies, gallery, list("abcdefgh"))
    assert found.first.sum() == 3 * F - 1
    assert not found.first[0, 0]
    assert found.recall(1).value == pytest.approx((3 * F - 1) / (3 * F))
    assert found.by_family()[FAMILIES[0]] == pytest.approx(2 / 3)


def test_the_difference_is_paired_by_photo_and_of_common_photos_only() -> None:
    good, bad = np.ones((4, F), np.bool_), np.zeros((4, F), np.bool_)
    difference = check("abcd", good).better_than(check("dcbx", bad))
    assert (difference.value, difference.low, difference.high) == (1, 1, 1)
    mixed = good.copy()
    mixed[0] = False  # "a" of one, "d" of the other: both are asked for the same photo
    assert check("abcd", mixed).better_than(check("dcba", mixed[::-1])).value == 0


def test_what_is_written_is_read_again() -> None:
    first = np.random.default_rng(0).random((5, F)) < 0.5
    written = check("abcde", first)
    again = LabelFreeCheck.from_json(written.to_json())
    assert again.contents == written.contents
    assert (again.first == first).all()
    assert again.recall(1) == written.recall(1)


def test_the_sample_is_the_same_whatever_the_catalog_around_it() -> None:
    photos = [CatalogPhoto(root=Path(), path=f"{n}", sha256=f"{n * 7919 % 1000:03d}") for n in range(100)]
    few = sample_by_content(photos, 10)
    assert sample_by_content(photos[::-1], 10) == few
    assert [photo for photo in sample_by_content(photos[:50], 10) if photo in few] == [
        photo for photo in few if photo in photos[:50]
    ]


def test_photos_that_are_gone_are_passed_over(tmp_path: Path) -> None:
    draw_photo(1).save(tmp_path / "there.png")
    photos = [CatalogPhoto(root=tmp_path, path=name, sha256="0" * 64) for name in ("gone.png", "there.png")]
    made = list(altered_copies(photos, np.asarray))
    assert [photo.path for photo, _ in made] == ["there.png"]
    assert len(made[0][1]) == F
