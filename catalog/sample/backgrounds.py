"""Surfaces that customers photograph things on: wood, bed sheets, tiles, carpets, grass and desks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.float32]
Plane = NDArray[np.float32]


def noise(size: int, cells_across: int, cells_down: int, rng: np.random.Generator) -> Plane:
    """Return smooth noise in -1 to 1, shape (size, size), with about so many hills either way."""
    coarse = Image.fromarray(rng.uniform(-1, 1, (cells_down + 3, cells_across + 3)).astype(np.float32))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), np.float32)


def _grid(size: int) -> tuple[Plane, Plane]:
    steps = np.linspace(0, 1, size, dtype=np.float32)
    x, y = np.meshgrid(steps, steps)
    return x, y


def _tinted(light: Plane, colour: tuple[float, float, float]) -> Pixels:
    return np.asarray(light[..., None] * np.array(colour, np.float32), np.float32)


def wood(size: int, rng: np.random.Generator) -> Pixels:
    """Return planks of wood."""
    _, y = _grid(size)
    planks = int(rng.integers(3, 7))
    plank = np.floor(y * planks)
    tone = rng.uniform(0.82, 1.08, planks + 1).astype(np.float32)[plank.astype(int).clip(0, planks)]
    grain = 0.08 * noise(size, 5, 70, rng) + 0.05 * np.sin((y * 34 + noise(size, 4, 7, rng)) * 6).astype(np.float32)
    gap = np.where((y * planks) % 1 < 0.025, np.float32(0.5), np.float32(1))
    woods = ((0.72, 0.52, 0.34), (0.5, 0.34, 0.22), (0.84, 0.72, 0.55), (0.62, 0.55, 0.48))
    return _tinted((tone + grain) * gap, woods[int(rng.integers(len(woods)))])


def bed_sheet(size: int, rng: np.random.Generator) -> Pixels:
    """Return a rumpled sheet, plain or striped."""
    x, _ = _grid(size)
    height = noise(size, 4, 3, rng) + 0.5 * noise(size, 8, 7, rng)
    down, right = np.gradient(height)
    light = 0.92 + (right + down).astype(np.float32) * size / 55
    sheets = ((0.93, 0.92, 0.9), (0.78, 0.84, 0.9), (0.9, 0.82, 0.8), (0.66, 0.7, 0.72))
    if rng.random() < 0.4:
        light = light * np.where((x * 9 + 0.2 * height) % 1 < 0.3, np.float32(0.8), np.float32(1))
    return _tinted(light, sheets[int(rng.integers(len(sheets)))])


def tiles(size: int, rng: np.random.Generator) -> Pixels:
    """Return floor tiles with joints."""
    x, y = _grid(size)
    count = float(rng.uniform(2.5, 6))
    u, v = x * count + rng.random(), y * count + rng.random()
    joint = ((u % 1 < 0.05) | (v % 1 < 0.05)).astype(np.float32)
    shade = (np.sin(np.floor(u) * 12.9 + np.floor(v) * 78.2) * 43758.5) % 1
    light = (0.9 + 0.1 * shade + 0.05 * noise(size, 14, 14, rng)) * (1 - 0.32 * joint)
    if rng.random() < 0.4:
        light = light * np.where((np.floor(u) + np.floor(v)) % 2 < 1, np.float32(1), np.float32(0.55))
    kinds = ((0.86, 0.87, 0.86), (0.75, 0.5, 0.38), (0.55, 0.64, 0.66), (0.8, 0.76, 0.66))
    return _tinted(light.astype(np.float32), kinds[int(rng.integers(len(kinds)))])


def carpet(size: int, rng: np.random.Generator) -> Pixels:
    """Return a carpet with pile, and sometimes a border pattern."""
    x, y = _grid(size)
    pile = rng.normal(0, 0.09, (size, size)).astype(np.float32) + 0.08 * noise(size, 9, 9, rng)
    kinds = ((0.56, 0.26, 0.26), (0.36, 0.42, 0.52), (0.66, 0.6, 0.5), (0.35, 0.45, 0.38), (0.45, 0.43, 0.45))
    colour = kinds[int(rng.integers(len(kinds)))]
    light = 1 + pile
    if rng.random() < 0.5:
        diamond = (np.abs((x * 4) % 1 - 0.5) + np.abs((y * 4) % 1 - 0.5)) % 0.5
        light = light * np.where(diamond < 0.2, np.float32(1.35), np.float32(1))
    return _tinted(light, colour)


def grass(size: int, rng: np.random.Generator) -> Pixels:
    """Return a lawn."""
    blades = 0.28 * noise(size, 130, 34, rng) + 0.16 * noise(size, 60, 22, rng) + 0.14 * noise(size, 6, 6, rng)
    light = (0.95 + blades)[..., None] * np.array((0.36, 0.56, 0.24), np.float32)
    light[..., 0] += 0.07 * noise(size, 9, 9, rng)
    return np.asarray(light, np.float32)


def desk(size: int, rng: np.random.Generator) -> Pixels:
    """Return a smooth desk top or stone counter."""
    kinds = ((0.9, 0.89, 0.87), (0.25, 0.26, 0.29), (0.6, 0.64, 0.68), (0.8, 0.68, 0.52))
    vein = np.abs(noise(size, 5, 5, rng) + 0.4 * noise(size, 11, 11, rng))
    light = 1 - 0.18 * (vein < 0.06) + 0.04 * noise(size, 40, 40, rng)
    return _tinted(light.astype(np.float32), kinds[int(rng.integers(len(kinds)))])


SURFACES: tuple[Callable[[int, np.random.Generator], Pixels], ...] = (wood, bed_sheet, tiles, carpet, grass, desk)
"""Every surface; each returns pixels in 0 to 1, shape (size, size, 3)."""


def background(size: int, rng: np.random.Generator) -> Pixels:
    """Return one of the surfaces, turned, a little out of focus; shape (size, size, 3)."""
    surface = SURFACES[int(rng.integers(len(SURFACES)))](size, rng)
    picture = Image.fromarray((surface.clip(0, 1) * 255).astype(np.uint8), "RGB")
    angle, near = np.radians(rng.uniform(-40, 40)), rng.uniform(0.62, 0.7)
    right, down = near * np.cos(angle), near * np.sin(angle)
    half = size / 2
    numbers = (right, down, half - half * (right + down), -down, right, half - half * (right - down))
    turned = picture.transform((size, size), Image.Transform.AFFINE, numbers, Image.Resampling.BILINEAR)
    soft = turned.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.1, 1.0)) * size / 320))
    return np.asarray(soft, np.float32) / np.float32(255)
