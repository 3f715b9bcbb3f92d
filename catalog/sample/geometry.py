"""Outlines that products are made of; shapes in this package build their parts from these.

Coordinates are fractions of the picture: (0, 0) is the top left corner, (1, 1) the bottom right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One piece of a product, of one colour or covered with the product's pattern.

    Attributes:
        outlines: closed polygons, each (N, 2); the piece is their union.
        fill: "pattern", or the name of a colour role such as "main", "accent" or "metal".
        holes: closed polygons that are cut out of the piece.
        wrap: the piece is round like a cylinder: its pattern bends around it.
        bulge: how far from its edge the piece is rounded, as a fraction of the picture.
    """

    outlines: tuple[Points, ...]
    fill: str
    holes: tuple[Points, ...] = ()
    wrap: bool = False
    bulge: float = 0.03


def part(*outlines: Points, fill: str, holes: Sequence[Points] = (), wrap: bool = False, bulge: float = 0.03) -> Part:
    """Make a part of one or more outlines."""
    return Part(outlines=outlines, fill=fill, holes=tuple(holes), wrap=wrap, bulge=bulge)


def polygon(*corners: Point) -> Points:
    """Return a polygon with sharp corners."""
    return np.array(corners, dtype=np.float64)


def curve(*knots: Point, closed: bool = False, steps: int = 12) -> Points:
    """Return a smooth curve through the knots (a Catmull-Rom spline)."""
    points = np.array(knots, dtype=np.float64)
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
    segments = [_segment(padded[start : start + 4], t) for start in range(len(padded) - 3)]
    return np.concatenate(segments if closed else [*segments, points[-1:]])


def _segment(four: Points, t: Points) -> Points:
    before, start, end, after = four
    bend = 2 * before - 5 * start + 4 * end - after
    twist = 3 * start - before - 3 * end + after
    return np.asarray(0.5 * (2 * start + (end - before) * t + bend * t**2 + twist * t**3))


def blob(*knots: Point) -> Points:
    """Return a closed smooth outline through the knots."""
    return curve(*knots, closed=True)


def mirrored(*right_side: Point, smooth: bool = True) -> Points:
    """Return an outline symmetric about the middle; knots run down its right side as (half width, y)."""
    side = curve(*right_side) if smooth else np.array(right_side, dtype=np.float64)
    right = side + np.array([0.5, 0.0])
    left = side[::-1] * [-1.0, 1.0] + np.array([0.5, 0.0])
    return np.concatenate([right, left])


def ellipse(x: float, y: float, across: float, down: float, *, turn: float = 0.0) -> Points:
    """Return an ellipse with the half axes `across` and `down`, turned by `turn` radians."""
    angle = np.linspace(0.0, 2 * np.pi, 72, endpoint=False)
    flat_x, flat_y = across * np.cos(angle), down * np.sin(angle)
    turned = [flat_x * np.cos(turn) - flat_y * np.sin(turn), flat_x * np.sin(turn) + flat_y * np.cos(turn)]
    return np.asarray(np.stack(turned, axis=1) + np.array([x, y]))


def box(left: float, top: float, right: float, bottom: float, *, corner: float = 0.02) -> Points:
    """Return a rectangle with round corners."""
    angle = np.linspace(0.0, np.pi / 2, 8)
    quarters = []
    middles = ((right, bottom, -1, -1), (left, bottom, 1, -1), (left, top, 1, 1), (right, top, -1, 1))
    for number, (x, y, inward_x, inward_y) in enumerate(middles):
        turned = angle + number * np.pi / 2
        arc = np.stack([np.cos(turned), np.sin(turned)], axis=1) * corner
        quarters.append(arc + np.array([x + inward_x * corner, y + inward_y * corner]))
    return np.concatenate(quarters)


def vessel(*right_side: Point, tilt: float = 0.16) -> Points:
    """Return a turned body seen from slightly above: a mirrored profile with a round lower edge."""
    side = curve(*right_side)
    angle = np.linspace(0.0, np.pi, 24)[1:-1]
    half, low = side[-1]
    bottom = np.stack([half * np.cos(angle), low + half * tilt * np.sin(angle)], axis=1)
    outline = np.concatenate([side, bottom, side[::-1] * [-1.0, 1.0]])
    return np.asarray(outline + np.array([0.5, 0.0]))


def band(path: Points, width: float, end_width: float | None = None) -> Points:
    """Return the outline of a stroke along a path, optionally narrowing to `end_width`."""
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    sideways = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half = np.linspace(width, width if end_width is None else end_width, len(path))[:, None] / 2
    cap = np.linspace(0.0, np.pi, 8)[1:-1, None]
    finish = path[-1] + half[-1] * (sideways[-1] * np.cos(cap) + along[-1] * np.sin(cap))
    start = path[0] - half[0] * (sideways[0] * np.cos(cap) + along[0] * np.sin(cap))
    return np.concatenate([path + sideways * half, finish, (path - sideways * half)[::-1], start])


def dashes(path: Points, *, count: int, width: float = 0.005) -> tuple[Points, ...]:
    """Return stitches along a path."""
    position = np.linspace(0, len(path) - 1, 2 * count)
    index = np.arange(len(path))
    x, y = np.interp(position, index, path[:, 0]), np.interp(position, index, path[:, 1])
    ends = np.stack([x, y], axis=1).reshape(count, 2, 2)
    return tuple(band(pair, width) for pair in ends)


def mirror(outline: Points) -> Points:
    """Return the outline reflected about the middle of the picture."""
    return np.asarray(outline * [-1.0, 1.0] + np.array([1.0, 0.0]))


def shifted(outline: Points, right: float = 0.0, down: float = 0.0) -> Points:
    """Return the outline moved."""
    return np.asarray(outline + np.array([right, down]))
