"""For every product its nearest others: the "you may also like" table of a shop, in one streamed run.

Products are asked for with the vectors that the index holds; nothing is decoded or encoded. Beside the index a few
numbers per photo are in memory, and one batch of answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from catalog.progress import progress
from index.colour_weights import colour_weight
from search.config import RelatedConfig
from search.neighbours import QUERIES, NearestOthers
from search.question import check_k
from search.results import SearchResult
from search.service import SearchService
from search.snapshot import Snapshot
from search.writers import open_writer


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedSummary:
    """What was written."""

    products: int
    rows: int
    fewer: int
    """Products with fewer than k others."""
    version: str
    seconds: float

    def __str__(self) -> str:
        fewer = f"; {self.fewer:,} have fewer others than were asked for" if self.fewer else ""
        return (
            f"{self.products:,} products related by version {self.version} in {self.seconds:.1f} s, "
            f"{self.rows:,} rows{fewer}"
        )


def related(config: RelatedConfig) -> RelatedSummary:
    """Write, for every product of the version in use, its k nearest others (`search.neighbours`).

    A row is one of them, in the form of a search's answers, with the product's item_id as the query.

    Raises:
        UsageError: k is out of range, an output of no known kind, or a condition that cannot be understood.
        StoreError, VersionError: there is nothing to search.
    """
    begun = time.monotonic()
    check_k(config.k)
    snapshot = SearchService.open(config.store, device=config.device).pin()
    products, rows, fewer = len(snapshot.products), 0, 0
    answers = progress(related_products(snapshot, config), total=products, description="relating", unit="products")
    with open_writer(config.output, snapshot.loaded.items) as writer:
        for answer in answers:
            writer.write(answer)
            rows += len(answer.matches)
            fewer += len(answer.matches) < config.k
    return RelatedSummary(
        products=products,
        rows=rows,
        fewer=fewer,
        version=snapshot.loaded.version.id,
        seconds=time.monotonic() - begun,
    )


def related_products(snapshot: Snapshot, config: RelatedConfig) -> Iterator[SearchResult]:
    """Each product of a version with its nearest others, in the order of the products' first photos.

    Args:
        config: of it, what is related to what; not where it is read from or written to.
    """
    colour = colour_weight(config.colour)
    thresholds = snapshot.thresholds(colour)
    nearest = NearestOthers(
        snapshot,
        k=config.k,
        product_by=config.product_by,
        duplicate_similarity=config.duplicate_similarity,
        allowed=snapshot.allowed(config.where),
        colour=colour,
    )
    item_ids, photos = snapshot.loaded.items.table["item_id"], snapshot.products
    for first in range(0, len(photos), QUERIES):
        begun = time.perf_counter()
        products = np.arange(first, min(first + QUERIES, len(photos)))
        found = nearest.of(products)
        seconds = (time.perf_counter() - begun) / len(products)
        for product, places in zip(products, found, strict=True):
            yield SearchResult(
                query=item_ids[photos.members(int(product))[0]].as_py(),
                matches=snapshot.matches(places, thresholds),
                version=snapshot.loaded.version.id,
                seconds=seconds,
            )
