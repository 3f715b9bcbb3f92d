"""Altered copies of a photo: the queries of "find the original", the check of an encoder that needs no labels.

Six families of alterations, drawn by nothing but the family and the photo's content hash: a photo gets the same copy
in every catalog, after every training. None of them is a view that training makes (`training.views`: crop, flip,
colour jitter, grey, blur), so that an encoder cannot pass by having learnt the check by heart.

THE FAMILIES ARE FROZEN. Figures rest on them: whoever changes what comes out of this module, even by a little, raises
`ALTERATIONS`, which is recorded beside every figure; figures of different numbers are not to be compared. Copies are
equal to the byte on one machine with the same NumPy and Pillow; other versions may round a few values differently.

All is drawn in the unit square, in proportion, so that a small and a large copy of a photo are altered alike. Masks
are float32 (H, W) of 0 … 1.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.random_streams import generator

Floats = npt.NDArray[np.floating]
Region = Callable[[Floats, Floats], Floats]
"""From coordinates in the unit square, u (1, W) and v (H, 1), to a mask (H, W)."""

ALTERATIONS = 1
"""Version of the families; recorded beside every figure that rests on them."""

FAMILIES: tuple[str, ...] = ("perspective", "occlusion", "shadow", "background", "jpeg", "noise")
"""The families, in the order of every table; a family's place here also names its draws."""


def alter(photo: Image.Image, family: str, sha256: str) -> Image.Image:
    """An altered copy of a photo.

    Args:
        photo: RGB, at least 8 × 8 pixels.
        family: one of `FAMILIES`.
        sha256: the photo's content hash in hexadecimal digits, as in the manifest; decides the draw.

    Returns:
        RGB, of the photo's size.

    Raises:
        ValueError: there is no such family.
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}; received {family!r}: name one of these")
    words = (int(sha256[:8], 16), int(sha256[8:16], 16))
    return _ALTER[family](photo, generator(ALTERATIONS, FAMILIES.index(family), *words))


def _perspective(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """The photo as a picture on a table: tilted by 30 … 55 degrees away from the camera, and rolled a little."""
    width, height = photo.size
    towards, tilt = random.uniform(0, 2 * math.pi), math.radians(random.uniform(30, 55))
    roll, distance, zoom = math.radians(random.uniform(-15, 15)), random.uniform(1.3, 2.0), random.uniform(1.0, 1.15)
    across, turn = _rotation(towards), _rotation(roll)
    # a point t along the direction of the tilt moves to t cos(tilt), and away from the camera by t sin(tilt)
    project = turn @ across @ np.diag([math.cos(tilt), 1.0, 1.0]) @ across.T
    project[2, :2] = across[:2, 0] * math.sin(tilt) / distance
    project = project @ np.array([[2, 0, -width], [0, 2, -height], [0, 0, math.hypot(width, height)]])
    corners = project @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]])
    x, y = corners[:2] / corners[2]
    scale = zoom * min(width / np.ptp(x), height / np.ptp(y))
    left = (width - scale * (x.min() + x.max())) / 2
    top = (height - scale * (y.min() + y.max())) / 2
    inverse = np.linalg.inv(np.array([[scale, 0, left], [0, scale, top], [0, 0, 1]]) @ project)
    backward = (inverse / inverse[2, 2]).ravel()[:8].tolist()
    pixels = np.asarray(photo)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    fill = tuple(border.mean(axis=0).round().astype(int).tolist())
    return photo.transform(photo.size, Image.Transform.PERSPECTIVE, backward, Image.Resampling.BICUBIC, fillcolor=fill)


def _rotation(angle: float) -> npt.NDArray[np.float64]:
    """Rotation in the plane, for homogeneous coordinates: (3, 3)."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def _occlusion(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """One or two opaque things in front, rectangles or ellipses, flat or mottled, over 15 … 35 % of the photo."""

    def draw() -> Region:
        count = int(random.integers(1, 3))
        area = random.uniform(0.15, 0.35) / count
        things = [_thing(area, random) for _ in range(count)]
        return lambda u, v: np.maximum(things[0](u, v), things[-1](u, v))

    mask = _draw_covering(draw, 0.15, 0.35)(*_grid(*photo.size))
    mottle = 30 * int(random.integers(2)) * _smooth_noise(24, 24, photo.size, random)
    return _mix(np.asarray(photo, np.float32), _colour(random) + mottle[..., None], mask)


def _thing(area: float, random: np.random.Generator) -> Region:
    """A rectangle or an ellipse of a given area, somewhere in the unit square, turned by any angle."""
    doublings, filled = (1, math.pi) if random.random() < 0.5 else (4, 4.0)
    stretch = math.exp(random.uniform(-0.55, 0.55))
    half = math.sqrt(area / filled)
    centre = random.uniform(0.2, 0.8, 2).tolist()
    return _superellipse(centre, [half * stretch, half / stretch], doublings, random.uniform(0, math.pi), soft=0.03)


def _shadow(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """Three cast shadows, half planes or convex polygons with soft edges; each leaves 0.35 … 0.6 of the light."""
    u, v = _grid(*photo.size)
    pixels = np.asarray(photo, np.float32)
    for light in random.uniform(0.35, 0.6, 3).tolist():
        mask = _draw_covering(lambda: _polygon(random.uniform(0.01, 0.08), random), 0.2, 0.5)(u, v)
        pixels = pixels * (1 - (1 - light) * mask)[..., None]
    return _image(pixels)


def _background(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """Another background: the middle of the photo, 55 … 75 % of its width and height, on a drawn surface."""
    half = (random.uniform(0.55, 0.75, 2) / 2).tolist()
    middle = _superellipse([0.5, 0.5], half, doublings=2, angle=0.0, soft=random.uniform(0.1, 0.2))
    u, v = _grid(*photo.size)
    one, other = _colour(random), _colour(random)
    surface = one + (other - one) * _pattern(u, v, random)[..., None]
    return _mix(surface, np.asarray(photo, np.float32), middle(u, v))


def _pattern(u: Floats, v: Floats, random: np.random.Generator) -> Floats:
    """How much of its second colour a surface shows, 0 … 1: flat, a gradient, stripes, checks or wood, (H, W)."""
    angle, count = random.uniform(0, 2 * math.pi), random.uniform(3, 9)
    along, across = u * math.cos(angle) + v * math.sin(angle), v * math.cos(angle) - u * math.sin(angle)
    waves, kind = np.sin(2 * math.pi * count * along), random.integers(5)
    if kind == 0:
        return np.zeros_like(along)
    if kind == 1:
        return _clip((along - along.min()) / np.ptp(along))
    if kind == 2:
        return _clip(0.5 + 3 * waves)
    if kind == 3:
        return _clip(0.5 + 3 * waves * np.sin(2 * math.pi * count * across))
    size = (u.shape[1], v.shape[0])
    rings, grain = _smooth_noise(3, 6, size, random), _smooth_noise(4, 60, size, random)
    return _clip(0.5 + 0.3 * np.sin(2 * math.pi * count * (u + 0.08 * rings)) + 0.15 * grain)


def _jpeg(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """Shrunk to about 110 … 180 pixels, saved once or twice as a JPEG of quality 5 … 15, and enlarged again."""
    width, height = photo.size
    scale = random.uniform(110, 180) / math.sqrt(width * height)
    small = photo.resize((math.ceil(width * scale), math.ceil(height * scale)), Image.Resampling.BILINEAR)
    for quality in random.integers(5, 16, random.integers(1, 3)).tolist():
        file = io.BytesIO()
        small.save(file, "JPEG", quality=quality)
        small = Image.open(file)
    return small.resize(photo.size, Image.Resampling.BICUBIC)


def _noise(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """A sensor in low light, with shot and read noise, and the moiré of two gratings."""
    pixels = np.asarray(photo, np.float32)
    gain, read = random.uniform(3, 8), random.uniform(8, 16)
    side = math.sqrt(photo.width * photo.height) / 256
    fineness, light = min(1.0, 1 / side), max(1.0, 1 / side)  # grain no finer than 256; larger pixels gather more light
    rows, columns = math.ceil(photo.height * fineness), math.ceil(photo.width * fineness)
    grain = np.stack([_smooth_noise(rows, columns, photo.size, random) for _ in range(3)], axis=-1)
    pixels = pixels + np.sqrt((gain * pixels + read**2) / light) * grain  # shot noise grows with the signal
    u, v = _grid(*photo.size)
    amplitude, angle, count = random.uniform(6, 12), random.uniform(0, math.pi), random.uniform(15, 40)
    for _ in range(2):  # two gratings, nearly the same: their difference is the slow beat that is seen
        turned, waves = angle + random.uniform(-0.1, 0.1), count * random.uniform(0.9, 1.1)
        phase = 2 * math.pi * waves * (u * math.cos(turned) + v * math.sin(turned))
        shifts = random.uniform(0, 2 * math.pi) + np.array([0, 0.7, 1.4], np.float32)
        pixels += amplitude * np.sin(phase[..., None] + shifts)
    return _image(pixels)


def _draw_covering(draw: Callable[[], Region], low: float, high: float) -> Region:
    """Draw until a region covers `low` … `high` of the unit square."""
    u, v = _grid(48, 48)
    while True:
        region = draw()
        if low <= region(u, v).mean() <= high:
            return region


def _superellipse(centre: list[float], half: list[float], doublings: int, angle: float, soft: float) -> Region:
    """|x/a|ᵖ + |y/b|ᵖ ≤ 1 with p = 2 ** doublings: an ellipse for 2, nearly a rectangle for 16; `soft` fades."""

    def region(u: Floats, v: Floats) -> Floats:
        x, y = u - centre[0], v - centre[1]
        powers = (x * math.cos(angle) + y * math.sin(angle)) / half[0]
        others = (y * math.cos(angle) - x * math.sin(angle)) / half[1]
        for _ in range(doublings):
            powers, others = powers * powers, others * others
        inside = (1 - powers - others) / 2**doublings  # close to 1 - radius where it matters, at the edge
        return _clip(inside / soft + 0.5)

    return region


def _polygon(soft: float, random: np.random.Generator) -> Region:
    """Where one to three half planes meet: a half plane, a wedge, a triangle; its edge fades over `soft`."""
    angles = random.uniform(0, 2 * math.pi, random.integers(1, 4)).tolist()
    points = random.uniform(0, 1, (len(angles), 2)).tolist()

    def region(u: Floats, v: Floats) -> Floats:
        depths = [
            (u - x) * math.cos(angle) + (v - y) * math.sin(angle) for angle, (x, y) in zip(angles, points, strict=True)
        ]
        return _clip(np.minimum.reduce(depths) / soft + 0.5)

    return region


def _grid(width: int, height: int) -> tuple[Floats, Floats]:
    """Centres of the pixels in the unit square: u (1, W) and v (H, 1)."""
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    return (columns[None] + 0.5) / width, (rows[:, None] + 0.5) / height


def _smooth_noise(rows: int, columns: int, size: tuple[int, int], random: np.random.Generator) -> Floats:
    """Normal noise on a grid of (rows, columns), enlarged smoothly to a photo's (width, height): (H, W)."""
    noise = Image.fromarray(random.standard_normal((rows, columns), np.float32))
    return np.asarray(noise.resize(size, Image.Resampling.BICUBIC))


def _colour(random: np.random.Generator) -> Floats:
    """A colour as things have them, seldom garish: (3,)."""
    return np.clip(random.uniform(25, 230) + random.uniform(-45, 45, 3), 0, 255).astype(np.float32)


def _clip(mask: Floats) -> Floats:
    """To 0 … 1."""
    return np.minimum(np.maximum(mask, 0), 1)


def _mix(behind: Floats, front: Floats, mask: Floats) -> Image.Image:
    """`front` where the mask is 1, `behind` where it is 0."""
    return _image(behind * (1 - mask)[..., None] + front * mask[..., None])


def _image(pixels: Floats) -> Image.Image:
    """An RGB image from (H, W, 3), rounded and clipped to 0 … 255."""
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


_ALTER = dict(zip(FAMILIES, (_perspective, _occlusion, _shadow, _background, _jpeg, _noise), strict=True))
