"""The batch search: every photo of a folder asked at once, answers written as they come, in the order of the names.

Products of the catalog that are asked with follow the photos. With `--together` all the photos are one query.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from catalog.errors import BadImage, UsageError
from catalog.files import find_photos
from catalog.image import decode_photo, read_photo
from catalog.manifest import CatalogItem
from catalog.parallel import default_workers, map_in_order
from catalog.paths import catalog_photo_path, path_to_text, shown
from catalog.progress import progress
from index.batches import batches
from index.colour_weights import DEFAULT_COLOUR, colour_weight
from index.embedder import Embedder, Prepared
from index.vectors import Floats, Mask
from search.config import WHOLE, Box, ProductBy, SearchConfig
from search.distinct import best_answers
from search.question import Crop, check_k, decoded_part
from search.refinement import Refinement
from search.results import SearchResult
from search.service import SearchService
from search.snapshot import Snapshot
from search.writers import open_writer

BATCH = 32
"""Queries that are encoded together."""
SEARCHED_TOGETHER = 256
"""Queries that are searched together: of so many FAISS makes one product of matrices, and looks eight times as quickly
at an exact index as query by query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A photo to ask with."""

    path: Path
    name: str
    """As it stands in the output: relative to the folder that was given, or as it was given; a product's item_id."""
    product: str | None = None
    """The item_id of the product of the catalog that is asked with by this photo, and is no answer to itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadQuery:
    """A query that was read."""

    name: str
    holding: frozenset[str] = frozenset()
    """The SHA-256s of its photos, whose products come first; none where it is a product, or a part of a photo."""
    product: str | None = None
    """As in `Query`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What is the same for every query of a batch."""

    k: int
    """Products per query."""
    allowed: Mask | None = None
    """The photos that may be found, see `Snapshot.allowed`."""
    where: str = ""
    """The condition that gave `allowed`."""
    product_by: ProductBy = "best"
    colour: float = DEFAULT_COLOUR
    """Weight of the colour block."""
    close_only: bool = False
    """Leave out what is no close match."""
    hide_duplicates: bool = False
    """Of answers that look like the same photo of each other, leave only the first."""
    refinement: Refinement | None = None
    """What was liked and disliked."""
    crop: Crop | None = None
    """The part of each photo that is asked with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A query that could not be read."""

    name: str
    error: BadImage


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSummary:
    """What a batch search did."""

    answered: int
    unreadable: tuple[Unreadable, ...]
    version: str
    seconds: float
    searched: int | None = None
    """Photos that meet the condition that was given; None where there was none."""

    @property
    def exit_code(self) -> int:
        """3 where some queries could not be read, 1 where none could, else 0."""
        if not self.unreadable:
            return 0
        return 3 if self.answered else 1

    def __str__(self) -> str:
        among = "" if self.searched is None else f", among the {self.searched:,} photos that meet the condition"
        count = "1 query" if self.answered == 1 else f"{self.answered} queries"
        lines = [f"{count} answered by version {self.version} in {self.seconds:.1f} s{among}"]
        lines += [f"not read: {shown(query.name)}: {query.error}" for query in self.unreadable]
        return "\n".join(lines)


def search_batch(config: SearchConfig) -> BatchSummary:
    """Ask with every query, write the answers, say which queries could not be read.

    Raises:
        UsageError: a photo or a product that is not there, no query at all, an output of no known kind, k out of range,
            a condition that cannot be understood.
        StoreError, VersionError: there is nothing to search.
    """
    begun = time.monotonic()
    check_k(config.k)
    unreadable: list[Unreadable] = []
    queries = list(find_queries(config.queries, unreadable))
    snapshot = SearchService.open(config.store, device=config.device).pin()
    allowed = snapshot.allowed(config.where)
    refinement = Refinement.of(snapshot, config.liked, config.disliked)
    asking = Asking(
        k=config.k,
        allowed=allowed,
        where=config.where,
        product_by=config.product_by,
        colour=colour_weight(config.colour),
        close_only=config.close_only,
        hide_duplicates=config.hide_duplicates,
        refinement=refinement,
        crop=_crop(config.crop),
    )
    products = [snapshot.reference(product) for product in config.products]
    known = []
    if asking.crop:
        root = Path(snapshot.loaded.version.root)
        queries += catalog_queries((item for _, _, item in products), root, unreadable)
    else:
        known = [(ReadQuery(name=item.item_id, product=item.item_id), vector) for vector, _, item in products]
    if config.together:
        answers = answer_together(queries, _name_together(config.queries, queries), snapshot, asking, unreadable)
    else:
        answers = answer_all(queries, snapshot, asking, unreadable, known)
    answered = 0
    with open_writer(config.output, snapshot.loaded.items) as writer:
        for answer in answers:
            writer.write(answer)
            answered += 1
    return BatchSummary(
        answered=answered,
        unreadable=tuple(unreadable),
        version=snapshot.loaded.version.id,
        seconds=time.monotonic() - begun,
        searched=None if allowed is None else int(allowed.sum()),
    )


def answer_all(
    queries: Sequence[Query],
    snapshot: Snapshot,
    asking: Asking,
    unreadable: list[Unreadable],
    known: Sequence[tuple[ReadQuery, Floats]] = (),
) -> Iterator[SearchResult]:
    """Answers in the order of the queries, from one version, in constant memory.

    Args:
        unreadable: queries that cannot be read are added to it.
        known: queries whose vectors, float32 (D,), are known already; they come last.
    """
    begun = time.perf_counter()
    encoded = chain(_encoded(queries, snapshot, asking.crop, unreadable), known)
    for group in batches(encoded, SEARCHED_TOGETHER):
        read, vectors = zip(*group, strict=True)
        yield from _answers(read, np.stack(vectors), snapshot, asking, begun)
        begun = time.perf_counter()


def answer_together(
    queries: Sequence[Query], name: str, snapshot: Snapshot, asking: Asking, unreadable: list[Unreadable]
) -> Iterator[SearchResult]:
    """The one answer to photos that show one thing; none where none of them can be read.

    Args:
        name: of the answer.
        unreadable: photos that cannot be read are added to it and left out of the query.
    """
    begun = time.perf_counter()
    encoded = list(_encoded(queries, snapshot, asking.crop, unreadable))
    if encoded:
        query = snapshot.one_query(np.stack([vector for _, vector in encoded]))
        holding = frozenset[str]().union(*(read.holding for read, _ in encoded))
        yield from _answers([ReadQuery(name=name, holding=holding)], query, snapshot, asking, begun)


def name_together(first: str, count: int) -> str:
    """What to call a query of several photos."""
    return first if count == 1 else f"{first} + {count - 1} more"


def _name_together(given: Sequence[Path], queries: Sequence[Query]) -> str:
    """The folder's name where one folder was given, else the first photo's with the number of the others."""
    if len(given) == 1 and given[0].is_dir():
        return path_to_text(given[0])
    return name_together(queries[0].name, len(queries)) if queries else ""


def find_queries(paths: Sequence[Path], unreadable: list[Unreadable]) -> Iterator[Query]:
    """The photos at some paths, folders in the order of their names; what only looks like a photo is noted.

    Raises:
        UsageError: a path that is not there, or a folder without photos.
    """
    for path in paths:
        if path.is_dir():
            found = find_photos(path)
            if not found.paths:
                raise UsageError(f"a folder of queries must hold photos; {shown(str(path))} has none: name another")
            unreadable.extend(Unreadable(name=row.path, error=BadImage(row.code, row.reason)) for row in found.left_out)
            for inside in found.paths:
                yield Query(path=path / inside, name=path_to_text(inside))
        elif path.exists():
            yield Query(path=path, name=path_to_text(path))
        else:
            raise UsageError(f"a query must be a photo or a folder; there is no {shown(str(path))}: check the path")


def catalog_queries(photos: Iterable[CatalogItem], root: Path, unreadable: list[Unreadable]) -> Iterator[Query]:
    """Photos of the catalog, each to ask with as its product; what does not lie in the catalog's root is noted."""
    for photo in photos:
        try:
            path = catalog_photo_path(root, photo.path)
        except BadImage as error:
            unreadable.append(Unreadable(name=photo.item_id, error=error))
        else:
            yield Query(path=path, name=photo.item_id, product=photo.item_id)


def _crop(box: Box) -> Crop | None:
    left, top, right, bottom = box
    return None if box == WHOLE else Crop(left=left, top=top, right=right, bottom=bottom)


def _encoded(
    queries: Sequence[Query], snapshot: Snapshot, crop: Crop | None, unreadable: list[Unreadable]
) -> Iterator[tuple[ReadQuery, Floats]]:
    """Queries with their vectors (D,), in order; those that cannot be read are noted and left out."""
    for batch in batches(_prepared(queries, snapshot.loaded.embedder, crop, unreadable), BATCH):
        vectors = snapshot.encode([prepared for _, prepared in batch])
        yield from zip((read for read, _ in batch), vectors, strict=True)


def _prepared(
    queries: Sequence[Query], embedder: Embedder, crop: Crop | None, unreadable: list[Unreadable]
) -> Iterator[tuple[ReadQuery, Prepared]]:
    """Decode queries on all cores, in order; those that cannot be read are noted and left out."""

    def prepare(query: Query) -> tuple[ReadQuery, Prepared] | Unreadable:
        try:
            data = read_photo(query.path)
            photo = decoded_part(lambda side: decode_photo(data, fit=side).image, embedder.decode_size, crop)
            prepared = embedder.prepare(photo)
        except BadImage as error:
            return Unreadable(name=query.name, error=error)
        holding = frozenset() if crop else frozenset({hashlib.sha256(data).hexdigest()})
        return ReadQuery(name=query.name, holding=holding, product=query.product), prepared

    opened = map_in_order(prepare, queries, workers=default_workers(), ahead=BATCH)
    for result in progress(opened, total=len(queries), description="searching", unit="queries"):
        if isinstance(result, Unreadable):
            unreadable.append(result)
        else:
            yield result


def _answers(
    queries: Sequence[ReadQuery], vectors: Floats, snapshot: Snapshot, asking: Asking, begun: float
) -> list[SearchResult]:
    """Answers to the queries of a batch, with their vectors, float32 (Q, D)."""
    found = best_answers(
        snapshot,
        asking.refinement.moved(vectors) if asking.refinement else vectors,
        asking.k,
        asking.allowed,
        where=asking.where,
        colour=asking.colour,
        product_by=asking.product_by,
        holding=[query.holding for query in queries],
        asked_with=[query.product for query in queries],
        hidden=asking.refinement.hidden if asking.refinement else (),
        hide_duplicates=asking.hide_duplicates,
        close_only=asking.close_only,
        judged=not (asking.refinement and asking.refinement.moves),
    )
    seconds = (time.perf_counter() - begun) / len(queries)
    return [
        SearchResult(query=query.name, matches=matches, version=snapshot.loaded.version.id, seconds=seconds)
        for query, matches in zip(queries, found, strict=True)
    ]
