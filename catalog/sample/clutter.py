"""Things that happen to lie near the product in a customer's photo."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Drawer = Callable[[ImageDraw.ImageDraw, int, Colour, Colour], None]


def _book(draw: ImageDraw.ImageDraw, size: int, one: Colour, other: Colour) -> None:
    draw.rounded_rectangle((size * 0.15, size * 0.1, size * 0.85, size * 0.9), size * 0.03, fill=(*one, 255))
    draw.rectangle((size * 0.15, size * 0.1, size * 0.23, size * 0.9), fill=(*other, 255))
    draw.rectangle((size * 0.33, size * 0.25, size * 0.75, size * 0.32), fill=(*other, 255))
    draw.rectangle((size * 0.33, size * 0.37, size * 0.62, size * 0.41), fill=(*other, 255))


def _ball(draw: ImageDraw.ImageDraw, size: int, one: Colour, other: Colour) -> None:
    for step in range(14):
        inset = size * (0.12 + 0.022 * step)
        lift = size * 0.012 * step
        colour = tuple(min(255, channel * (72 + 4 * step) // 100) for channel in one)
        draw.ellipse(
            (inset - lift / 2, inset - lift, size - inset - lift / 2, size - inset - lift), fill=(*colour, 255)
        )


def _pen(draw: ImageDraw.ImageDraw, size: int, one: Colour, other: Colour) -> None:
    draw.rounded_rectangle((size * 0.46, size * 0.05, size * 0.54, size * 0.85), size * 0.03, fill=(*one, 255))
    draw.rectangle((size * 0.46, size * 0.62, size * 0.54, size * 0.66), fill=(*other, 255))
    draw.polygon(
        [(size * 0.46, size * 0.84), (size * 0.54, size * 0.84), (size * 0.5, size * 0.95)], fill=(*other, 255)
    )


def _phone(draw: ImageDraw.ImageDraw, size: int, one: Colour, other: Colour) -> None:
    draw.rounded_rectangle((size * 0.28, size * 0.08, size * 0.72, size * 0.92), size * 0.07, fill=(36, 38, 42, 255))
    draw.rounded_rectangle((size * 0.31, size * 0.11, size * 0.69, size * 0.89), size * 0.05, fill=(70, 84, 104, 255))


def _plate(draw: ImageDraw.ImageDraw, size: int, one: Colour, other: Colour) -> None:
    rings = ((0.06, one), (0.1, (240, 238, 232)), (0.24, (222, 220, 214)), (0.26, (236, 234, 228)))
    for inset, colour in rings:
        draw.ellipse((size * inset, size * inset, size * (1 - inset), size * (1 - inset)), fill=(*colour, 255))


def _leaf(draw: ImageDraw.ImageDraw, size: int, one: Colour, other: Colour) -> None:
    side = [(0.5 + 0.2 * math.sin(step * math.pi / 12), 0.08 + 0.07 * step) for step in range(13)]
    outline = [*side, *[(1 - x, y) for x, y in reversed(side)]]
    draw.polygon([(x * size, y * size) for x, y in outline], fill=(92, 132, 72, 255))
    draw.line((size * 0.5, size * 0.08, size * 0.5, size * 0.92), fill=(150, 176, 112, 255), width=max(1, size // 50))


_THINGS: tuple[Drawer, ...] = (_book, _ball, _pen, _phone, _plate, _leaf)


def scatter(photo: Image.Image, count: int, rng: np.random.Generator) -> None:
    """Lay `count` things onto the photo, around its edges, each with its shadow."""
    size = photo.width
    for _ in range(count):
        thing = _thing(int(size * rng.uniform(0.28, 0.55)), rng)
        angle = rng.uniform(0, 2 * math.pi)
        reach = size * rng.uniform(0.5, 0.62)
        left = int(size / 2 + reach * math.cos(angle) * 1.1 - thing.width / 2)
        top = int(size / 2 + reach * math.sin(angle) * 1.1 - thing.height / 2)
        shadow = thing.getchannel("A").filter(ImageFilter.GaussianBlur(size / 80)).point(lambda value: value * 0.45)
        photo.paste((20, 20, 26), (left + size // 60, top + size // 50), shadow)
        photo.paste(thing, (left, top), thing)


def _thing(size: int, rng: np.random.Generator) -> Image.Image:
    one, other = ((int(c[0]), int(c[1]), int(c[2])) for c in rng.integers(40, 235, (2, 3)))
    picture = Image.new("RGBA", (size, size))
    _THINGS[int(rng.integers(len(_THINGS)))](ImageDraw.Draw(picture), size, one, other)
    return picture.rotate(float(rng.uniform(0, 360)), Image.Resampling.BICUBIC)
