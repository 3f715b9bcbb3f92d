"""Which products the sample catalog has: families of siblings that only look closely tells apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from catalog.sample.patterns import PATTERNS
from catalog.sample.shapes import CATEGORIES

FAMILY_SIZE = 4
"""Siblings per family: same category, shape and pattern."""

PALETTE: dict[str, tuple[int, int, int]] = {
    "cream": (243, 233, 212),
    "white": (238, 238, 234),
    "charcoal": (62, 66, 74),
    "navy": (38, 58, 104),
    "sky blue": (130, 184, 222),
    "teal": (36, 134, 138),
    "mint": (160, 214, 190),
    "sage": (146, 166, 132),
    "forest green": (42, 96, 68),
    "mustard": (222, 172, 56),
    "lemon": (246, 220, 110),
    "apricot": (246, 178, 126),
    "terracotta": (202, 104, 72),
    "coral": (240, 116, 104),
    "red": (198, 46, 52),
    "burgundy": (118, 36, 56),
    "blush": (240, 192, 190),
    "plum": (112, 66, 116),
    "lilac": (190, 170, 220),
    "tan": (192, 150, 108),
    "chocolate": (100, 68, 52),
    "grey": (158, 162, 168),
}
"""The colours by the names that titles use, as sRGB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product: everything that its drawing and its row of the table follow from.

    Attributes:
        number: its place in the catalog, from 1.
        family: siblings have the same family number.
        variant: which shape of its category.
        scale: how large its pattern is; 1 is the usual size.
        main, accent, second: names of palette colours.
        price: in the shop's currency.
    """

    number: int
    family: int
    category: str
    variant: int
    pattern: str
    scale: float
    main: str
    accent: str
    second: str
    price: float

    @property
    def item_id(self) -> str:
        """The shop's number for it."""
        return f"LK-{self.number:04d}"

    @property
    def photo_name(self) -> str:
        """The file name of its studio photo."""
        return f"{self.category.replace(' ', '-')}-{self.number:04d}.jpg"

    @property
    def title(self) -> str:
        """What the shop calls it, such as "Striped ceramic mug, teal and cream"."""
        size = "fine " if self.scale < 0.8 else "bold " if self.scale > 1.3 else ""
        words = f"{size}{self.pattern} {CATEGORIES[self.category].nouns[self.variant]}"
        return f"{words[0].upper()}{words[1:]}, {self.main} and {self.accent}"


def plan_products(products: int, seed: int) -> list[Product]:
    """Return the products of a sample, family after family; the same for the same arguments."""
    families = -(-products // FAMILY_SIZE)
    planned = [product for family in range(families) for product in _family(family, seed)]
    return planned[:products]


def _family(family: int, seed: int) -> list[Product]:
    rng = np.random.default_rng([seed, family])
    names = list(CATEGORIES)
    name = names[family % len(names)]
    category = CATEGORIES[name]
    generation = family // len(names)
    patterns = list(PATTERNS)
    low, high = category.price
    founder = Product(
        number=family * FAMILY_SIZE + 1,
        family=family,
        category=name,
        variant=(generation + family) % len(category.nouns),
        pattern=patterns[(generation * 5 + family * 3 + int(rng.integers(3))) % len(patterns)],
        scale=float(rng.choice([0.85, 1.0, 1.2])),
        main="",
        accent="",
        second="",
        price=float(rng.integers(low, high)) + 0.95,
    )
    return _siblings(founder, rng)


def _siblings(founder: Product, rng: np.random.Generator) -> list[Product]:
    """Give a founder its colours and three siblings: other accents, other main colours, or another pattern size."""
    names = list(PALETTE)
    main, second, *others = (names[int(index)] for index in rng.permutation(len(names)))
    accents = [name for name in others if _contrast(name, main) > 90][:FAMILY_SIZE]
    seen = replace(founder, main=main, second=second, accent=accents[0])
    ways = {"plain": ("main",), "ombre": ("accent", "main"), "colour-block": ("accent", "main")}
    way = str(rng.choice(ways.get(founder.pattern, ("accent", "scale", "main"))))
    if way == "main":
        mains = [main, *[name for name in others if _contrast(name, accents[0]) > 90 and name != accents[0]]]
        changed = [replace(seen, main=name) for name in mains[:FAMILY_SIZE]]
    elif way == "scale":
        sizes = [(accent, scale) for accent in accents[:2] for scale in (0.7, 1.45)]
        changed = [replace(seen, accent=accent, scale=scale) for accent, scale in sizes]
    else:
        changed = [replace(seen, accent=accent) for accent in accents]
    return [replace(sibling, number=founder.number + place) for place, sibling in enumerate(changed)]


def _contrast(one: str, other: str) -> float:
    return float(np.linalg.norm(np.subtract(PALETTE[one], PALETTE[other])))
