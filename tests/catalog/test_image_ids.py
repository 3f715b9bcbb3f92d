"""Numbers of photos: kept, never shared, never used again."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from catalog.image_ids import KnownPhoto, assign_image_ids


def photo(path: str, content: str, item: str | None = None) -> KnownPhoto:
    return KnownPhoto(item or path, path, content)


def test_new_photos_are_numbered_in_order() -> None:
    assert assign_image_ids([photo("b", "x"), photo("a", "x")], [], 5) == ([5, 6], 7)


def test_a_photo_keeps_its_number_when_its_content_changes() -> None:
    assert assign_image_ids([photo("a", "new")], [(3, photo("a", "old"))], 4) == ([3], 4)


def test_a_renamed_file_keeps_its_number() -> None:
    known = [(0, photo("a", "x")), (1, photo("b", "y"))]
    assert assign_image_ids([photo("b", "y"), photo("c", "x")], known, 2) == ([1, 0], 2)


def test_a_number_is_not_given_back_after_its_photo_is_gone() -> None:
    assert assign_image_ids([photo("new", "z")], [(0, photo("a", "x"))], 2) == ([2], 3)


def test_numbers_in_the_manifest_count_even_if_the_next_free_one_was_not_written() -> None:
    assert assign_image_ids([photo("new", "z")], [(7, photo("a", "x"))], 3) == ([8], 9)


def test_of_two_files_with_the_same_bytes_the_same_product_comes_first() -> None:
    known = [(0, photo("a", "x", "shoe")), (1, photo("b", "x", "hat"))]
    renamed = [photo("c", "x", "hat"), photo("d", "x", "shoe"), photo("e", "x", "bag")]
    assert assign_image_ids(renamed, known, 2) == ([1, 0, 2], 3)


def test_names_win_over_content() -> None:
    known = [(0, photo("a", "x")), (1, photo("b", "y"))]
    swapped = [photo("a", "y"), photo("b", "x")]
    assert assign_image_ids(swapped, known, 2) == ([0, 1], 2)


def test_many_files_with_the_same_bytes_take_no_more_time_than_others() -> None:
    known = [(n, photo(f"old {n}", "placeholder")) for n in range(30_000)]
    started = time.monotonic()
    ids, _ = assign_image_ids([photo(f"new {n}", "placeholder") for n in range(30_000)], known, 30_000)
    assert ids == list(range(30_000))
    assert time.monotonic() - started < 2


photos = st.lists(
    st.builds(KnownPhoto, st.sampled_from("IJ"), st.sampled_from("abcdef"), st.sampled_from("xyz")),
    unique_by=lambda found: (found.item_id, found.path),
)


@given(st.lists(photos, min_size=1, max_size=5))
def test_over_many_scans_no_number_ever_stands_for_two_photos(scans: list[list[KnownPhoto]]) -> None:
    known: list[tuple[int, KnownPhoto]] = []
    ever: set[int] = set()
    next_id = 0
    for scan in scans:
        ids, next_id = assign_image_ids(scan, known, next_id)
        before = dict(known)
        assert len(set(ids)) == len(ids) == len(scan)
        assert all(image_id < next_id for image_id in ids)
        for image_id, found in zip(ids, scan, strict=True):
            if image_id in before:
                old = before[image_id]
                assert (old.item_id, old.path) == (found.item_id, found.path) or old.sha256 == found.sha256
            else:
                assert image_id not in ever
        ever.update(ids)
        known = list(zip(ids, scan, strict=True))
