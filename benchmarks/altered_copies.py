"""Duplicates made on purpose, as a shop's catalog has them: resized, recompressed, cropped, watermarked, mirrored.

Every copy is saved as a file of its own by `save_copy`; several strengths of each kind, by name in `ALTERATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Alter = Callable[[Image.Image, np.random.Generator], Image.Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alteration:
    """One way to make a copy."""

    kind: str
    """What tables sum up by."""
    alter: Alter
    quality: int = 90
    """Of the JPEG that the copy is saved as."""


def save_copy(photo: Image.Image, alteration: Alteration, path: Path, random: np.random.Generator) -> None:
    """Save an altered copy of an RGB photo as a JPEG."""
    alteration.alter(photo, random).save(path, "JPEG", quality=alteration.quality)


def _unchanged(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    return photo


def _resized(scale: float, photo: Image.Image, random: np.random.Generator) -> Image.Image:
    size = (max(8, round(photo.width * scale)), max(8, round(photo.height * scale)))
    return photo.resize(size, Image.Resampling.LANCZOS)


def _cropped(keep: float, photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """A window of that part of the width and of the height, anywhere."""
    width, height = round(photo.width * keep), round(photo.height * keep)
    left, top = (int(random.integers(0, room + 1)) for room in (photo.width - width, photo.height - height))
    return photo.crop((left, top, left + width, top + height))


def _mirrored(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    return photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def _one_after_the_other(one: Alter, other: Alter, photo: Image.Image, random: np.random.Generator) -> Image.Image:
    return other(one(photo, random), random)


def _watermarked(place: str, opacity: float, photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """White or black letters in a corner, across the middle or all over, or a bar at the foot."""
    width, height = photo.size
    mask = Image.new("L", photo.size)
    draw, fill = ImageDraw.Draw(mask), round(255 * opacity)
    if place == "corner":
        draw.text((width * 0.97, height * 0.97), "shop.example", fill, ImageFont.load_default(height / 12), anchor="rs")
    elif place == "middle":
        draw.text((width / 2, height / 2), "SAMPLE", fill, ImageFont.load_default(height / 7), anchor="mm")
    elif place == "tiled":
        for row in range(6):
            for column in range(-1, 4):
                where = ((column + row % 2 / 2) * width / 3, row * height / 5)
                draw.text(where, "shop.example", fill, ImageFont.load_default(height / 16))
    else:
        draw.rectangle((0, height * 0.9, width, height), fill)
    marked = photo.copy()
    marked.paste("white" if random.random() < 0.6 else "black", mask=mask)
    return marked


ALTERATIONS: Mapping[str, Alteration] = {
    **{
        f"resized to {scale}": Alteration(kind="resized", alter=partial(_resized, scale)) for scale in (0.75, 0.5, 0.25)
    },
    **{
        f"JPEG of quality {quality}": Alteration(kind="recompressed", alter=_unchanged, quality=quality)
        for quality in (75, 40, 15)
    },
    **{
        f"cropped to {keep}": Alteration(kind="cropped", alter=partial(_cropped, keep))
        for keep in (0.95, 0.85, 0.7, 0.6)
    },
    "cropped to 0.8, at half size, JPEG of quality 60": Alteration(
        kind="cropped",
        alter=partial(_one_after_the_other, partial(_cropped, 0.8), partial(_resized, 0.5)),
        quality=60,
    ),
    **{
        f"watermark, {place}, opacity {opacity}": Alteration(
            kind="watermarked", alter=partial(_watermarked, place, opacity)
        )
        for place, opacity in (("corner", 0.6), ("middle", 0.3), ("middle", 0.5), ("tiled", 0.4))
    },
    "bar at the foot, opacity 0.8": Alteration(kind="bar at the foot", alter=partial(_watermarked, "bar", 0.8)),
    "mirrored": Alteration(kind="mirrored", alter=_mirrored),
    "mirrored and cropped to 0.85": Alteration(
        kind="mirrored", alter=partial(_one_after_the_other, _mirrored, partial(_cropped, 0.85))
    ),
}
"""The ways, by name."""
