"""`SearchService`: queries to answers, from the version in use. The page, the batch run and the HTTP API share it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from catalog.errors import BadImage, UsageError
from catalog.image import decode_upload
from catalog.manifest import CatalogItem
from catalog.paths import catalog_photo_path
from catalog.store import Store
from index.colour_weights import DEFAULT_COLOUR, ColourChoice, colour_weight
from index.embedder import Prepared
from index.loading import load_current, load_version
from index.versions import IndexVersion, current_id
from search.config import ProductBy
from search.refinement import Refinement
from search.results import Match, SearchResult
from search.snapshot import Snapshot
from training.config import Device

DecodePhoto = Callable[[bytes, int | None], Image.Image]
"""From a file's bytes to an upright RGB image, whose short side need not exceed the given pixels; or BadImage."""

MOST_ANSWERS = 2048
MOST_PHOTOS = 16
"""Of one thing, in one query to the service, which anyone may send."""


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

    def search(
        self,
        photos: bytes | Sequence[bytes] = (),
        *,
        k: int = 12,
        name: str = "upload",
        where: str = "",
        product_by: ProductBy = "best",
        colour: ColourChoice = DEFAULT_COLOUR,
        close_only: bool = False,
        liked: Sequence[str | int] = (),
        disliked: Sequence[str | int] = (),
    ) -> SearchResult:
        """The k products that look most like a photo, or like what several photos show together.

        A product that holds the very bytes of a photo comes first, unless the condition leaves it out.

        Args:
            photos: a file's bytes, or those of at most MOST_PHOTOS of one thing; none where something is liked.
            name: what to call the query in the answer.
            where: a condition on the catalog's columns that answers must meet, see catalog/where.py; empty: none.
            product_by: a product is as similar as its best photo ("best"), or as the mean of its photos ("mean").
            colour: how much colours count, 0 … 1, or "same-design" or "same-colour".
            close_only: leave out what is no close match; there may be fewer than k then, or none.
            liked, disliked: products or photos of the catalog (item_id or image_id) that move the query towards them
                and away from them, see `index.query.rocchio`. Disliked products are not shown.

        Raises:
            BadImage: a photo cannot be used; of several, it says which.
            UsageError: k is out of range, the condition cannot be understood, there is no such product, or neither a
                photo nor something that is liked was given.
        """
        check_k(k)
        begun = time.perf_counter()
        given = [photos] if isinstance(photos, bytes) else list(photos)
        _check_question(len(given), len(liked))
        snapshot = self._snapshot
        allowed = snapshot.allowed(where)
        refinement = Refinement.of(snapshot, liked, disliked)
        prepared = [self._prepared(snapshot, photo, place, len(given)) for place, photo in enumerate(given, start=1)]
        query = refinement.moved(snapshot.one_query(snapshot.encode(prepared) if prepared else None))
        weight = colour_weight(colour)
        (matches,) = snapshot.nearest_products(
            snapshot.weighed(query, weight),
            k,
            allowed,
            product_by=product_by,
            holding=[{hashlib.sha256(photo).hexdigest() for photo in given}],
            hidden=refinement.hidden,
            thresholds=snapshot.thresholds(weight),
        )
        return _result(name, close(matches) if close_only else matches, snapshot, begun)

    def search_catalog_photo(
        self, image_id: int, *, k: int = 12, colour: ColourChoice = DEFAULT_COLOUR
    ) -> SearchResult:
        """The k products that look most like a photo of the catalog, itself among them.

        Args:
            colour: how much colours count, 0 … 1, or "same-design" or "same-colour".

        Raises:
            UsageError: the version in use has no such photo, or k or the colour's weight is out of range.
        """
        check_k(k)
        begun = time.perf_counter()
        snapshot = self._snapshot
        position = _position(snapshot, image_id)
        item = snapshot.loaded.items.item(position)
        weight = colour_weight(colour)
        (matches,) = snapshot.nearest_products(
            snapshot.weighed(snapshot.loaded.index.vector(position)[None], weight),
            k,
            holding=[{item.sha256}],
            thresholds=snapshot.thresholds(weight),
        )
        return _result(item.item_id, matches, snapshot, begun)

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

    def _prepared(self, snapshot: Snapshot, photo: bytes, place: int, count: int) -> Prepared:
        embedder = snapshot.loaded.embedder
        try:
            return embedder.prepare(self._decode(photo, embedder.decode_size))
        except BadImage as error:
            if count == 1:
                raise
            raise BadImage(error.code, f"photo {place} of {count}: {error.reason}") from None


def close(matches: tuple[Match, ...]) -> tuple[Match, ...]:
    """Those that are some match: all but those with the verdict "no close match"."""
    return tuple(match for match in matches if match.verdict != "no close match")


def check_k(k: int) -> None:
    """Refuse a number of answers that cannot be.

    Raises:
        UsageError: k is not in 1 … MOST_ANSWERS.
    """
    if not 1 <= k <= MOST_ANSWERS:
        raise UsageError(f"k must lie in 1 to {MOST_ANSWERS}; received {k}: choose one in that range")


def _check_question(photos: int, liked: int) -> None:
    if not photos and not liked:
        raise UsageError("a search needs a photo or a liked product; received neither: send one")
    if photos > MOST_PHOTOS:
        raise UsageError(f"a query may be of at most {MOST_PHOTOS} photos; received {photos}: leave some out")


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
