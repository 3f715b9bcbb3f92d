"""The nearest other products of many products at once, without themselves and their duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from index.colour_weights import DEFAULT_COLOUR
from index.groups import Groups
from index.query import Vectors, vectors_at
from index.vectors import Floats, Ids, Mask
from search.config import ProductBy
from search.ranking import Place, best_photo
from search.snapshot import Snapshot

QUERIES = 1024
"""Vectors that are searched for together."""
MOST_FETCHED = 16_384
"""Photos (or products) that are looked at, at most, on behalf of one photo."""

ROUNDING = 1e-6
"""By how much float32 may understate the similarity of equal vectors."""


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Products in the order of their similarity, or the rankings of several products one after another.

    Attributes:
        products: their numbers, int64 (n,).
        found: what was found of each, a position in what is searched, int64 (n,).
        similarities: float32 (n,), descending.
    """

    products: Ids
    found: Ids
    similarities: Floats

    def __getitem__(self, places: slice | Ids) -> _Ranking:
        return _Ranking(self.products[places], self.found[places], self.similarities[places])


class NearestOthers:
    """Finds, for products of one version, the k nearest other products.

    Two products are as similar as their two most similar photos ("best"), or as the means of their photos ("mean").
    Left out are the product itself, products with a photo of the same bytes, and those that are similar from
    `duplicate_similarity` on.

    Each vector of a product is searched for with more and more neighbours, until no unseen product can be among the
    product's k: what was not returned is no more similar than the last that was (the threshold algorithm of Fagin,
    Lotem and Naor, PODS 2001, with one list per photo). So an exact index gives the right ones, except for a product
    with more than MOST_FETCHED of its own photos and duplicates before them, which gets fewer.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        k: int,
        product_by: ProductBy,
        duplicate_similarity: float,
        allowed: Mask | None = None,
        colour: float = DEFAULT_COLOUR,
    ) -> None:
        """`allowed`: bool (N,), the photos that may be found; None for all. `colour`: weight of the colour block."""
        self._snapshot, self._colour = snapshot, colour
        self._k, self._duplicate_similarity, self._allowed = k, duplicate_similarity, allowed
        self._products = snapshot.products
        self._contents = Groups.of_equal(snapshot.loaded.items.table["sha256"])
        copies = np.diff(self._contents.starts)[self._contents.codes[self._products.order]]
        self._shares = np.maximum.reduceat(copies, self._products.starts[:-1]) > 1
        self._photos, self._by_mean = snapshot.loaded.index, product_by == "mean"
        self._vectors: Vectors = self._photos
        self._groups = self._products
        if self._by_mean:
            self._vectors, self._groups = snapshot.product_means, Groups(np.arange(len(self._products)))

    def of(self, products: Ids) -> list[list[Place]]:
        """The nearest others of each of some products (their numbers, int64 (n,)), most alike first.

        They are k, or as many as there are; each is shown by its best photo.
        """
        others: dict[int, _Ranking] = {}
        waiting, fetch = products, 2 * self._k + 2
        while len(waiting):
            uncertain = []
            for product, found, frontier in self._searched(waiting, fetch):
                others[product] = found
                certain = len(found.products) == self._k and found.similarities[-1] >= frontier
                if not certain and frontier > -np.inf and fetch < MOST_FETCHED:
                    uncertain.append(product)
            waiting, fetch = np.array(uncertain, np.int64), min(4 * fetch, MOST_FETCHED)
        return [self._places(int(product), others[int(product)]) for product in products]

    def _places(self, product: int, others: _Ranking) -> list[Place]:
        positions = others.found
        if self._by_mean:
            vector = self._snapshot.weighed(self._vectors.vector(product)[None], self._colour)[0]
            photos = [self._products.members(int(other)) for other in others.products]
            positions = np.array([best_photo(self._photos, members, vector, self._allowed) for members in photos])
        return [
            Place(*place)
            for place in zip(others.products.tolist(), positions.tolist(), others.similarities.tolist(), strict=True)
        ]

    def _searched(self, products: Ids, fetch: int) -> Iterator[tuple[int, _Ranking, float]]:
        """Each product with the others among its vectors' `fetch` neighbours, and how similar an unseen one can be."""
        units = np.concatenate([self._groups.members(int(product)) for product in products])
        sizes = np.diff(self._groups.starts)[products]
        row_of = np.repeat(np.arange(len(products)), sizes)
        rows, found, similarities, unseen = [], [], [], []
        for first in range(0, len(units), QUERIES):
            part = slice(first, first + QUERIES)
            queries = self._snapshot.weighed(vectors_at(self._vectors, units[part]), self._colour)
            neighbours = self._vectors.search(queries, fetch, self._allowed)
            valid = np.arange(neighbours.positions.shape[1]) < neighbours.counts[:, None]
            rows.append(np.repeat(row_of[part], neighbours.counts))
            found.append(neighbours.positions[valid])
            similarities.append(neighbours.similarities[valid])
            least = np.where(valid, neighbours.similarities, 1.0).min(axis=1, initial=1.0)
            unseen.append(np.where(neighbours.counts < fetch, -np.inf, least))
        frontiers = np.maximum.reduceat(np.concatenate(unseen), np.cumsum(sizes) - sizes)
        ranking, ends = self._ranked(
            np.concatenate(rows), np.concatenate(found), np.concatenate(similarities), len(products)
        )
        for row, (product, frontier) in enumerate(zip(products, frontiers, strict=True)):
            yield int(product), self._others(int(product), ranking[ends[row] : ends[row + 1]]), float(frontier)

    def _ranked(self, rows: Ids, found: Ids, similarities: Floats, count: int) -> tuple[_Ranking, Ids]:
        """The rankings of rows 0 … count-1, each product once in each; and where each row begins."""
        order = np.lexsort((found, -similarities, rows))
        rows, found, similarities = rows[order], found[order], similarities[order]
        products = self._groups.codes[found]
        _, first = np.unique(rows * len(self._products) + products, return_index=True)
        first.sort()
        return _Ranking(products, found, similarities)[first], np.searchsorted(rows[first], np.arange(count + 1))

    def _others(self, product: int, ranking: _Ranking) -> _Ranking:
        """The first k of a product's ranking that are neither itself nor its duplicates."""
        kept = (ranking.products != product) & (ranking.similarities < self._duplicate_similarity - ROUNDING)
        if self._shares[product]:
            kept &= ~np.isin(ranking.products, self._of_same_content(product))
        return ranking[np.flatnonzero(kept)[: self._k]]

    def _of_same_content(self, product: int) -> Ids:
        """Products with a photo of the same bytes as one of this product's."""
        contents = np.unique(self._contents.codes[self._products.members(product)])
        photos = np.concatenate([self._contents.members(int(content)) for content in contents])
        products: Ids = self._products.codes[photos]
        return products
