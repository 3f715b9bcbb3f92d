"""The batch search: every photo of a folder asked at once, answers written as they come, in the order of the names.

With `--together` all the photos are one query.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.errors import BadImage, UsageError
from catalog.files import find_photos
from catalog.image import decode_photo, read_photo
from catalog.parallel import default_workers, map_in_order
from catalog.paths import path_to_text, shown
from catalog.progress import progress
from index.batches import batches
from index.colour_weights import DEFAULT_COLOUR, colour_weight
from index.embedder import Embedder, Prepared
from index.vectors import Floats, Mask
from search.config import ProductBy, SearchConfig
from search.refinement import Refinement
from search.results import SearchResult
from search.service import SearchService, check_k, close
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
    """As it stands in the output: relative to the folder that was given, or as it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadQuery:
    """A query that was read: its name, and the SHA-256 of its file."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What is the same for every query of a batch."""

    k: int
    """Products per query."""
    allowed: Mask | None = None
    """The photos that may be found, see `Snapshot.allowed`."""
    product_by: ProductBy = "best"
    colour: float = DEFAULT_COLOUR
    """Weight of the colour block."""
    close_only: bool = False
    """Leave out what is no close match."""
    refinement: Refinement | None = None
    """What was liked and disliked."""


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
        lines = [f"{self.answered} queries answered by version {self.version} in {self.seconds:.1f} s{among}"]
        lines += [f"not read: {shown(query.name)}: {query.error}" for query in self.unreadable]
        return "\n".join(lines)


def search_batch(config: SearchConfig) -> BatchSummary:
    """Ask with every query, write the answers, say which queries could not be read.

    Raises:
        UsageError: a query that is not there, no query at all, an output of no known kind, k out of range, a
            condition that cannot be understood.
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
        product_by=config.product_by,
        colour=colour_weight(config.colour),
        close_only=config.close_only,
        refinement=refinement,
    )
    if config.together:
        answers = answer_together(queries, _name_together(config.queries, queries), snapshot, asking, unreadable)
    else:
        answers = answer_all(queries, snapshot, asking, unreadable)
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
    queries: Sequence[Query], snapshot: Snapshot, asking: Asking, unreadable: list[Unreadable]
) -> Iterator[SearchResult]:
    """Answers in the order of the queries, from one version, in constant memory.

    Args:
        unreadable: queries that cannot be read are added to it.
    """
    begun = time.perf_counter()
    for group in batches(_encoded(queries, snapshot, unreadable), SEARCHED_TOGETHER):
        read, vectors = zip(*group, strict=True)
        names, holding = [query.name for query in read], [{query.sha256} for query in read]
        yield from _answers(names, np.stack(vectors), holding, snapshot, asking, begun)
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
    encoded = list(_encoded(queries, snapshot, unreadable))
    if encoded:
        query = snapshot.one_query(np.stack([vector for _, vector in encoded]))
        hashes = {read.sha256 for read, _ in encoded}
        yield from _answers([name], query, [hashes], snapshot, asking, begun)


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


def _encoded(
    queries: Sequence[Query], snapshot: Snapshot, unreadable: list[Unreadable]
) -> Iterator[tuple[ReadQuery, Floats]]:
    """Queries with their vectors (D,), in order; those that cannot be read are noted and left out."""
    for batch in batches(_prepared(queries, snapshot.loaded.embedder, unreadable), BATCH):
        vectors = snapshot.encode([prepared for _, prepared in batch])
        yield from zip((read for read, _ in batch), vectors, strict=True)


def _prepared(
    queries: Sequence[Query], embedder: Embedder, unreadable: list[Unreadable]
) -> Iterator[tuple[ReadQuery, Prepared]]:
    """Decode queries on all cores, in order; those that cannot be read are noted and left out."""

    def prepare(query: Query) -> tuple[ReadQuery, Prepared] | Unreadable:
        try:
            data = read_photo(query.path)
            prepared = embedder.prepare(decode_photo(data, fit=embedder.decode_size).image)
        except BadImage as error:
            return Unreadable(name=query.name, error=error)
        return ReadQuery(name=query.name, sha256=hashlib.sha256(data).hexdigest()), prepared

    opened = map_in_order(prepare, queries, workers=default_workers(), ahead=BATCH)
    for result in progress(opened, total=len(queries), description="searching", unit="queries"):
        if isinstance(result, Unreadable):
            unreadable.append(result)
        else:
            yield result


def _answers(
    names: Sequence[str],
    vectors: Floats,
    holding: Sequence[set[str]],
    snapshot: Snapshot,
    asking: Asking,
    begun: float,
) -> list[SearchResult]:
    """Answers to the queries of a batch: their names, vectors (Q, D) and the SHA-256s of their photos."""
    moved = asking.refinement.moved(vectors) if asking.refinement else vectors
    found = snapshot.nearest_products(
        snapshot.weighed(moved, asking.colour),
        asking.k,
        asking.allowed,
        product_by=asking.product_by,
        holding=holding,
        hidden=asking.refinement.hidden if asking.refinement else (),
        thresholds=snapshot.thresholds(asking.colour),
    )
    if asking.close_only:
        found = [close(matches) for matches in found]
    seconds = (time.perf_counter() - begun) / len(names)
    return [
        SearchResult(query=name, matches=matches, version=snapshot.loaded.version.id, seconds=seconds)
        for name, matches in zip(names, found, strict=True)
    ]
