"""Photos of products that differ little, drawn for tests of `catalog.align` and `catalog.same_picture`."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image

from catalog.sample.customer import customer_photo
from catalog.sample.cutout import draw_cutout
from catalog.sample.plan import plan_products
from catalog.sample.studio import studio_photo

PRODUCTS = plan_products(48, seed=5)
"""Four siblings each: the same design in other colours or pattern sizes."""


@cache
def studio(number: int, side: int = 256) -> Image.Image:
    """The shop's photo of a product."""
    cutout = draw_cutout(PRODUCTS[number], side, 5)
    return studio_photo(cutout, PRODUCTS[number], np.random.default_rng(number))


@cache
def at_home(number: int, side: int = 256) -> Image.Image:
    """A customer's photo of it, all of whose background is full of detail."""
    data = customer_photo(draw_cutout(PRODUCTS[number], side, 5), np.random.default_rng(number))
    return Image.open(io.BytesIO(data)).convert("RGB")


def saved(photo: Image.Image, quality: int) -> Image.Image:
    """A photo after being a JPEG of that quality."""
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")
