"""Settings of this folder's commands. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from catalog.errors import UsageError
from catalog.store import DEFAULT_STORE
from index.colour_weights import DEFAULT_COLOUR, ColourChoice, colour_weight
from training.config import Device, require

ProductBy = Literal["best", "mean"]
"""How similar a product is: as its best photo, or as the mean of its photos."""
Box = tuple[float, float, float, float]
"""A part of a photo: left, top, right, bottom, as parts of its width and height from the left and from the top."""

DUPLICATE_SIMILARITY = 0.995
"""What two copies of one photo have at least, where nothing has been fitted."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
LEAST_PART = 0.01
"""Of a photo's width and height, which a crop must keep."""


def check_crop(left: float, top: float, right: float, bottom: float) -> None:
    """Refuse a box that leads out of the photo or is next to nothing.

    Raises:
        UsageError: it does, or a number is none.
    """
    sides = ((left, right), (top, bottom))
    require(
        all(first >= 0 and last <= 1 and round(last - first, 6) >= LEAST_PART for first, last in sides),
        f"a crop must be left, top, right, bottom within 0 to 1, at least {LEAST_PART:g} apart",
        f"{left:g}, {top:g}, {right:g}, {bottom:g}",
        "for example 0.1, 0.1, 0.6, 0.9",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """Settings of one batch search."""

    queries: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Photos, or folders of photos (any depth)."""
    store: Path = DEFAULT_STORE
    """The store to search."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 10
    """Products per query."""
    products: tuple[str, ...] = ()
    """Products of the catalog to ask with, by item_id or image_id: each is a query, and no answer to itself."""
    crop: Annotated[Box, tyro.conf.arg(metavar="LEFT TOP RIGHT BOTTOM")] = WHOLE
    """The part of each query photo that counts: parts of its width and height, 0 … 1. Of a product, the part of its
    first photo, or of the one that is named by its image_id."""
    together: bool = False
    """All photos given show one thing and are one query: the mean of their vectors."""
    product_by: ProductBy = "best"
    """A product is as similar as its best photo ("best"), or as the mean of its photos ("mean")."""
    colour: ColourChoice = DEFAULT_COLOUR
    """How much colours count: 0 … 1, or same-design (not at all) or same-colour (most)."""
    close_only: bool = False
    """Leave out what is no close match by the thresholds fitted on the catalog, even if fewer than -k are left."""
    hide_duplicates: bool = False
    """Of answers that look like the same photo, leave only the first."""
    liked: tuple[str, ...] = ()
    """More like these products of the catalog, by item_id or image_id."""
    disliked: tuple[str, ...] = ()
    """Less like these products, which are not shown."""
    where: str = ""
    """A condition on the table's columns that answers must meet, such as 'price < 20 and category == "mug"'."""
    output: str = ""
    """Where the answers go: a .csv, .jsonl or .parquet file, or - for CSV on stdout; empty: a table to look at."""
    device: Device = "auto"
    """Where to search."""

    def __post_init__(self) -> None:
        if not self.queries and not self.products:
            raise UsageError("search needs a query: give photos, a folder of photos, or --products of the catalog")
        if self.together and self.products:
            raise UsageError("--together makes one query of photos; received --products too: leave one of them out")
        check_crop(*self.crop)
        colour_weight(self.colour)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedConfig:
    """Settings of one table of related products."""

    output: str
    """Where the table goes: a .csv, .jsonl or .parquet file, or - for CSV on stdout."""
    store: Path = DEFAULT_STORE
    """The store whose products to relate."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 10
    """Other products per product."""
    product_by: ProductBy = "best"
    """Two products are as similar as their two most similar photos ("best"), or the means of their photos ("mean")."""
    colour: ColourChoice = DEFAULT_COLOUR
    """How much colours count: 0 … 1, or same-design (not at all) or same-colour (most)."""
    duplicate_similarity: float = DUPLICATE_SIMILARITY
    """A product this similar is a duplicate and left out, and so is one with a photo of the same bytes."""
    where: str = ""
    """A condition that related products must meet, such as 'stock > 0'."""
    device: Device = "auto"
    """Where to search."""

    def __post_init__(self) -> None:
        require(self.k >= 1, "-k must be at least 1", self.k, "try 10")
        require(self.output != "", "--output must name a file", '""', "for example related.csv")
        colour_weight(self.colour)
        require(
            0 < self.duplicate_similarity <= 1,
            "--duplicate-similarity must lie above 0 and be at most 1",
            self.duplicate_similarity,
            f"{DUPLICATE_SIMILARITY} is the default",
        )
