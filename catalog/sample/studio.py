"""The clean photo that a shop shows: one product in front of a near-white backdrop."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from catalog.sample.plan import Product
from catalog.sample.shapes import CATEGORIES


def studio_photo(cutout: Image.Image, product: Product, rng: np.random.Generator) -> Image.Image:
    """Return the product on the studio's backdrop, with a soft shadow; RGB, as large as the cut-out."""
    size = cutout.width
    photo = _backdrop(size, rng)
    alpha = cutout.getchannel("A")
    shadow = _ground_shadow(alpha) if CATEGORIES[product.category].stands else _drop_shadow(alpha)
    photo.paste(Image.new("RGB", photo.size, (96, 98, 106)), mask=shadow)
    photo.paste(cutout, mask=alpha)
    return photo


def _backdrop(size: int, rng: np.random.Generator) -> Image.Image:
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    across = np.linspace(-1, 1, size, dtype=np.float32)[None, :, None]
    tint = rng.uniform(-0.006, 0.006, 3).astype(np.float32)
    light = 0.975 + tint - 0.035 * down**3 - 0.018 * across**2
    return Image.fromarray((np.clip(light, 0, 1) * 255).astype(np.uint8), "RGB")


def _ground_shadow(alpha: Image.Image) -> Image.Image:
    left, top, right, bottom = alpha.getbbox() or (0, 0, 1, 1)
    foot = alpha.crop((left, top + (bottom - top) * 9 // 10, right, bottom)).getbbox() or (0, 0, right - left, 1)
    middle, half = left + (foot[0] + foot[2]) / 2, (foot[2] - foot[0]) / 2
    soft = Image.new("L", alpha.size)
    draw = ImageDraw.Draw(soft)
    unit = alpha.width / 100
    draw.ellipse((middle - half * 1.12, bottom - 5 * unit, middle + half * 1.22, bottom + 2.5 * unit), fill=120)
    soft = soft.filter(ImageFilter.GaussianBlur(2.2 * unit))
    contact = Image.new("L", alpha.size)
    ImageDraw.Draw(contact).ellipse((middle - half, bottom - 2.5 * unit, middle + half, bottom + 0.6 * unit), fill=150)
    contact = contact.filter(ImageFilter.GaussianBlur(0.8 * unit))
    return Image.fromarray(np.maximum(np.asarray(soft), np.asarray(contact)))


def _drop_shadow(alpha: Image.Image) -> Image.Image:
    shadow = Image.new("L", alpha.size)
    unit = alpha.width // 64
    shadow.paste(alpha.point([value * 4 // 10 for value in range(256)]), (unit, unit + unit // 2))
    return shadow.filter(ImageFilter.GaussianBlur(alpha.width / 50))
