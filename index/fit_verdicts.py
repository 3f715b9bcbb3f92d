"""Fit the verdicts' thresholds on a catalog: which similarity is the same photo, the same product, at least similar?

Pairs that need no label: slightly altered copies with their originals; photos with another photo of their product
(where the catalog has too few, strongly altered copies stand in); photos with the most similar photo of another
product; strongly altered copies with any photo of another product, since a query comes from elsewhere than the
catalog. A threshold is the least value at which pairs that are not of its kind pass no more often than is allowed
(Neyman and Pearson 1933), so a verdict errs on the side of saying less; for "same product" with 95 % confidence, since
few of a small catalog's pairs decide. Fitted on every other photo, measured on the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from catalog.manifest import Manifest
from index.colour_weights import COLOUR_GRID
from index.embedder import Embedder
from index.embedding import EmbeddedCatalog
from index.encoders import EncoderFiles
from index.groups import Groups
from index.slight_copies import SLIGHT, STRONG, embed_copies
from index.vectors import Blocks, Embeddings, Floats, Ids, Mask, block_products
from index.verdicts import Thresholds, Verdicts
from index.versions import IndexVersion
from training.evaluation.label_free import sample_by_content

COPIED, COMPARED = 120, 1_000
"""Photos of which copies are made, and photos that are compared with the catalog; half to fit, half to measure."""
FEWEST = 16
"""With fewer photos nothing is fitted."""
FEWEST_SIBLINGS = 40
"""With fewer photos that have another of their product, altered copies stand in for these."""
ERRORS = {"same_photo": 0.01, "same_product": 0.05, "similar": 0.01}
"""How often at most the verdict may be given to the nearest other photo, to that of another product, to any photo."""
UNSURE = 0.05
"""How likely it may be that "same product" is given more often than that."""
EQUAL = 1 - 1e-5
"""Vectors as similar as this are equal: whatever else the catalog holds, they are of the same photo."""
REDRAWN = 20
"""How often those that happen to be of the photo's own product are drawn again."""
KEPT_WITHIN = 0.2
"""Thresholds are fitted anew when the catalog has grown or shrunk by more than this part."""
DRAWN = 20
"""Photos drawn for each one asked for, to see how similar unrelated ones are."""
ROWS = 65_536
"""Photos of the catalog that are compared at once."""

Similarities = npt.NDArray[np.floating[Any]]
"""One for each weight of `COLOUR_GRID` and pair, (W, P)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Similarities of photos to what they are paired with, at every weight: (W, photos), or (W, photos, several)."""

    copy: Similarities
    """A slightly altered copy."""
    sibling: Similarities
    """Another photo of the product, or what stands in for it."""
    other_photo: Similarities
    """The most similar other photo, of whatever product."""
    other_product: Similarities
    """The most similar photo of another product."""
    unrelated: Similarities
    """A strongly altered copy and drawn photos of other products: a query comes from elsewhere than the catalog."""

    def part(self, part: int) -> Pairs:
        """The pairs of every other photo, from the first (0) or the second (1): (W, P) each."""
        kinds = {name: getattr(self, name)[:, part::2] for name in self.__dataclass_fields__}
        return Pairs(**{name: kind.reshape(len(COLOUR_GRID), -1) for name, kind in kinds.items()})


def fit_verdicts(items: Manifest, embeddings: Embeddings, root: Path, embedder: Embedder) -> Verdicts | None:
    """Fit thresholds at every weight.

    Args:
        items: row i describes the photo of vector i.
        root: the catalog's folder.

    Returns:
        None where there are too few photos or products to tell.
    """
    products, contents = (Groups.of_equal(items.table[column]).codes for column in ("item_id", "sha256"))
    photos = items.distinct_photos(root)
    compared = sample_by_content(photos, COMPARED)
    if len(compared) < FEWEST or products.max() + 1 < FEWEST:
        return None
    siblings = _with_siblings(products, contents)
    stand_in = len(siblings) < FEWEST_SIBLINGS
    readable, copies = embed_copies(compared[:COPIED], (*SLIGHT, *STRONG), embedder)
    if len(readable) < FEWEST:
        return None
    row_of = {photo.sha256: row for row, photo in zip(items.first_rows, photos, strict=True)}
    copied, rows = (np.array([row_of[photo.sha256] for photo in some]) for some in (readable, compared))
    catalog = _Catalog(embeddings, products, contents)
    found = _against_originals(copies, embeddings.vectors[copied], embeddings.blocks)
    few = siblings[:: max(1, len(siblings) // COMPARED)]
    pairs = Pairs(
        copy=found[:, :, : len(SLIGHT)],
        sibling=found[:, :, len(SLIGHT) :] if stand_in else catalog.best(few, "sibling"),
        other_photo=catalog.best(rows, "other_photo"),
        other_product=catalog.best(rows, "other_product"),
        unrelated=catalog.drawn(copied, copies[:, len(SLIGHT) :]),
    )
    halves = [pairs.part(part) for part in (0, 1)]
    thresholds = _thresholds(halves[0])
    return Verdicts(
        thresholds=thresholds,
        photos=len(items),
        measured={
            "sibling": "strongly altered copies" if stand_in else "another photo of the product",
            "copied": len(copied),
            "compared": len(rows),
            "by_weight": {str(one.colour): _measure(one, halves[1], w) for w, one in enumerate(thresholds)},
        },
    )


def verdicts_for(
    catalog: EmbeddedCatalog, root: Path, encoder: EncoderFiles, version: IndexVersion | None
) -> Mapping[str, Any]:
    """The verdicts of a new version, as they stand in version.json; empty where there are too few photos to tell.

    Those of the version in use go on where its vectors are of the same encoder and colours, and the catalog is of about
    the same size.

    Args:
        version: the one in use, if there is one.
    """
    if version is not None and version.verdicts and version.encoder_sha256 == encoder.sha256:
        fitted = Verdicts.from_json(version.verdicts)
        alike = abs(len(catalog.items) - fitted.photos) <= KEPT_WITHIN * fitted.photos
        if alike and version.blocks == catalog.embeddings.blocks:
            return version.verdicts
    found = fit_verdicts(catalog.items, catalog.embeddings, root, catalog.embedder)
    return found.to_json() if found else {}


def _with_siblings(products: Ids, contents: Ids) -> Ids:
    """Rows whose product has a photo of another content."""
    distinct = np.unique(np.stack([products, contents], axis=1), axis=0)
    return np.flatnonzero(np.bincount(distinct[:, 0])[products] > 1)


def _weighed(products: Floats) -> Similarities:
    """Similarities at every weight, (W, …), of the two blocks' cosines, (…, 2)."""
    weights = np.array(COLOUR_GRID, np.float32).reshape(-1, *[1] * (products.ndim - 1))
    weighed: Similarities = (1 - weights) * products[..., 0] + weights * products[..., 1]
    return weighed


def _against_originals(copies: Floats, originals: Floats, blocks: Blocks) -> Similarities:
    """Copies (P, A, D) with their originals (P, D): (W, P, A)."""
    repeated = np.repeat(originals, copies.shape[1], axis=0)
    products = block_products(copies.reshape(-1, copies.shape[-1]), repeated, blocks)
    return _weighed(products.reshape(*copies.shape[:2], -1))


@dataclass(frozen=True, slots=True)
class _Catalog:
    """What photos are compared with."""

    embeddings: Embeddings
    products: Ids
    """Number of each row's product, (N,)."""
    contents: Ids
    """Number of each row's content, (N,)."""

    def best(self, rows: Ids, kind: str) -> Similarities:
        """The highest similarity of some photos to a "sibling", "other_photo" or "other_product": (W, photos)."""
        found = np.full((len(COLOUR_GRID), len(rows)), -1.0, np.float32)
        split = next(iter(self.embeddings.blocks.values()))
        asked = self.embeddings.vectors[rows]
        for begin in range(0, len(self.products), ROWS):
            part = slice(begin, begin + ROWS)
            vectors = self.embeddings.vectors[part]
            cosines = (asked[:, :split] @ vectors[:, :split].T, asked[:, split:] @ vectors[:, split:].T)
            same_product = self.products[rows, None] == self.products[part]
            allowed = self.contents[rows, None] != self.contents[part]
            if kind != "other_photo":
                allowed &= same_product if kind == "sibling" else ~same_product
            for place, weight in enumerate(COLOUR_GRID):
                similarities = np.where(allowed, (1 - weight) * cosines[0] + weight * cosines[1], -1.0)
                found[place] = np.maximum(found[place], similarities.max(axis=1))
        return found

    def _related(self, rows: Ids, others: Ids) -> Mask:
        """Which of some photos, (photos, n), are of a row's product, or of its content."""
        same_content = self.contents[rows, None] == self.contents[others]
        related: Mask = same_content | (self.products[rows, None] == self.products[others])
        return related

    def drawn(self, rows: Ids, copies: Floats) -> Similarities:
        """Similarities of photos' copies, (photos, n, D), to drawn photos of other products: (W, photos, n x DRAWN)."""
        random = np.random.default_rng(0)
        others = random.integers(0, len(self.products), (len(rows), DRAWN))
        for _ in range(REDRAWN):
            same = self._related(rows, others)
            others[same] = random.integers(0, len(self.products), int(same.sum()))
        pairs = copies.shape[1] * DRAWN
        products = block_products(
            np.repeat(copies, DRAWN, axis=1).reshape(len(rows) * pairs, -1),
            self.embeddings.vectors[np.tile(others, copies.shape[1]).ravel()],
            self.embeddings.blocks,
        )
        return _weighed(products.reshape(len(rows), pairs, -1))


def _thresholds(pairs: Pairs) -> tuple[Thresholds, ...]:
    made = []
    for place, weight in enumerate(COLOUR_GRID):
        similar, same_photo = (
            float(np.quantile(kind[place], 1 - ERRORS[verdict], method="higher"))
            for verdict, kind in (("similar", pairs.unrelated), ("same_photo", pairs.other_photo))
        )
        same_product = min(max(_seldom_reached(pairs.other_product[place], ERRORS["same_product"]), similar), EQUAL)
        same_photo = min(max(same_photo, same_product), EQUAL)
        similar = min(similar, same_product)
        made.append(Thresholds(colour=weight, same_photo=same_photo, same_product=same_product, similar=similar))
    return tuple(made)


def _seldom_reached(similarities: Similarities, part: float) -> float:
    """The least similarity that at most such a part of pairs like these reaches, but for a chance of UNSURE.

    Tolerance limits of order statistics: Wilks, Annals of Mathematical Statistics 1941.
    """
    ranked, count = np.sort(similarities)[::-1], len(similarities)
    reached = 0
    exactly = at_most = (1 - part) ** count  # how likely 0, or at most 0, would reach a limit that such a part reaches
    while at_most <= UNSURE and reached < count - 1:
        reached += 1
        exactly *= (count - reached + 1) / reached * part / (1 - part)
        at_most += exactly
    return float(np.nextafter(ranked[max(0, reached - 1)], np.float32(2)))


def _measure(thresholds: Thresholds, pairs: Pairs, place: int) -> Mapping[str, float]:
    """Parts of the pairs of each kind that get the verdict they should not, or should."""

    def part(similarities: Similarities, least: float) -> float:
        return round(float((similarities[place] >= least).mean()), 4)

    return {
        "copies_called_same_photo": part(pairs.copy, thresholds.same_photo),
        "other_photos_called_same_photo": part(pairs.other_photo, thresholds.same_photo),
        "siblings_called_same_product": part(pairs.sibling, thresholds.same_product),
        "other_products_called_same_product": part(pairs.other_product, thresholds.same_product),
        "unrelated_called_similar": part(pairs.unrelated, thresholds.similar),
    }
