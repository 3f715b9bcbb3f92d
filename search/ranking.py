"""Products in the order of their similarity to a query: by the best photo of each, or by the mean of its photos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.groups import Groups
from index.product_means import ProductMeans
from index.query import vectors_at
from index.search_index import RemoteIndex, SearchIndex
from index.vectors import Floats, Ids, Mask, Neighbors, first_of_each


@dataclass(frozen=True, slots=True)
class Place:
    """A product in a ranking.

    Attributes:
        product: its number.
        position: of the photo by which it is shown.
        similarity: in [-1, 1].
    """

    product: int
    position: int
    similarity: float


def by_best_photo(
    photos: SearchIndex, products: Groups, queries: Floats, k: int, allowed: Mask | None, where: str = ""
) -> list[list[Place]]:
    """The k products with the most similar photo to each query.

    Asks for more and more photos until they are of k different products, or of all there are: of an exact index these
    are the right ones, since a photo that was not returned is no more similar than those that were. An index that knows
    products is asked for photos of different ones first.
    """
    photo_count, product_count = len(products.codes), len(products)
    if allowed is not None:
        photo_count, product_count = int(allowed.sum()), len(np.unique(products.codes[allowed]))
    wanted = min(k, product_count)
    fetch = wanted if photo_count == product_count else min(photo_count, 2 * wanted)
    search = photos.search_products if isinstance(photos, RemoteIndex) else photos.search
    while True:
        found = search(queries, fetch, allowed, where)
        rankings = [_first_of_each(found, row, products.codes, wanted) for row in range(len(queries))]
        if fetch == photo_count or all(len(ranking) == wanted for ranking in rankings):
            return rankings
        fetch, search = min(photo_count, 4 * fetch), photos.search


def by_mean(
    means: ProductMeans, photos: SearchIndex, products: Groups, queries: Floats, k: int, allowed: Mask | None
) -> list[list[Place]]:
    """The k products with the most similar mean to each query, each shown by its best photo."""
    found = means.search(queries, k, allowed)
    return [
        [
            Place(
                product=int(found.positions[row, place]),
                position=best_photo(photos, products.members(int(found.positions[row, place])), queries[row], allowed),
                similarity=float(found.similarities[row, place]),
            )
            for place in range(count)
        ]
        for row, count in enumerate(found.counts)
    ]


def best_photo(photos: SearchIndex, members: Ids, query: Floats, allowed: Mask | None = None) -> int:
    """The position, among a product's, of the photo that is most similar to a query (D,); of equals the first."""
    if allowed is not None:
        members = members[allowed[members]]
    if len(members) == 1:
        return int(members[0])
    return int(members[np.argmax(vectors_at(photos, members) @ query)])


def _first_of_each(found: Neighbors, row: int, codes: Ids, wanted: int) -> list[Place]:
    """The photos of one query's ranking with which a product appears for the first time, at most `wanted`."""
    positions = found.positions[row, : found.counts[row]]
    return [
        Place(
            product=int(codes[positions[place]]),
            position=int(positions[place]),
            similarity=float(found.similarities[row, place]),
        )
        for place in first_of_each(codes[positions], wanted)
    ]
