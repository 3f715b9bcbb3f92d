"""`SearchService`: queries to answers, from the version in use. The page, the batch run and the HTTP API share it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from catalog.errors import BadImage, UsageError
from catalog.image import decode_upload
from catalog.manifest import CatalogItem
from catalog.paths import catalog_photo_path
from catalog.store import Store
from index.loading import load_current, load_version
from index.versions import IndexVersion, current_id
from search.results import Match, SearchResult
from search.snapshot import Snapshot
from training.config import Device

DecodePhoto = Callable[[bytes, int | None], Image.Image]
"""From a file's bytes to an upright RGB image, whose short side need not exceed the given pixels; or BadImage."""

MOST_ANSWERS = 2048


class SearchService:
    """Answers queries from the version in use. Safe to call from several threads; make one with `open`."""

    def __init__(self, store: Store, device: Device, decode: DecodePhoto, snapshot: Snapshot) -> None:
        self._store, self._device, self._decode = store, device, decode
        self._snapshot = snapshot
        self._refreshing = threading.Lock()

    @classmethod
    def open(cls, store: Path, *, device: Device = "auto", decode: DecodePhoto = decode_upload) -> SearchService:
        """A service on a store's version in use.

        Raises:
            StoreError, VersionError: there is nothing to search, or it is refused.
            DeviceError: "gpu" was asked for and there is none.
        """
        opened = Store.open(store)
        return cls(opened, device, decode, Snapshot(load_current(opened, device)))

    @property
    def version(self) -> IndexVersion:
        """What the version in use says of itself."""
        return self._snapshot.loaded.version

    def refresh(self) -> bool:
        """Take the version that CURRENT names into use, if it is another one; True when it was.

        Requests under way end with the version they began with.

        Raises:
            VersionError: the new one is refused; the old one goes on answering.
        """
        with self._refreshing:
            named = current_id(self._store)
            if named == self.version.id:
                return False
            self._snapshot = Snapshot(load_version(self._store.versions_dir / named, self._device))
            return True

    def search(self, photo: bytes, *, k: int = 12, name: str = "upload", where: str = "") -> SearchResult:
        """The k products that look most like a photo.

        Args:
            photo: a file's bytes.
            name: what to call the query in the answer.
            where: a condition on the catalog's columns that answers must meet, see catalog/where.py; empty: none.

        Raises:
            BadImage: the photo cannot be used.
            UsageError: k is out of range, or the condition cannot be understood.
        """
        check_k(k)
        begun = time.perf_counter()
        snapshot = self._snapshot
        allowed = snapshot.allowed(where)
        image = self._decode(photo, snapshot.loaded.embedder.decode_size)
        vector = snapshot.loaded.embedder.embed([snapshot.loaded.embedder.prepare(image)])
        (matches,) = snapshot.nearest_products(vector, k, allowed)
        return _result(name, matches, snapshot, begun)

    def search_catalog_photo(self, image_id: int, *, k: int = 12) -> SearchResult:
        """The k products that look most like a photo of the catalog, itself among them.

        Raises:
            UsageError: the version in use has no such photo, or k is out of range.
        """
        check_k(k)
        begun = time.perf_counter()
        snapshot = self._snapshot
        position = _position(snapshot, image_id)
        (matches,) = snapshot.nearest_products(snapshot.loaded.index.vector(position)[None], k)
        return _result(snapshot.loaded.items.item(position).item_id, matches, snapshot, begun)

    def photo(self, image_id: int) -> CatalogItem:
        """A photo of the version in use.

        Raises:
            UsageError: there is no such photo.
        """
        snapshot = self._snapshot
        return snapshot.loaded.items.item(_position(snapshot, image_id))

    def photo_path(self, image_id: int) -> Path:
        """Where a photo lies on this machine; not for showing.

        Raises:
            UsageError: there is no such photo, or it is gone.
        """
        snapshot = self._snapshot
        item = snapshot.loaded.items.item(_position(snapshot, image_id))
        try:
            path = catalog_photo_path(Path(snapshot.loaded.version.root), item.path)
        except BadImage as error:
            raise UsageError(f"photo {image_id} cannot be shown: {error}") from None
        if not path.is_file():
            raise UsageError(f'photo {image_id} is gone from the catalog: run "lookalike scan" and "lookalike index"')
        return path

    def pin(self) -> Snapshot:
        """The version in use now, for work that must not mix two of them."""
        return self._snapshot


def check_k(k: int) -> None:
    """Refuse a number of answers that cannot be.

    Raises:
        UsageError: k is not in 1 … MOST_ANSWERS.
    """
    if not 1 <= k <= MOST_ANSWERS:
        raise UsageError(f"k must lie in 1 to {MOST_ANSWERS}; received {k}: choose one in that range")


def _position(snapshot: Snapshot, image_id: int) -> int:
    position = snapshot.position_of.get(image_id)
    if position is None:
        raise UsageError(
            f"there is no photo {image_id} in version {snapshot.loaded.version.id}: take an id from a search's answer"
        )
    return position


def _result(query: str, matches: tuple[Match, ...], snapshot: Snapshot, begun: float) -> SearchResult:
    return SearchResult(
        query=query, matches=matches, version=snapshot.loaded.version.id, seconds=time.perf_counter() - begun
    )
