"""Draw one product as a picture on a transparent background; studio and customer photos are made from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from catalog.sample.geometry import Part
from catalog.sample.patterns import PATTERNS
from catalog.sample.plan import PALETTE, Product
from catalog.sample.shapes import CATEGORIES, Category

Plane = NDArray[np.float32]
"""One value per pixel, (height, width)."""
Pixels = NDArray[np.float32]
"""Three colour values per pixel in 0 to 1, (height, width, 3)."""

OVERSAMPLING = 2
"""Outlines and patterns are drawn this many times larger than they are kept, so that their edges are smooth."""

_FIXED = {
    "cream": (244, 239, 228),
    "dark": (48, 48, 54),
    "metal": (196, 190, 178),
    "wood": (188, 138, 92),
    "glow": (255, 240, 200),
    "earth": (82, 60, 48),
    "leaf": (86, 146, 92),
    "stem": (110, 140, 82),
}
_TRIMS = ("cream", "tan", "charcoal", "white")


def draw_cutout(product: Product, size: int, seed: int) -> Image.Image:
    """Return the product as an RGBA picture of `size` by `size` pixels."""
    category = CATEGORIES[product.category]
    canvas = _Canvas(size)
    for piece in category.draw(product.variant):
        rng = np.random.default_rng([seed, product.family, 1])  # siblings: the same pattern, speck for speck
        canvas.add(piece, product, category, rng)
    return canvas.picture()


def role_colour(role: str, product: Product) -> Pixels:
    """Return the colour of a role of the product, shape (3,)."""
    if role in _FIXED:
        return np.array(_FIXED[role], np.float32) / np.float32(255)
    if role == "trim":
        return _palette(_TRIMS[product.family % len(_TRIMS)])
    if role == "accent":
        return _palette(product.accent)
    main = _palette(product.main)
    dimming = {"inside": 0.62, "shade": 0.75, "seam": 0.6}.get(role, 1.0)
    return np.asarray(main * np.float32(dimming), np.float32)


def _palette(name: str) -> Pixels:
    return np.array(PALETTE[name], np.float32) / np.float32(255)


def filled(piece: Part, size: int) -> Image.Image:
    """Return a mask ("L") of the piece without its holes, with smooth edges."""
    large = size * OVERSAMPLING
    mask = Image.new("L", (large, large))
    draw = ImageDraw.Draw(mask)
    for outlines, value in ((piece.outlines, 255), (piece.holes, 0)):
        for outline in outlines:
            draw.polygon((outline * large).ravel().tolist(), fill=value)
    return mask.reduce(OVERSAMPLING)


class _Canvas:
    """Pieces of a product, laid one over the other; colours are kept multiplied by their opacity."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.colour: Pixels = np.zeros((size, size, 3), np.float32)
        self.alpha: Plane = np.zeros((size, size), np.float32)

    def add(self, piece: Part, product: Product, category: Category, rng: np.random.Generator) -> None:
        """Lay one piece on top: its shadow on what lies below, then its shaded colour."""
        whole = filled(piece, self.size)
        bounds = whole.getbbox()
        if bounds is None:
            return
        margin = int(self.size * 0.03)
        left, top = max(bounds[0] - margin, 0), max(bounds[1] - margin, 0)
        right, bottom = min(bounds[2] + margin, self.size), min(bounds[3] + margin, self.size)
        mask = whole.crop((left, top, right, bottom))
        window = np.s_[top:bottom, left:right]
        if piece.fill == "seam":
            self._darken(window, _plane(mask), 0.25)
            return
        soft = _plane(mask.filter(ImageFilter.BoxBlur(self.size * 0.012)))
        self._darken(window, soft, 0.3)
        cover = _plane(mask)
        across = _across(cover, _centres(left, right, self.size)[None, :])
        colour = _surface(piece, product, (left, top, right, bottom), across, self.size, rng)
        opacity = cover[..., None]
        lit = _shaded(colour, mask, piece, category, across, self.size)
        if piece.bulge > 0.01:
            lit *= (np.float32(0.56) + np.float32(0.44) * soft)[..., None]  # its rim stands out from a light backdrop
        self.colour[window] *= 1 - opacity
        self.colour[window] += lit * opacity
        self.alpha[window] += (1 - self.alpha[window]) * cover

    def _darken(self, window: tuple[slice, slice], shadow: Plane, strength: float) -> None:
        self.colour[window] *= 1 - np.float32(strength) * shadow[..., None]

    def picture(self) -> Image.Image:
        """Return what has been laid so far as RGBA."""
        colour = self.colour / np.maximum(self.alpha, np.float32(1e-3))[..., None]
        stacked = np.concatenate([colour, self.alpha[..., None]], axis=2)
        return Image.fromarray((stacked.clip(0, 1) * 255 + 0.5).astype(np.uint8), "RGBA")


def _plane(mask: Image.Image) -> Plane:
    return np.asarray(mask, np.float32) / np.float32(255)


def _centres(start: int, stop: int, size: int) -> Plane:
    return (np.arange(start, stop, dtype=np.float32) + np.float32(0.5)) / np.float32(size)


def _across(cover: Plane, x: Plane) -> Plane:
    """Return how far each pixel is from the piece's middle, row by row: -1 at its left edge, 1 at its right."""
    weight = np.maximum(cover.sum(axis=1, keepdims=True), np.float32(1e-3))
    middle = (cover * x).sum(axis=1, keepdims=True) / weight
    half = np.maximum(weight * (x[0, 1] - x[0, 0]) / 2, np.float32(1e-3))
    return np.asarray(((x - middle) / half).clip(-1, 1), np.float32)


def _surface(
    piece: Part,
    product: Product,
    bounds: tuple[int, int, int, int],
    across: Plane,
    size: int,
    rng: np.random.Generator,
) -> Pixels:
    """Return the piece's own colours within the bounds, before any light falls on them."""
    if piece.fill != "pattern":
        return np.broadcast_to(role_colour(piece.fill, product), (*across.shape, 3))
    left, top, right, bottom = (edge * OVERSAMPLING for edge in bounds)
    u, v = np.meshgrid(_centres(left, right, size * OVERSAMPLING), _centres(top, bottom, size * OVERSAMPLING))
    if piece.wrap:
        u, v = _bent(u, v, across)
    middle = np.float32(0.5)
    scale = np.float32(1.0 if product.pattern in ("ombre", "colour-block") else product.scale)
    value = PATTERNS[product.pattern]((u - middle) / scale + middle, (v - middle) / scale + middle, rng)
    return _reduced(_colours(product)[(value * 127.5).astype(np.uint8)])


def _bent(u: Plane, v: Plane, across: Plane) -> tuple[Plane, Plane]:
    """Return the surface coordinates of a round body seen from slightly above."""
    half = np.abs(u - np.float32(0.5)).max()
    fine = across.repeat(OVERSAMPLING, axis=0).repeat(OVERSAMPLING, axis=1)
    around = np.float32(0.5) + np.arcsin(fine * np.float32(0.985)) * half * np.float32(0.9)
    lower = v - np.float32(0.16) * half * (np.sqrt(1 - fine**2) - 1)
    return around, lower


def _colours(product: Product) -> NDArray[np.uint8]:
    """Return the product's colours from main over accent to second, shape (256, 3)."""
    three = np.array([PALETTE[name] for name in (product.main, product.accent, product.second)], np.float64)
    place = np.linspace(0, 2, 256)
    return np.stack([np.interp(place, [0, 1, 2], three[:, channel]) for channel in range(3)], axis=1).astype(np.uint8)


def _reduced(colour: NDArray[np.uint8]) -> Pixels:
    return np.asarray(Image.fromarray(colour, "RGB").reduce(OVERSAMPLING), np.float32) / np.float32(255)


def _shaded(colour: Pixels, mask: Image.Image, piece: Part, category: Category, across: Plane, size: int) -> Pixels:
    """Light the piece from the upper left: round edges, a round body, a highlight, folds of cloth."""
    light = np.ones(across.shape, np.float32)
    shine = np.zeros(across.shape, np.float32)
    if piece.bulge:
        slope = _slope(mask, piece.bulge * size)
        light += np.float32(0.3) * slope - np.float32(0.1) * slope**2
        shine += (slope - np.float32(0.45)).clip(0, 1) * np.float32(category.gloss * 0.5)
    if piece.wrap:
        light *= np.float32(0.66) + np.float32(0.4) * np.cos((across + np.float32(0.32)) * np.float32(1.25))
        shine += np.exp(-(((across + np.float32(0.5)) / np.float32(0.11)) ** 2)) * np.float32(category.gloss * 0.55)
    if category.cloth and piece.fill in ("pattern", "main", "accent"):
        light *= _folds(across.shape, mask)
    return np.asarray(colour * light[..., None] + shine[..., None], np.float32).clip(0, 1)


def _slope(mask: Image.Image, radius: float) -> Plane:
    """Return how much each pixel faces the light, -1 to 1, where the mask is a hill with soft edges."""
    factor = max(1, int(radius / 4))
    wide, high = max(mask.width // factor, 8), max(mask.height // factor, 8)
    small = mask.resize((wide, high), Image.Resampling.BOX)
    padded = Image.new("L", (wide + 16, high + 16))
    padded.paste(small, (8, 8))
    hill = np.asarray(padded.filter(ImageFilter.GaussianBlur(radius / factor)), np.float32) / 255
    down, right = np.gradient(hill)
    facing = np.tanh((right * 0.55 + down * 0.83) * np.float32(2.6 * radius / factor))[8:-8, 8:-8]
    smooth = Image.fromarray(facing.astype(np.float32)).resize(mask.size, Image.Resampling.BICUBIC)
    return np.asarray(smooth, np.float32)


def _folds(shape: tuple[int, int], mask: Image.Image) -> Plane:
    rng = np.random.default_rng(list(shape))
    coarse = Image.fromarray(rng.uniform(0.93, 1.06, (6, 5)).astype(np.float32))
    grain = rng.uniform(0.965, 1.035, shape).astype(np.float32)
    return np.asarray(coarse.resize(mask.size, Image.Resampling.BICUBIC), np.float32) * grain
