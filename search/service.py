"""`SearchService`: queries to answers, from the version in use. The page, the batch run and the HTTP API share it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from catalog.errors import BadImage, UsageError
from catalog.image import decode_photo, decode_upload, read_photo
from catalog.manifest import CatalogItem
from catalog.paths import catalog_photo_path
from catalog.store import Store
from index.colour_weights import colour_weight
from index.embedder import Prepared
from index.loading import load_current, load_version
from index.search_index import RemoteIndex
from index.vectors import Floats
from index.versions import IndexVersion, current_id
from search.distinct import best_answers
from search.question import Crop, Question, decoded_part
from search.refinement import Refinement
from search.results import SearchResult
from search.snapshot import Snapshot
from training.config import Device

DecodePhoto = Callable[[bytes, int | None], Image.Image]
"""From a file's bytes to an upright RGB image, whose short side need not exceed the given pixels; or BadImage."""

MOST_PHOTOS = 16
"""Of one thing, in one query to the service, which anyone may send."""
ANYTHING = Question()


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
            EngineError: the server that holds the vectors does not answer.
        """
        with self._refreshing:
            named = current_id(self._store)
            if named == self.version.id:
                index = self._snapshot.loaded.index
                if isinstance(index, RemoteIndex):
                    index.check()
                return False
            self._snapshot = Snapshot(load_version(self._store.versions_dir / named, self._device))
            return True

    def search(
        self, photos: bytes | Sequence[bytes] = (), question: Question = ANYTHING, *, name: str = ""
    ) -> SearchResult:
        """The k products that look most like a photo, like what several photos show together, or like a product.

        A product that holds the very bytes of a photo comes first, unless the condition leaves it out or only a part of
        the photo is asked with.

        Args:
            photos: a file's bytes, or those of at most MOST_PHOTOS of one thing; none where the question names a
                product or something that is liked.
            question: what else is asked.
            name: what to call the query in the answer; the product's item_id where it names one.

        Raises:
            BadImage: a photo cannot be used; of several, it says which.
            UsageError: the condition cannot be understood, the colours' weight is out of range, there is no such
                product, nothing was given to ask with, or too much.
        """
        begun = time.perf_counter()
        given = [photos] if isinstance(photos, bytes) else list(photos)
        _check_question(len(given), question)
        snapshot = self._snapshot
        allowed = snapshot.allowed(question.where)
        refinement = Refinement.of(snapshot, question.liked, question.disliked)
        vectors, holding, item = None, set[str](), None
        if given:
            vectors = snapshot.one_query(self._encoded(snapshot, given, question.crop))
            holding = set() if question.crop else {hashlib.sha256(photo).hexdigest() for photo in given}
        elif question.product is not None:
            vector, _, item = snapshot.reference(question.product)
            vectors, name = vector[None], name or item.item_id
            if question.crop:
                vectors = snapshot.encode([_part_of_catalog_photo(snapshot, item, question.crop)])
        (matches,) = best_answers(
            snapshot,
            refinement.moved(snapshot.one_query(vectors)),
            question.k,
            allowed,
            where=question.where,
            colour=colour_weight(question.colour),
            product_by=question.product_by,
            holding=[holding],
            asked_with=[item.item_id if item else None],
            hidden=refinement.hidden,
            hide_duplicates=question.hide_duplicates,
            close_only=question.close_only,
            judged=not refinement.moves,
        )
        return SearchResult(
            query=name or "upload",
            matches=matches,
            version=snapshot.loaded.version.id,
            seconds=time.perf_counter() - begun,
            asked_with=item,
        )

    def product(self, reference: str | int) -> tuple[CatalogItem, ...]:
        """The photos of a product, in order of image_id; by its item_id, or an image_id of one of them.

        Raises:
            UsageError: there is no such product.
        """
        snapshot = self._snapshot
        _, product, _ = snapshot.reference(reference)
        return tuple(snapshot.loaded.items.item(int(position)) for position in snapshot.products.members(product))

    def find(self, text: str, limit: int = 10) -> tuple[CatalogItem, ...]:
        """Products whose item_id or title contains a text, whatever the case: an item_id that is the text, then titles
        and item_ids that begin with it, then the others; each by its first photo.
        """
        return self._snapshot.find(text, limit)

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
        return _photo_path(self._snapshot, image_id)

    def pin(self) -> Snapshot:
        """The version in use now, for work that must not mix two of them."""
        return self._snapshot

    def _encoded(self, snapshot: Snapshot, photos: Sequence[bytes], crop: Crop | None) -> Floats:
        """The vectors of photos, or of a part of each, float32 (n, D)."""
        many = len(photos)
        return snapshot.encode(
            [self._prepared(snapshot, data, crop, place, many) for place, data in enumerate(photos, 1)]
        )

    def _prepared(self, snapshot: Snapshot, photo: bytes, crop: Crop | None, place: int, count: int) -> Prepared:
        embedder = snapshot.loaded.embedder
        try:
            return embedder.prepare(decoded_part(partial(self._decode, photo), embedder.decode_size, crop))
        except BadImage as error:
            if count == 1:
                raise
            raise BadImage(error.code, f"photo {place} of {count}: {error.reason}") from None


def _part_of_catalog_photo(snapshot: Snapshot, item: CatalogItem, crop: Crop) -> Prepared:
    """A part of a photo of the catalog, ready to be encoded: decoded here, since it is the owner's."""
    embedder = snapshot.loaded.embedder
    data = read_photo(_photo_path(snapshot, item.image_id))
    return embedder.prepare(decoded_part(lambda side: decode_photo(data, fit=side).image, embedder.decode_size, crop))


def _check_question(photos: int, question: Question) -> None:
    if photos and question.product is not None:
        raise UsageError("a search is by photos or by a product; received both: leave one out")
    if not photos and question.product is None and not question.liked:
        raise UsageError("a search needs a photo, a product or a liked product; received none of them: send one")
    if photos > MOST_PHOTOS:
        raise UsageError(f"a query may be of at most {MOST_PHOTOS} photos; received {photos}: leave some out")
    if question.crop is not None and (photos > 1 or (not photos and question.product is None)):
        raise UsageError(f"a crop is of one photo; received {photos or 'no'} photos: send the one that it is of")


def _position(snapshot: Snapshot, image_id: int) -> int:
    position = snapshot.position_of.get(image_id)
    if position is None:
        raise UsageError(
            f"there is no photo {image_id} in version {snapshot.loaded.version.id}: take an id from a search's answer"
        )
    return position


def _photo_path(snapshot: Snapshot, image_id: int) -> Path:
    item = snapshot.loaded.items.item(_position(snapshot, image_id))
    try:
        path = catalog_photo_path(Path(snapshot.loaded.version.root), item.path)
    except BadImage as error:
        raise UsageError(f"photo {image_id} cannot be shown: {error}") from None
    if not path.is_file():
        raise UsageError(f'photo {image_id} is gone from the catalog: run "lookalike scan" and "lookalike index"')
    return path
