"""What can be seen of a file that a scan left out: for the owner's page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from catalog.image import UPLOAD_LIMITS, read_photo
from catalog.paths import catalog_photo_path
from catalog.quarantine import LeftOut
from catalog.store import Store


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
