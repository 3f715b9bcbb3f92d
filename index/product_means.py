"""One vector per product: the mean of its photos' vectors, of unit norm by block, searched exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from index.faiss_index import FlatIndex
from index.groups import Groups
from index.query import unit_blocks, vectors_at
from index.search_index import SearchIndex
from index.vectors import Floats, Ids, Mask, Neighbors

CHUNK = 16_384
"""Products whose means are worked out together."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a selection of photos leaves of P products.

    Attributes:
        allowed: the photos that count, bool (N,).
        whole: products all of whose photos count, bool (P,).
        parts: numbers of those of which only some count, int64 (n,).
        means: of those photos, in the order of `parts`; None where there are no parts.
    """

    allowed: Mask
    whole: Mask
    parts: Ids
    means: FlatIndex | None


class ProductMeans:
    """The means of P products, as an index of its own. Safe to search from several threads.

    Its positions are the products' numbers. Photos of a product whose vectors cancel out have a mean of zeros, which is
    similar to nothing (0).

    It is a second matrix of float32 (P, D) beside the photos' index, exact whatever the kind of that. Where every
    product has one photo, the means are the photos' vectors: then the photos' index itself is searched, nothing is held
    twice, and the answers are as exact as that index is.
    """

    def __init__(self, photos: SearchIndex, products: Groups, widths: Sequence[int]) -> None:
        """Work out the means, chunk by chunk.

        Args:
            photos: the photos' vectors, N of them.
            products: the product of each photo.
            widths: of the vectors' blocks.
        """
        self._photos, self._products, self._widths = photos, products, widths
        self._last: _Counted | None = None
        self._sizes = np.diff(products.starts)
        one_each = np.array_equal(products.codes, np.arange(len(photos)))
        self._index = photos if one_each else self._build()

    def __len__(self) -> int:
        return len(self._products)

    @property
    def dimension(self) -> int:
        """D, the width of its vectors."""
        return self._photos.dimension

    def vector(self, product: int) -> Floats:
        """A product's mean, float32 (D,)."""
        return self._index.vector(product)

    def vectors(self, products: Ids) -> Floats:
        """The means of some products, float32 (n, D)."""
        return self._index.vectors(products)

    def search(self, queries: Floats, k: int, allowed: Mask | None = None) -> Neighbors:
        """The k products whose means are most similar to each query; fewer where there are fewer than k.

        Args:
            queries: float32 (Q, D).
            allowed: bool (N,), the photos that count. A product none of which counts is not found; one of which only
                some count is found by the mean of those, worked out for this search.
        """
        if allowed is None:
            return self._index.search(queries, k)
        counted = self._counted(allowed)
        found = self._index.search(queries, k, counted.whole)
        if counted.means is None:
            return found
        return _merged(found, counted.means.search(queries, k), counted.parts, k)

    def _counted(self, allowed: Mask) -> _Counted:
        """What a selection leaves of the products; kept for the next search, since a batch asks with the same one."""
        kept = self._last
        if kept is None or kept.allowed is not allowed:
            counts = np.bincount(self._products.codes[allowed], minlength=len(self))
            parts = np.flatnonzero((counts > 0) & (counts < self._sizes))
            kept = _Counted(allowed, counts == self._sizes, parts, self._part_means(allowed, parts, counts[parts]))
            self._last = kept
        return kept

    def _part_means(self, allowed: Mask, parts: Ids, counts: Ids) -> FlatIndex | None:
        if not len(parts):
            return None
        positions = np.flatnonzero(allowed & np.isin(self._products.codes, parts))
        positions = positions[np.argsort(self._products.codes[positions], kind="stable")]
        return FlatIndex.build(self._means(positions, np.cumsum(counts) - counts), "cpu")

    def _build(self) -> FlatIndex:
        means = np.empty((len(self), self.dimension), np.float32)
        starts = self._products.starts
        for first in range(0, len(self), CHUNK):
            last = min(first + CHUNK, len(self))
            positions = self._products.order[starts[first] : starts[last]]
            means[first:last] = self._means(positions, starts[first:last] - starts[first])
        return FlatIndex.build(means, "cpu")

    def _means(self, positions: Ids, starts: Ids) -> Floats:
        """Unit means of runs of positions that begin at `starts`: sums, since their length does not matter."""
        sums = np.add.reduceat(vectors_at(self._photos, positions), starts, axis=0, dtype=np.float64)
        return unit_blocks(sums.astype(np.float32), self._widths)


def _merged(found: Neighbors, by_part: Neighbors, parts: Ids, k: int) -> Neighbors:
    """The k best of two searches; `by_part`'s positions are places in `parts`."""
    valid = [np.arange(side.positions.shape[1]) < side.counts[:, None] for side in (found, by_part)]
    positions = np.concatenate([found.positions, parts[np.where(valid[1], by_part.positions, 0)]], axis=1)
    similarities = np.concatenate([found.similarities, by_part.similarities], axis=1)
    ranking = np.where(np.concatenate(valid, axis=1), -similarities, np.inf)
    best = np.argsort(ranking, axis=1, kind="stable")[:, :k]
    return Neighbors(
        np.take_along_axis(positions, best, axis=1),
        np.take_along_axis(similarities, best, axis=1),
        np.minimum(found.counts + by_part.counts, k),
    )
