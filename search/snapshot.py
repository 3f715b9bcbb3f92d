"""A snapshot: one version as the service searches it, from photos to query vectors, from vectors to products."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from catalog.errors import UsageError
from catalog.manifest import CatalogItem
from catalog.paths import shown
from catalog.where import rows_where
from index.blocks import weigh
from index.embedder import Prepared
from index.groups import Groups
from index.loading import LoadedVersion
from index.product_means import ProductMeans
from index.query import mean_vector, vectors_at
from index.vectors import Floats, Ids, Mask
from index.verdicts import Thresholds, Verdicts
from search.config import ProductBy
from search.contents import Contents
from search.facets import Facet, facets_of
from search.lookup import rows_called
from search.ranking import Place, best_photo, by_best_photo, by_mean
from search.results import Match


@dataclass(frozen=True)
class Snapshot:
    """One version as the service searches it; a request keeps the snapshot it began with."""

    loaded: LoadedVersion

    @cached_property
    def products(self) -> Groups:
        """The photos of each product; products are numbered in the order of their first photos."""
        return Groups.of_equal(self.loaded.items.table["item_id"])

    @property
    def product_codes(self) -> Ids:
        """A number for the product of each position, int64 (N,): the same for photos of one product."""
        return self.products.codes

    @cached_property
    def product_means(self) -> ProductMeans:
        """The mean of each product's photos, worked out when it is first asked for."""
        return ProductMeans(self.loaded.index, self.products, self.widths)

    @cached_property
    def contents(self) -> Contents:
        """The photos by the SHA-256 of their bytes."""
        return Contents(self.loaded.items.table["sha256"])

    @cached_property
    def position_of(self) -> dict[int, int]:
        """Position of each image_id."""
        ids = self.loaded.items.table["image_id"].to_pylist()
        return {image_id: position for position, image_id in enumerate(ids)}

    @cached_property
    def product_of(self) -> dict[str, int]:
        """Number of each item_id's product."""
        column = self.loaded.items.table["item_id"].to_pylist()
        return {column[position]: product for product, position in enumerate(self._first_photos.tolist())}

    @cached_property
    def verdicts(self) -> Verdicts | None:
        """What similarities mean; None where the catalog was too small to tell."""
        fitted = self.loaded.version.verdicts
        return Verdicts.from_json(fitted) if fitted else None

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the blocks of a vector, in their order."""
        return tuple(self.loaded.version.blocks.values())

    def allowed(self, condition: str) -> Mask | None:
        """Which positions meet a condition on the columns (catalog/where.py), bool (N,); None where it is empty.

        Raises:
            UsageError: the condition cannot be understood.
        """
        return rows_where(condition, self.loaded.items.table) if condition else None

    def encode(self, prepared: Sequence[Prepared]) -> Floats:
        """The vectors of prepared photos (`Embedder.prepare`), float32 (B, D), of unit norm by block.

        The only way from pictures to query vectors.
        """
        return self.loaded.embedder.embed(prepared)

    def weighed(self, vectors: Floats, colour: float) -> Floats:
        """Queries for `nearest_products` from vectors of unit norm by block, float32 (Q, D).

        Args:
            colour: weight of the colour block, 0 … 1.
        """
        return weigh(vectors, self.loaded.version.blocks, colour)

    def one_query(self, vectors: Floats | None) -> Floats:
        """Photos of one thing as one query: the mean of their vectors (`encode`), float32 (1, D); zeros without any."""
        if vectors is None:
            return np.zeros((1, self.loaded.index.dimension), np.float32)
        return mean_vector(vectors, self.widths)

    def reference(self, reference: str | int) -> tuple[Floats, int, CatalogItem]:
        """A product or a photo of the catalog: its vector, float32 (D,), the product's number, and the photo.

        Args:
            reference: an item_id: the mean of that product's photos, and the first of them; or an image_id, as a number
                or its digits: that photo and its vector. Where the digits are an item_id too, they mean that.

        Raises:
            UsageError: the version has neither.
        """
        product = self.product_of.get(reference) if isinstance(reference, str) else None
        if product is not None:
            return self._mean_of(product), product, self.loaded.items.item(int(self.products.members(product)[0]))
        digits = str(reference)
        position = self.position_of.get(int(digits)) if digits.isdecimal() and len(digits) < 20 else None
        if position is None:
            raise UsageError(
                f"a product must be one of the catalog; version {self.loaded.version.id} has no "
                f'"{shown(digits[:80])}": take an item_id or image_id from a search\'s answer'
            )
        item = self.loaded.items.item(position)
        return self.loaded.index.vector(position), int(self.product_codes[position]), item

    @cached_property
    def facets(self) -> tuple[Facet, ...]:
        """What the catalog can be narrowed down by; of a folder without a table, where the photos lie."""
        items = self.loaded.items
        return facets_of(items.table, items.user_columns or ["path"], self._first_photos)

    def find(self, text: str, limit: int) -> tuple[CatalogItem, ...]:
        """Products whose item_id or title contains a text, see `SearchService.find`."""
        items = self.loaded.items
        return tuple(items.item(row) for row in rows_called(items.table, self._first_photos, text, limit))

    @property
    def _first_photos(self) -> Ids:
        """The position of each product's first photo, int64 (G,)."""
        return self.products.order[self.products.starts[:-1]]

    def nearest_products(
        self,
        vectors: Floats,
        k: int,
        allowed: Mask | None = None,
        *,
        where: str = "",
        product_by: ProductBy = "best",
        holding: Sequence[Collection[str]] = (),
        hidden: Collection[int] = (),
        thresholds: Thresholds | None = None,
    ) -> list[tuple[Match, ...]]:
        """The k products most alike to each query, each shown by its best photo.

        Products that hold the very bytes of a photo that was asked with come first, in the order of their item_ids,
        shown by that photo; then the others, most alike first.

        Args:
            vectors: float32 (Q, D), see `weighed`.
            allowed: the photos that may be found, see `allowed`; products without any are no answers.
            where: the condition that gave `allowed`.
            product_by: a product's similarity is that of its best photo, or of the mean of its photos.
            holding: per query, the SHA-256s of its photos; nothing where no query is of photos.
            hidden: numbers of products that are not shown.
            thresholds: what the similarities mean, see `thresholds`; None: not told.
        """
        photos, products, wanted = self.loaded.index, self.products, k + len(hidden)
        if product_by == "mean":
            rankings = by_mean(self.product_means, photos, products, vectors, wanted, allowed)
        else:
            rankings = by_best_photo(photos, products, vectors, wanted, allowed, where)
        answers = []
        for row, ranking in enumerate(rankings):
            first = self._holders(vectors[row], holding[row], wanted, allowed, product_by) if holding else []
            left_out = {place.product for place in first} | set(hidden)
            places = [place for place in first if place.product not in hidden]
            places += [place for place in ranking if place.product not in left_out]
            answers.append(self.matches(places[:k], thresholds))
        return answers

    def thresholds(self, colour: float) -> Thresholds | None:
        """What similarities mean at a weight of the colour block; None where the catalog was too small to tell."""
        return self.verdicts.at(colour) if self.verdicts else None

    def matches(self, places: Sequence[Place], thresholds: Thresholds | None = None) -> tuple[Match, ...]:
        """A ranking with the catalog's items, and what their similarities mean."""
        return tuple(
            Match(
                item=self.loaded.items.item(place.position),
                similarity=place.similarity,
                rank=rank,
                verdict=thresholds.verdict(place.similarity) if thresholds else None,
            )
            for rank, place in enumerate(places, start=1)
        )

    def _holders(
        self, vector: Floats, hashes: Collection[str], most: int, allowed: Mask | None, product_by: ProductBy
    ) -> list[Place]:
        """Products with a photo of such bytes, in the order of their item_ids, at most so many."""
        positions = np.concatenate([np.zeros(0, np.int64), *(self.contents.positions(sha256) for sha256 in hashes)])
        if allowed is not None:
            positions = positions[allowed[positions]]
        item_ids = self.loaded.items.table["item_id"]
        codes, first = np.unique(self.product_codes[positions], return_index=True)
        named = {item_ids[position].as_py(): code for code, position in zip(codes, positions[first], strict=True)}
        places = []
        for _, product in sorted(named.items())[:most]:
            position = best_photo(self.loaded.index, positions[self.product_codes[positions] == product], vector)
            of_mean = product_by == "mean"
            compared = self._mean_of(int(product), allowed) if of_mean else self.loaded.index.vector(position)
            similarity = float(np.clip(compared @ vector, -1.0, 1.0))
            places.append(Place(product=int(product), position=position, similarity=similarity))
        return places

    def _mean_of(self, product: int, allowed: Mask | None = None) -> Floats:
        """The mean of a product's photos that count, float32 (D,)."""
        members = self.products.members(product)
        counted = members if allowed is None else members[allowed[members]]
        vector: Floats = mean_vector(vectors_at(self.loaded.index, counted), self.widths)[0]
        return vector
