"""The photo that a customer takes of a product at home: other view, other light, other place."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from catalog.sample.backgrounds import background, noise
from catalog.sample.clutter import scatter

Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """How far a customer's photo departs from the studio's; frozen, because published scores rest on it."""

    turn: float = 24.0
    """The largest rotation, in degrees."""
    keystone: float = 0.16
    """How far a corner moves under perspective, as a fraction of the picture."""
    scale: tuple[float, float] = (0.62, 1.05)
    """The product's size against the studio photo's."""
    drift: float = 0.12
    """How far the product lies from the middle, as a fraction of the picture."""
    tint: float = 0.14
    """How far the white balance goes off."""
    exposure: tuple[float, float] = (0.62, 1.18)
    """The light's strength."""
    blur: float = 1.3
    """The largest blur, in pixels of a 320 pixel photo."""
    grain: float = 0.035
    """The largest noise of the sensor."""


def customer_photo(cutout: Image.Image, rng: np.random.Generator, difficulty: Difficulty | None = None) -> bytes:
    """Return a JPEG of the product as a customer might photograph it; RGB, as large as the cut-out."""
    how = difficulty or Difficulty()
    size = cutout.width
    photo = Image.fromarray((background(size, rng).clip(0, 1) * 255).astype(np.uint8), "RGB")
    scatter(photo, int(rng.integers(0, 4)), rng)
    seen = _warped(cutout, how, rng)
    _cast_shadow(photo, seen.getchannel("A"), rng)
    photo.paste(seen, mask=seen.getchannel("A"))
    if rng.random() < 0.5:
        photo = photo.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, how.blur)) * size / 320))
    lit = _lit(np.asarray(photo, np.float32) / np.float32(255), how, rng)
    stream = io.BytesIO()
    final = Image.fromarray((lit.clip(0, 1) * 255 + 0.5).astype(np.uint8), "RGB")
    final.save(stream, "JPEG", quality=int(rng.integers(55, 90)))
    return stream.getvalue()


def _warped(cutout: Image.Image, how: Difficulty, rng: np.random.Generator) -> Image.Image:
    """Return the cut-out turned, tilted, scaled and moved, on a canvas of the same size."""
    size = cutout.width
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
    if rng.random() < 0.3:
        corners = corners * [-1, 1]
    corners += rng.uniform(-how.keystone, how.keystone, (4, 2)) * 2
    angle = np.radians(rng.uniform(-how.turn, how.turn))
    turned = corners @ np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    placed = turned * rng.uniform(*how.scale) * size / 2 + size / 2 + rng.uniform(-how.drift, how.drift, 2) * size
    straight = np.array([(0, 0), (size, 0), (size, size), (0, size)], np.float64)
    premultiplied = cutout.convert("RGBa")
    numbers = _perspective(placed, straight).tolist()
    seen = premultiplied.transform((size, size), Image.Transform.PERSPECTIVE, numbers, Image.Resampling.BICUBIC)
    return seen.convert("RGBA")


def _perspective(here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the 8 numbers of the projection that carries the four points `here` to `there`."""
    rows, values = [], []
    for (x, y), (u, v) in zip(here.tolist(), there.tolist(), strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.linalg.solve(np.array(rows), np.array(values))


def _cast_shadow(photo: Image.Image, alpha: Image.Image, rng: np.random.Generator) -> None:
    size = photo.width
    right, down = (int(value * size) for value in rng.uniform((-0.06, 0.01), (0.06, 0.05)))
    soft = alpha.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.01, 0.03)) * size))
    strength = float(rng.uniform(0.35, 0.65))
    photo.paste((14, 14, 20), (right, down), soft.point([int(value * strength) for value in range(256)]))


def _lit(photo: Pixels, how: Difficulty, rng: np.random.Generator) -> Pixels:
    """Return the photo under another light: exposure, white balance, a gradient, contrast and sensor noise."""
    size = len(photo)
    warm = rng.uniform(-how.tint, how.tint)
    balance = np.array([1 + warm, 1 + rng.uniform(-0.3, 0.3) * how.tint, 1 - warm], np.float32)
    steps = np.linspace(-1, 1, size, dtype=np.float32)
    angle, fall = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.35)
    gradient = 1 + np.float32(fall * np.cos(angle)) * steps[None, :] + np.float32(fall * np.sin(angle)) * steps[:, None]
    patches = 1 + np.float32(0.1) * noise(size, 2, 2, rng)
    lit = photo * (gradient * patches * np.float32(rng.uniform(*how.exposure)))[..., None] * balance
    lit = (lit - np.float32(0.5)) * np.float32(rng.uniform(0.8, 1.12)) + np.float32(0.5)
    grain = rng.standard_normal(photo.shape, np.float32) * np.float32(rng.uniform(0.005, how.grain))
    return np.asarray(lit + grain, np.float32)
