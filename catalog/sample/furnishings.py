"""Shapes for a home: lamps, chairs, armchairs, cushions and clocks."""

from __future__ import annotations

import numpy as np

from catalog.sample.geometry import (
    Part,
    Points,
    band,
    blob,
    box,
    curve,
    ellipse,
    mirror,
    mirrored,
    part,
    polygon,
    vessel,
)


def lamp(variant: int) -> list[Part]:
    """A table lamp: urn, stick, tripod or globe foot."""
    shades = (
        [(0.17, 0.14), (0.29, 0.44)],
        [(0.22, 0.13), (0.22, 0.42)],
        [(0.12, 0.15), (0.31, 0.42)],
        [(0.2, 0.12), (0.27, 0.28), (0.24, 0.44)],
    )
    shade = shades[variant]
    low = shade[-1]
    light = part(ellipse(0.5, low[1], low[0], low[0] * 0.16), fill="glow", bulge=0.01)
    rim = part(band(_arc(*low, low[0] * 0.16), 0.016), fill="accent", bulge=0.006)
    inside = part(ellipse(0.5, shade[0][1], shade[0][0], shade[0][0] * 0.16), fill="glow", bulge=0.01)
    cover = part(vessel(*shade), fill="pattern", wrap=True)
    return [*_lamp_foot(variant, low[1]), inside, light, cover, rim]


def _arc(half: float, y: float, drop: float) -> Points:
    right = [(0.5, y + drop), (0.5 + half * 0.7, y + drop * 0.71), (0.5 + half, y)]
    return curve((0.5 - half, y), (0.5 - half * 0.7, y + drop * 0.71), *right)


def _lamp_foot(variant: int, top: float) -> list[Part]:
    stick = part(box(0.485, top - 0.05, 0.515, 0.86, corner=0.005), fill="metal", bulge=0.008)
    plate = part(vessel((0.15, 0.845), (0.16, 0.87)), fill="accent", wrap=True)
    disc = part(ellipse(0.5, 0.845, 0.15, 0.024), fill="accent", bulge=0.02)
    if variant == 0:
        urn = vessel((0.04, 0.5), (0.1, 0.56), (0.15, 0.66), (0.1, 0.78), (0.06, 0.84))
        return [stick, plate, disc, part(urn, fill="accent", wrap=True)]
    if variant == 1:
        return [stick, plate, disc]
    if variant == 2:
        legs = [band(polygon((0.5, top), (x, 0.9)), 0.028, 0.018) for x in (0.3, 0.52, 0.7)]
        return [part(*legs, fill="wood", bulge=0.01), part(ellipse(0.5, 0.52, 0.04, 0.03), fill="accent")]
    return [stick, plate, disc, part(ellipse(0.5, 0.67, 0.15, 0.15), fill="accent", wrap=True)]


def chair(variant: int) -> list[Part]:
    """A chair: upholstered, spindle back, shell or bistro."""
    return (_dining_chair, _spindle_chair, _shell_chair, _bistro_chair)[variant]()


_SEAT = blob((0.26, 0.56), (0.5, 0.53), (0.74, 0.56), (0.8, 0.63), (0.5, 0.66), (0.2, 0.63))


def _dining_chair() -> list[Part]:
    back = blob((0.27, 0.14), (0.5, 0.1), (0.73, 0.14), (0.73, 0.42), (0.5, 0.46), (0.27, 0.42))
    post = band(polygon((0.3, 0.3), (0.29, 0.58)), 0.03)
    buttons = [ellipse(x, y, 0.012, 0.012) for x in (0.4, 0.5, 0.6) for y in (0.24, 0.34)]
    pieces = [*_legs(spread=0.05), part(post, mirror(post), fill="wood"), part(back, fill="pattern", bulge=0.05)]
    return [*pieces, part(*buttons, fill="accent", bulge=0.008), part(_SEAT, fill="accent", bulge=0.03)]


def _spindle_chair() -> list[Part]:
    tops = (0.36, 0.43, 0.5, 0.57, 0.64)
    spindles = [band(polygon((x, 0.2), (0.5 + (x - 0.5) * 0.9, 0.57)), 0.016) for x in tops]
    post = band(polygon((0.29, 0.16), (0.31, 0.57)), 0.026)
    rail = part(band(curve((0.25, 0.17), (0.5, 0.13), (0.75, 0.17)), 0.075), fill="accent", bulge=0.02)
    frame = part(*spindles, post, mirror(post), fill="accent", bulge=0.01)
    return [*_legs(spread=0.0), frame, rail, part(_SEAT, fill="pattern", bulge=0.03)]


def _shell_chair() -> list[Part]:
    right = [(0.5, 0.12), (0.7, 0.16), (0.77, 0.36), (0.82, 0.5), (0.76, 0.6), (0.5, 0.64)]
    shell = blob(*right, *[(1 - x, y) for x, y in right[-2:0:-1]])
    pad = blob((0.3, 0.54), (0.5, 0.5), (0.7, 0.54), (0.73, 0.6), (0.5, 0.63), (0.27, 0.6))
    return [*_legs(spread=0.05), part(shell, fill="pattern", bulge=0.07), part(pad, fill="accent", bulge=0.02)]


def _bistro_chair() -> list[Part]:
    seat = part(ellipse(0.5, 0.52, 0.25, 0.075), fill="accent", bulge=0.02)
    edge = part(vessel((0.25, 0.52), (0.25, 0.57)), fill="pattern", wrap=True)
    back = part(band(curve((0.25, 0.26), (0.5, 0.19), (0.75, 0.26)), 0.14), fill="pattern", bulge=0.03)
    post = band(polygon((0.33, 0.3), (0.34, 0.54)), 0.022)
    return [*_legs(spread=0.05), part(post, mirror(post), fill="metal"), back, edge, seat]


def _legs(spread: float) -> list[Part]:
    front = band(polygon((0.26, 0.61), (0.24 - spread, 0.9)), 0.036, 0.022)
    rear = band(polygon((0.34, 0.6), (0.34 - spread * 0.6, 0.83)), 0.03, 0.02)
    bar = band(polygon((0.27, 0.74), (0.73, 0.74)), 0.016)
    return [
        part(rear, mirror(rear), bar, fill="wood", bulge=0.01),
        part(front, mirror(front), fill="wood", bulge=0.012),
    ]


def armchair(variant: int) -> list[Part]:
    """An armchair: club, wing back or tub."""
    top = (0.26, 0.12, 0.24)[variant]
    back = mirrored((0.0, top), (0.2, top + 0.01), (0.27, top + 0.08), (0.27, 0.6), (0.0, 0.62))
    if variant == 1:
        back = mirrored((0.0, top), (0.18, top + 0.01), (0.32, top + 0.08), (0.3, 0.3), (0.28, 0.6), (0.0, 0.62))
    arm = blob((0.14, 0.46), (0.2, 0.42), (0.27, 0.46), (0.27, 0.78), (0.2, 0.8), (0.15, 0.78))
    if variant == 2:
        back = mirrored((0.0, top), (0.22, top + 0.02), (0.36, 0.4), (0.37, 0.62), (0.3, 0.74), (0.0, 0.76))
        arm = blob((0.12, 0.46), (0.17, 0.4), (0.24, 0.46), (0.29, 0.78), (0.22, 0.81), (0.15, 0.72))
    front = box(0.2, 0.66, 0.8, 0.8, corner=0.03)
    seat = box(0.255, 0.55, 0.745, 0.68, corner=0.05)
    legs = [band(polygon((x, 0.78), (x + lean, 0.9)), 0.036, 0.022) for x, lean in ((0.22, -0.02), (0.78, 0.02))]
    pillow = blob(
        (0.36, 0.4), (0.5, 0.42), (0.64, 0.4), (0.63, 0.5), (0.64, 0.59), (0.5, 0.57), (0.36, 0.59), (0.37, 0.5)
    )
    pieces = [
        part(*legs, fill="wood", bulge=0.01),
        part(back, fill="pattern", bulge=0.07),
        part(front, fill="pattern", bulge=0.04),
    ]
    pieces += [part(seat, fill="pattern", bulge=0.04), part(arm, mirror(arm), fill="pattern", bulge=0.05)]
    return [*pieces, part(pillow, fill="accent", bulge=0.05)]


def cushion(variant: int) -> list[Part]:
    """A cushion: square with piping, tasselled, round or oblong."""
    if variant == 2:
        return _round_cushion()
    left, high, inset = (0.14, 0.14, 0.035) if variant != 3 else (0.09, 0.28, 0.035)
    far, low = 1 - left, 1 - high
    top = [(left, high), (0.32, high + inset), (0.5, high + inset * 1.2), (0.68, high + inset)]
    right = [(far, high), (far - inset, 0.38), (far - inset * 1.2, 0.5), (far - inset, 0.62)]
    outline = blob(*top, *right, *[(1 - x, 1 - y) for x, y in (*top, *right)])
    pieces = [part(outline, fill="pattern", bulge=0.12), part(band(outline, 0.016), fill="accent", bulge=0.007)]
    if variant == 1:
        pieces.append(part(*_tassels(left, high), fill="accent", bulge=0.012))
    if variant == 3:
        edge = band(curve((left + 0.1, high + 0.05), (left + 0.12, 0.5), (left + 0.1, low - 0.05)), 0.03)
        pieces.append(part(edge, mirror(edge), fill="accent", bulge=0.01))
    return pieces


def _round_cushion() -> list[Part]:
    disc = ellipse(0.5, 0.5, 0.36, 0.36)
    folds = [band(0.5 + np.outer((0.05, 0.33), (np.cos(a), np.sin(a))), 0.01, 0.002) for a in np.arange(12) * np.pi / 6]
    pieces = [part(disc, fill="pattern", bulge=0.12), part(*folds, fill="seam", bulge=0)]
    pieces.append(part(band(disc, 0.02), fill="accent", bulge=0.008))
    return [*pieces, part(ellipse(0.5, 0.5, 0.04, 0.04), fill="accent", bulge=0.025)]


def _tassels(left: float, high: float) -> list[Points]:
    corners = [(x, y) for x in (left, 1 - left) for y in (high, 1 - high)]
    tails = [band(polygon((x, y), (x + (x - 0.5) * 0.2, y + (y - 0.5) * 0.2)), 0.03, 0.055) for x, y in corners]
    return [*tails, *[ellipse(x, y, 0.024, 0.024) for x, y in corners]]


_TIMES = ((0.9, 5.2), (2.3, 4.0), (5.4, 1.1), (4.0, 0.3))


def clock(variant: int) -> list[Part]:
    """A clock: round, square, twin-bell alarm or pendulum."""
    centre = (0.5, 0.5, 0.54, 0.37)[variant]
    size = (0.36, 0.34, 0.28, 0.25)[variant]
    inner = size - 0.05
    pieces = [part(_plate(variant, centre, size, 0.07), fill="accent", bulge=0.025)]
    pieces.append(part(_plate(variant, centre, inner, 0.04), fill="pattern", bulge=0.006))
    face = part(ellipse(0.5, centre, inner * 0.66, inner * 0.66), fill="cream", bulge=0.006)
    return [*_clock_frame(variant), *pieces, face, *_dial(centre, inner * 0.6, _TIMES[variant])]


def _plate(variant: int, centre: float, size: float, corner: float) -> Points:
    if variant == 1:
        return box(0.5 - size, centre - size, 0.5 + size, centre + size, corner=corner)
    return ellipse(0.5, centre, size, size)


def _clock_frame(variant: int) -> list[Part]:
    if variant == 2:
        bells = [ellipse(0.34, 0.24, 0.11, 0.07, turn=-0.6), ellipse(0.66, 0.24, 0.11, 0.07, turn=0.6)]
        feet = band(polygon((0.36, 0.74), (0.29, 0.87)), 0.04, 0.03)
        loop = band(curve((0.44, 0.2), (0.46, 0.12), (0.54, 0.12), (0.56, 0.2)), 0.02)
        return [part(feet, mirror(feet), loop, fill="metal", bulge=0.012), part(*bells, fill="accent", bulge=0.03)]
    if variant == 3:
        case = box(0.4, 0.5, 0.6, 0.88, corner=0.02)
        rod, bob = band(polygon((0.5, 0.6), (0.5, 0.78)), 0.012), ellipse(0.5, 0.79, 0.05, 0.05)
        window = box(0.43, 0.62, 0.57, 0.86, corner=0.012)
        return [
            part(case, fill="main", bulge=0.02),
            part(window, fill="inside", bulge=0.01),
            part(rod, bob, fill="metal", bulge=0.012),
        ]
    return []


def _dial(centre: float, length: float, angles: tuple[float, float]) -> list[Part]:
    ticks = []
    for number in range(12):
        x, y = np.sin(number * np.pi / 6), -np.cos(number * np.pi / 6)
        start, end = length * 0.88, length * 0.99
        ticks.append(band(polygon((0.5 + x * start, centre + y * start), (0.5 + x * end, centre + y * end)), 0.012))
    reach = zip(angles, (0.55, 0.8), (0.024, 0.016), strict=True)
    hands = [
        band(polygon((0.5, centre), (0.5 + np.sin(a) * length * r, centre - np.cos(a) * length * r)), w)
        for a, r, w in reach
    ]
    hub = part(ellipse(0.5, centre, 0.018, 0.018), fill="accent", bulge=0.01)
    return [part(*ticks, *hands, fill="dark", bulge=0.004), hub]
