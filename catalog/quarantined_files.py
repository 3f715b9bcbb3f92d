"""The files that the last scan left out, for showing: read back from the quarantine, with a picture where there is one.

`catalog.quarantine` writes the table; the page for the person who runs it asks for a picture by its row.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from catalog.image import UPLOAD_LIMITS, read_photo
from catalog.paths import catalog_photo_path
from catalog.quarantine import LeftOut
from catalog.store import Store


def read_quarantine(store: Store) -> tuple[LeftOut, ...]:
    """Every row of quarantine.csv, in its order; none where there is no such file yet."""
    try:
        with store.quarantine_file.open(encoding="utf-8", newline="") as stream:
            return tuple(LeftOut(row["path"], row["code"], row["reason"]) for row in csv.DictReader(stream))
    except FileNotFoundError:
        return ()


def quarantined_picture(
    store: Store, file: LeftOut, decode: Callable[[bytes, int | None], Image.Image], width: int
) -> Image.Image:
    """What can be seen of a file that was left out, at most so wide; one that was mended since can be seen whole.

    Args:
        decode: from a file's bytes to an RGB picture, whose short side need not exceed the given pixels; or BadImage.

    Raises:
        BadImage: it cannot be shown, as most files that were left out cannot.
    """
    path = catalog_photo_path(Path(store.read_catalog()["root"]), file.path)
    image = decode(read_photo(path, UPLOAD_LIMITS), width)
    image.thumbnail((width, width))
    return image
