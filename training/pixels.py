"""The pixel cache: every photo decoded and shrunk once, for all epochs of all runs; memory-mapped, keyed by content.

A photo is squeezed into a square of uint8 (side, side, 3); its true shape, which the manifest knows, is given back
when views are cut (training/views.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalog.errors import BadImage
from catalog.image import decode_photo, read_photo
from catalog.manifest import CatalogPhoto
from catalog.parallel import default_workers, map_in_order
from catalog.paths import catalog_photo_path
from catalog.progress import progress
from catalog.records import RecordFile
from training.say import Say


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """Decoded photos.

    Attributes:
        squares: the whole cache, uint8 (rows, side, side, 3), memory-mapped.
        rows: of the photos asked for that could be decoded, their rows in `squares`: int64 (M,).
        kept: of the same, their places in the list that was asked for: int64 (M,).
    """

    squares: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Copy some photos into memory: uint8 (len(places), side, side, 3)."""
        return self.squares[self.rows[places]]


def square(photo: Image.Image, side: int) -> npt.NDArray[np.uint8]:
    """Squeeze an RGB photo into uint8 (side, side, 3)."""
    return np.asarray(photo.resize((side, side), Image.Resampling.BICUBIC))


def _decode(photo: CatalogPhoto, side: int) -> bytes | None:
    try:
        data = read_photo(catalog_photo_path(photo.root, photo.path))
        return square(decode_photo(data, fit=side).image, side).tobytes()
    except BadImage:  # it was whole when scanned: gone or damaged since, so it is left out and counted
        return None


def fill_pixels(folder: Path, photos: Sequence[CatalogPhoto], side: int, say: Say) -> Pixels:
    """Decode the photos that are not in the cache yet, and map the cache.

    Args:
        folder: the store's pixels/.
        photos: distinct in content.
        side: of the squares, in pixels.
        say: is told how much will be written, before it is.

    Raises:
        LookalikeError: the disk has too little room for what has to be written.
    """
    cache = RecordFile(folder, str(side), side * side * 3)
    missing = [photo for photo in photos if photo.sha256 not in cache.rows]
    cache.check_space(len(missing), "decoded pixels", "free some, lower --pixels-side, or put the store elsewhere")
    if missing:
        say(f"decoding {len(missing)} photos once, {len(missing) * side * side * 3 / 1e6:.0f} MB in {folder}")
    decoded = map_in_order(lambda photo: _decode(photo, side), missing, workers=default_workers())
    with cache.appending() as writer:
        for photo, record in progress(zip(missing, decoded, strict=True), total=len(missing), description="decoding"):
            if record is not None:
                writer.append(photo.sha256, record)
    there = [(cache.rows[photo.sha256], place) for place, photo in enumerate(photos) if photo.sha256 in cache.rows]
    shape = (len(cache), side, side, 3)
    return Pixels(
        squares=np.memmap(cache.file, np.uint8, "r", shape=shape) if len(cache) else np.zeros(shape, np.uint8),
        rows=np.array([row for row, _ in there], np.int64),
        kept=np.array([place for _, place in there], np.int64),
    )
