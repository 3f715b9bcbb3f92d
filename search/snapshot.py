"""A snapshot: one version as the service searches it, from position in an index to product."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from catalog.where import rows_where
from index.loading import LoadedVersion
from index.vectors import Floats, Ids, Mask
from search.results import Match


@dataclass(frozen=True)
class Snapshot:
    """One version as the service searches it; a request keeps the snapshot it began with."""

    loaded: LoadedVersion

    @cached_property
    def product_codes(self) -> Ids:
        """A number for the product of each position, int64 (N,): the same for photos of one product."""
        column = self.loaded.items.table["item_id"].combine_chunks().dictionary_encode()
        codes: Ids = np.from_dlpack(column.indices).astype(np.int64)
        return codes

    @cached_property
    def position_of(self) -> dict[int, int]:
        """Position of each image_id."""
        ids = self.loaded.items.table["image_id"].to_pylist()
        return {image_id: position for position, image_id in enumerate(ids)}

    def allowed(self, condition: str) -> Mask | None:
        """Which positions meet a condition on the columns (catalog/where.py), bool (N,); None where it is empty.

        Raises:
            UsageError: the condition cannot be understood.
        """
        return rows_where(condition, self.loaded.items.table) if condition else None

    def nearest_products(self, vectors: Floats, k: int, allowed: Mask | None = None) -> list[tuple[Match, ...]]:
        """The k products most alike to each query, each by its best photo.

        Args:
            vectors: float32 (Q, D), of unit norm.
            allowed: the photos that may be found, see `allowed`; products without any are no answers.
        """
        photos, products = len(self.loaded.items), self.loaded.items.product_count
        if allowed is not None:
            photos, products = int(allowed.sum()), len(np.unique(self.product_codes[allowed]))
        wanted = min(k, products)
        fetch = wanted if photos == products else min(photos, 2 * wanted)
        while True:
            found = self.loaded.index.search(vectors, fetch, allowed)
            picked = [
                self._first_of_each(found.positions[row, :count], wanted) for row, count in enumerate(found.counts)
            ]
            if fetch == photos or all(len(places) == wanted for places in picked):
                break
            fetch = min(photos, 4 * fetch)
        return [
            tuple(
                Match(
                    item=self.loaded.items.item(int(found.positions[row, place])),
                    similarity=float(found.similarities[row, place]),
                    rank=rank,
                )
                for rank, place in enumerate(places, start=1)
            )
            for row, places in enumerate(picked)
        ]

    def _first_of_each(self, positions: Ids, wanted: int) -> list[int]:
        """Places in a ranking at which a product appears for the first time, at most `wanted`."""
        _, first = np.unique(self.product_codes[positions], return_index=True)
        return sorted(int(place) for place in first)[:wanted]
