"""What may be asked: `Question`, shared by the page, the HTTP API and the command line, and the part of a photo."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from index.colour_weights import DEFAULT_COLOUR, ColourChoice
from search.config import ProductBy, check_crop
from training.config import require

MOST_ANSWERS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A box in an upright photo: parts of its width and height, 0 … 1 from the left and from the top.

    Raises:
        UsageError: the box leads out of the photo or is next to nothing.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    def __post_init__(self) -> None:
        check_crop(self.left, self.top, self.right, self.bottom)

    def fit(self, side: int) -> int:
        """How large a whole photo must be decoded for this part of it to have so many pixels along its short side."""
        return math.ceil(side / min(self.right - self.left, self.bottom - self.top))

    def of(self, image: Image.Image) -> Image.Image:
        """This part of a picture, at least one pixel."""
        left, top = math.floor(self.left * image.width), math.floor(self.top * image.height)
        right, bottom = math.ceil(self.right * image.width), math.ceil(self.bottom * image.height)
        return image.crop((left, top, right, bottom))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, apart from the photos themselves.

    Raises:
        UsageError: k is not in 1 … MOST_ANSWERS.
    """

    k: int = 12
    """Products at most."""
    product: str | int | None = None
    """A product of the catalog to ask with (its item_id), or one of its photos (image_id). It is no answer itself."""
    crop: Crop | None = None
    """The part of the photo that is asked with, uploaded or the catalog's; there must be one photo."""
    where: str = ""
    """A condition on the catalog's columns that answers must meet, see catalog/where.py; empty: none."""
    product_by: ProductBy = "best"
    """A product is as similar as its best photo ("best"), or as the mean of its photos ("mean")."""
    colour: ColourChoice = DEFAULT_COLOUR
    """How much colours count, 0 … 1, or "same-design" or "same-colour"."""
    close_only: bool = False
    """Leave out what is no close match; there may be fewer than k then, or none."""
    hide_duplicates: bool = False
    """Of answers that look like the same photo of each other, leave only the first."""
    liked: tuple[str | int, ...] = ()
    """Products or photos of the catalog (item_id or image_id) that the query moves towards, `index.query.rocchio`."""
    disliked: tuple[str | int, ...] = ()
    """Likewise those that it moves away from. They are not shown."""

    def __post_init__(self) -> None:
        check_k(self.k)


def decoded_part(decode: Callable[[int], Image.Image], side: int, crop: Crop | None) -> Image.Image:
    """A photo, or the part of it that is asked with, decoded no smaller than is needed.

    Args:
        decode: gives the photo; its short side need not exceed the given pixels.
        side: what the short side of the result need not exceed.
        crop: the part; None for all of it.
    """
    return decode(side) if crop is None else crop.of(decode(crop.fit(side)))


def check_k(k: int) -> None:
    """Refuse a number of answers that cannot be.

    Raises:
        UsageError: k is not in 1 … MOST_ANSWERS.
    """
    require(1 <= k <= MOST_ANSWERS, f"k must lie in 1 to {MOST_ANSWERS}", k, "choose one in that range")
