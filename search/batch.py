"""The batch search: every photo of a folder asked at once, answers written as they come, in the order of the names."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import BadImage, UsageError
from catalog.files import find_photos
from catalog.image import decode_photo, read_photo
from catalog.parallel import default_workers, map_in_order
from catalog.paths import path_to_text, shown
from catalog.progress import progress
from index.batches import batches
from index.embedder import Embedder, Pixels
from index.vectors import Mask
from search.config import SearchConfig
from search.results import SearchResult
from search.service import SearchService, check_k
from search.snapshot import Snapshot
from search.writers import open_writer

BATCH = 32
"""Queries that are encoded and searched together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A photo to ask with."""

    path: Path
    name: str
    """As it stands in the output: relative to the folder that was given, or as it was given."""


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
    answered = 0
    with open_writer(config.output, snapshot.loaded.items) as writer:
        for answer in answer_all(queries, snapshot, config.k, unreadable, allowed):
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
    k: int,
    unreadable: list[Unreadable],
    allowed: Mask | None = None,
) -> Iterator[SearchResult]:
    """Answers in the order of the queries, from one version, in constant memory.

    Args:
        unreadable: queries that cannot be read are added to it.
        allowed: the photos that may be found, see `Snapshot.allowed`.
    """
    for batch in batches(_prepared(queries, snapshot.loaded.embedder, unreadable), BATCH):
        yield from _answers(batch, snapshot, k, allowed)


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


def _prepared(
    queries: Sequence[Query], embedder: Embedder, unreadable: list[Unreadable]
) -> Iterator[tuple[Query, Pixels]]:
    """Decode queries on all cores, in order; those that cannot be read are noted and left out."""

    def prepare(query: Query) -> tuple[Query, Pixels | BadImage]:
        try:
            image = decode_photo(read_photo(query.path), fit=embedder.decode_size).image
            return query, embedder.prepare(image)
        except BadImage as error:
            return query, error

    opened = map_in_order(prepare, queries, workers=default_workers())
    for query, result in progress(opened, total=len(queries), description="searching", unit="queries"):
        if isinstance(result, BadImage):
            unreadable.append(Unreadable(name=query.name, error=result))
        else:
            yield query, result


def _answers(batch: list[tuple[Query, Pixels]], snapshot: Snapshot, k: int, allowed: Mask | None) -> list[SearchResult]:
    begun = time.perf_counter()
    vectors = snapshot.loaded.embedder.embed([pixels for _, pixels in batch])
    found = snapshot.nearest_products(vectors, k, allowed)
    seconds = (time.perf_counter() - begun) / len(batch)
    return [
        SearchResult(query=query.name, matches=matches, version=snapshot.loaded.version.id, seconds=seconds)
        for (query, _), matches in zip(batch, found, strict=True)
    ]
