"""Give every photo its number: the same one at every scan, however its file is renamed, and never one used before."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import NamedTuple


class KnownPhoto(NamedTuple):
    """What identifies one photo of one product. A tuple: there is one for each photo of a catalog.

    Attributes:
        item_id: the product.
        path: relative to the catalog's root.
        sha256: of its bytes, in hexadecimal.
    """

    item_id: str
    path: str
    sha256: str


def assign_image_ids(
    photos: Sequence[KnownPhoto], known: Sequence[tuple[int, KnownPhoto]], next_id: int
) -> tuple[list[int], int]:
    """The image_id of each photo.

    A photo keeps the id that its product and path had; else, as a renamed file, one of the same bytes that no photo
    claimed by name (of the same product first); else it gets the next free number, in the order given. Each known id
    is used at most once.

    Args:
        photos: N photos of which no two have both product and path in common.
        known: the ids of the last scan and their photos.
        next_id: the smallest number that was never given.

    Returns:
        N ids, and the next free number after them.
    """
    by_name: dict[tuple[str, str], int] = {}
    by_content: dict[tuple[str | None, str], deque[int]] = defaultdict(deque)
    for image_id, photo in known:
        by_name[photo.item_id, photo.path] = image_id
        next_id = max(next_id, image_id + 1)

    ids: list[int | None] = [by_name.get((photo.item_id, photo.path)) for photo in photos]
    used = set(ids)
    for image_id, photo in known:
        if image_id not in used:
            by_content[photo.item_id, photo.sha256].append(image_id)
            by_content[None, photo.sha256].append(image_id)
    unnamed = [position for position, image_id in enumerate(ids) if image_id is None]
    for same_product in (True, False):
        for position in unnamed:
            photo = photos[position]
            candidates = by_content.get((photo.item_id if same_product else None, photo.sha256))
            while candidates and ids[position] is None:
                image_id = candidates.popleft()
                if image_id not in used:
                    used.add(image_id)
                    ids[position] = image_id
    given: list[int] = []
    for kept in ids:
        given.append(next_id if kept is None else kept)
        next_id += kept is None
    return given, next_id
