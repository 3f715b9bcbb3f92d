"""Patterns that cover a product: each says, for every point of a surface, which of three colours it has.

A pattern gets surface coordinates `u` (across) and `v` (down), in fractions of the picture and already bent around
the product, and returns values of the same shape: 0 is the main colour, 1 the accent, 2 the second accent.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Surface = NDArray[np.float32]
Pattern = Callable[[Surface, Surface, np.random.Generator], Surface]


def _plain(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    return np.zeros_like(u)


def _stripes(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    share = rng.uniform(0.35, 0.55)
    return ((v * 11) % 1 < share).astype(np.float32)


def _pinstripes(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    share = rng.uniform(0.25, 0.5)
    return ((u * 13) % 1 < share).astype(np.float32)


def _banded(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    phase = (v * 5) % 1
    return np.where(phase < 0.34, 1, np.where((phase > 0.44) & (phase < 0.54), 2, 0)).astype(np.float32)


def _checks(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    return ((np.floor(u * 12) + np.floor(v * 12)) % 2).astype(np.float32)


def _gingham(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    across, down = (u * 9) % 1 < 0.5, (v * 9) % 1 < 0.5
    thread = ((u * 9) % 1 > 0.72) & ((u * 9) % 1 < 0.79) | ((v * 9) % 1 > 0.72) & ((v * 9) % 1 < 0.79)
    return np.where(thread, 2.0, 0.5 * across + 0.5 * down).astype(np.float32)


def _dots(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    row = np.floor(v * 12)
    x, y = (u * 12 + 0.5 * (row % 2)) % 1 - 0.5, (v * 12) % 1 - 0.5
    return np.where(np.hypot(x, y) < rng.uniform(0.24, 0.34), 1, 0).astype(np.float32)


def _zigzag(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    wave = np.abs((u * 9) % 1 - 0.5) * 1.1
    phase = (v * 8 + wave) % 1
    return np.where(phase < 0.38, 1, np.where((phase > 0.48) & (phase < 0.58), 2, 0)).astype(np.float32)


def _waves(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    phase = (v * 9 + 0.28 * np.sin(u * 38)) % 1
    return (phase < 0.42).astype(np.float32)


def _floral(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    cell = 6.5
    row, column = np.floor(v * cell), np.floor(u * cell)
    jitter = (np.sin(row * 12.9 + column * 78.2 + rng.uniform(0, 6)) * 43758.5) % 1
    turn = jitter * 6.28
    x = (u * cell) % 1 - 0.5 + 0.16 * np.cos(turn)
    y = (v * cell) % 1 - 0.5 + 0.16 * np.sin(turn)
    radius, angle = np.hypot(x, y), np.arctan2(y, x) + turn
    petal = radius < 0.2 + 0.12 * np.cos(5 * angle)
    return np.where(radius < 0.09, 2, np.where(petal, 1, 0)).astype(np.float32)


def _gradient(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    return np.asarray(((v - 0.25) * 1.9).clip(0, 1), np.float32)


def _blocks(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    slope = rng.uniform(-0.5, 0.5)
    line = v + slope * (u - 0.5)
    return np.where(line > 0.66, 2, np.where(line > 0.5, 1, 0)).astype(np.float32)


def _terrazzo(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    cell, start = 7.0, rng.uniform(0, 6)
    row, column = np.floor(v * cell), np.floor(u * cell)
    chance = np.abs(np.sin(row * 12.9 + column * 78.2 + start) * 43758.5) % 1
    turn = chance * np.float32(9.4)
    x, y = (u * cell) % 1 - 0.5 + 0.14 * np.cos(turn * 3), (v * cell) % 1 - 0.5 + 0.14 * np.sin(turn * 3)
    along, aside = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    speck = np.abs(along) / 0.3 + np.abs(aside) / 0.2 < 1
    return np.where(speck, np.where(chance < 0.5, 1, 2), 0).astype(np.float32)


def _argyle(u: Surface, v: Surface, rng: np.random.Generator) -> Surface:
    a, b = u * 7 + v * 5, u * 7 - v * 5
    diamond = (np.floor(a) + np.floor(b)) % 2
    thread = (np.abs((a + 0.5) % 1 - 0.5) < 0.045) | (np.abs((b + 0.5) % 1 - 0.5) < 0.045)
    return np.where(thread, 2, diamond).astype(np.float32)


PATTERNS: dict[str, Pattern] = {
    "plain": _plain,
    "striped": _stripes,
    "pinstriped": _pinstripes,
    "banded": _banded,
    "chequered": _checks,
    "gingham": _gingham,
    "dotted": _dots,
    "zigzag": _zigzag,
    "wavy": _waves,
    "floral": _floral,
    "ombre": _gradient,
    "colour-block": _blocks,
    "terrazzo": _terrazzo,
    "argyle": _argyle,
}
"""Every pattern by the word that a title uses for it."""
