"""Small pictures of the catalog's photos for the screen: WebP, made once, kept in memory within a bound."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from io import BytesIO

from catalog.image import decode_photo, read_photo
from catalog.manifest import CatalogItem
from search.service import SearchService

WIDTHS = (160, 320, 640, 960)
"""The widths that are made, in pixels; another is rounded up to the next."""
CACHE_BYTES = 64 * 2**20
"""Memory for finished pictures, in bytes."""


def media_address(item: CatalogItem) -> str:
    """Where the picture of a photo is. It changes with the photo's content, so a browser may keep what it has."""
    return f"/media/{item.image_id}?v={item.sha256[:12]}"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One picture.

    Attributes:
        content: WebP.
        tag: changes when the photo or the width does.
        sha256: of the photo's file as it was read.
    """

    content: bytes
    tag: str
    sha256: str

    def is_of(self, v: str) -> bool:
        """Whether it shows the content that `v` of an address (see `media_address`) stands for."""
        return v == self.sha256[:12]


class Thumbnails:
    """Pictures by image_id and width, the least recently used forgotten first. Thread-safe."""

    def __init__(self, service: SearchService, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._service = service
        self._cache_bytes = cache_bytes
        self._cached: OrderedDict[tuple[str, int], Thumbnail] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def get(self, image_id: int, width: int) -> Thumbnail:
        """The picture of a catalog photo, at most as wide as the next of `WIDTHS` and never enlarged.

        Raises:
            UsageError: no such photo in the version in use, or its file is gone.
            BadImage: the file is no photo any more.
        """
        width = next((known for known in WIDTHS if known >= width), WIDTHS[-1])
        wanted = self._service.photo(image_id).sha256
        with self._lock:
            found = self._cached.get((wanted, width))
            if found:
                self._cached.move_to_end((wanted, width))
                return found
        data = read_photo(self._service.photo_path(image_id))
        made = _make(data, width)
        if made.sha256 == wanted:  # a file that was changed since the scan is shown, but not remembered
            self._remember((wanted, width), made)
        return made

    def _remember(self, key: tuple[str, int], made: Thumbnail) -> None:
        with self._lock:
            if key in self._cached:
                return
            self._cached[key] = made
            self._held += len(made.content)
            while self._held > self._cache_bytes:
                _, dropped = self._cached.popitem(last=False)
                self._held -= len(dropped.content)


def _make(data: bytes, width: int) -> Thumbnail:
    image = decode_photo(data, fit=width).image
    image.thumbnail((width, 2 * width))
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=82, method=2)
    sha256 = hashlib.sha256(data).hexdigest()
    return Thumbnail(buffer.getvalue(), f'"{sha256[:16]}-{width}"', sha256)
