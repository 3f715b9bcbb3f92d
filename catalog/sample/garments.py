"""Shapes that people wear: t-shirts, dresses, hats, sneakers and socks."""

from __future__ import annotations

import numpy as np

from catalog.sample.geometry import (
    Part,
    band,
    blob,
    box,
    curve,
    dashes,
    ellipse,
    mirror,
    mirrored,
    part,
    polygon,
)


def t_shirt(variant: int) -> list[Part]:
    """A top laid flat: crew neck, V-neck, long sleeves or a polo."""
    long = variant == 2
    cuff = [(0.4, 0.66), (0.3, 0.7)] if long else [(0.42, 0.38), (0.31, 0.46)]
    body = mirrored(
        (0.11, 0.14), (0.25, 0.19), *cuff, (0.235, 0.38), (0.235, 0.85), (0.0, 0.86), smooth=False
    )  # fmt: skip
    neck = blob((0.39, 0.135), (0.43, 0.2), (0.5, 0.225), (0.57, 0.2), (0.61, 0.135), (0.5, 0.16))
    collar = [
        part(band(curve((0.39, 0.14), (0.43, 0.205), (0.5, 0.23), (0.57, 0.205), (0.61, 0.14)), 0.03), fill="accent")
    ]
    if variant == 1:
        neck = polygon((0.39, 0.135), (0.5, 0.33), (0.61, 0.135), (0.5, 0.16))
        sides = band(polygon((0.39, 0.14), (0.5, 0.33)), 0.03), band(polygon((0.61, 0.14), (0.5, 0.33)), 0.03)
        collar = [part(*sides, fill="accent", bulge=0.01)]
    if variant == 3:
        collar = _polo()
    back = part(blob((0.4, 0.14), (0.5, 0.17), (0.6, 0.14), (0.56, 0.23), (0.5, 0.32), (0.44, 0.23)), fill="inside")
    sleeve = band(polygon(*[(0.5 - x, y) for x, y in cuff]), 0.035)
    hem = dashes(polygon((0.27, 0.83), (0.73, 0.83)), count=26)
    pieces = [back, part(body, fill="pattern", holes=[neck], bulge=0.04)]
    seams = [band(curve((0.25, 0.19), (0.28, 0.28), (0.265, 0.4)), 0.005)]
    pieces.append(part(*seams, mirror(seams[0]), fill="seam", bulge=0.0))
    return [*pieces, part(sleeve, mirror(sleeve), fill="accent", bulge=0.01), part(*hem, fill="seam", bulge=0), *collar]


def _polo() -> list[Part]:
    flap = polygon((0.4, 0.125), (0.5, 0.2), (0.45, 0.29), (0.36, 0.19))
    placket = part(box(0.475, 0.2, 0.525, 0.42, corner=0.005), fill="accent", bulge=0.008)
    buttons = part(*[ellipse(0.5, y, 0.01, 0.01) for y in (0.27, 0.32, 0.37)], fill="cream", bulge=0.006)
    return [placket, buttons, part(flap, mirror(flap), fill="accent", bulge=0.012)]


def dress(variant: int) -> list[Part]:
    """A dress laid flat: straps, sleeves, a wrap or a shift."""
    waist = (0.15, 0.13, 0.14, 0.19)[variant]
    hem = (0.33, 0.29, 0.36, 0.24)[variant]
    skirt = mirrored((waist, 0.43), (waist + 0.06, 0.55), (hem, 0.89), (hem * 0.5, 0.91), (0.0, 0.9))
    bodice = mirrored((0.1, 0.16), (0.16, 0.26), (0.175, 0.3), (waist, 0.44), (0.0, 0.45), smooth=False)
    neck = blob((0.41, 0.13), (0.43, 0.21), (0.5, 0.26), (0.57, 0.21), (0.59, 0.13))
    strap = band(polygon((0.41, 0.18), (0.42, 0.07)), 0.03)
    sleeve = polygon((0.4, 0.16), (0.25, 0.23), (0.22, 0.37), (0.31, 0.37), (0.34, 0.29))
    belt = box(0.5 - waist - 0.005, 0.415, 0.5 + waist + 0.005, 0.46, corner=0.012)
    pieces = [part(strap, mirror(strap), fill="accent", bulge=0.01)]
    if variant in (1, 2):
        pieces = [part(sleeve, mirror(sleeve), fill="pattern", bulge=0.03)]
        cuff = band(polygon((0.215, 0.37), (0.31, 0.37)), 0.025)
        pieces.append(part(cuff, mirror(cuff), fill="accent", bulge=0.01))
    pieces += [part(skirt, fill="pattern", bulge=0.05), part(bodice, fill="pattern", holes=[neck], bulge=0.04)]
    folds = [
        band(curve((0.5 + x * 0.4, 0.5), (0.5 + x * 0.8, 0.7), (0.5 + x, 0.86)), 0.004, 0.012) for x in (-0.17, 0, 0.17)
    ]
    pieces += [part(*folds, fill="seam", bulge=0), part(belt, fill="accent", bulge=0.014)]
    if variant == 2:
        bow = blob((0.5, 0.44), (0.56, 0.39), (0.61, 0.43), (0.57, 0.48))
        tails = band(curve((0.51, 0.45), (0.53, 0.55), (0.52, 0.63)), 0.03)
        pieces.append(part(tails, bow, mirror(bow), fill="accent", bulge=0.014))
    if variant == 3:
        buttons = [ellipse(0.5, 0.52 + 0.07 * number, 0.012, 0.012) for number in range(5)]
        pieces.append(part(*buttons, fill="accent", bulge=0.006))
    return pieces


def hat(variant: int) -> list[Part]:
    """A hat: fedora, beanie, baseball cap or a bucket hat."""
    return (_fedora, _beanie, _cap, _bucket_hat)[variant]()


def _fedora() -> list[Part]:
    brim = ellipse(0.5, 0.66, 0.42, 0.11)
    crown = mirrored((0.0, 0.3), (0.1, 0.26), (0.19, 0.32), (0.23, 0.5), (0.25, 0.65), (0.12, 0.7), (0.0, 0.71))
    lower = curve((0.25, 0.645), (0.37, 0.698), (0.5, 0.71), (0.63, 0.698), (0.75, 0.645))
    upper = curve((0.733, 0.55), (0.63, 0.595), (0.5, 0.605), (0.37, 0.595), (0.267, 0.55))
    ribbon = np.concatenate([lower, upper])
    dent = band(curve((0.42, 0.3), (0.5, 0.34), (0.6, 0.29)), 0.01)
    edge = part(brim, fill="main", bulge=0.03)
    return [
        edge,
        part(crown, fill="pattern", wrap=True),
        part(ribbon, fill="accent", wrap=True),
        part(dent, fill="seam"),
    ]


def _beanie() -> list[Part]:
    crown = mirrored((0.0, 0.22), (0.14, 0.25), (0.26, 0.4), (0.29, 0.64), (0.0, 0.68))
    cuff = box(0.19, 0.59, 0.81, 0.78, corner=0.05)
    ribs = [band(polygon((x / 100, 0.61), (x / 100, 0.76)), 0.006) for x in range(24, 80, 4)]
    pompom = blob(*[(0.5 + 0.11 * x, 0.19 + 0.1 * y) for x, y in _STAR])
    pieces = [part(crown, fill="pattern", wrap=True), part(cuff, fill="accent", wrap=True, bulge=0.04)]
    return [*pieces, part(*ribs, fill="seam", bulge=0), part(pompom, fill="accent", bulge=0.05)]


_STAR = [
    (1, 0), (0.85, 0.3), (0.8, 0.65), (0.4, 0.85), (0, 1), (-0.4, 0.85), (-0.8, 0.65), (-0.85, 0.3),
    (-1, 0), (-0.85, -0.4), (-0.7, -0.7), (-0.3, -0.85), (0.1, -1), (0.5, -0.85), (0.75, -0.6), (0.9, -0.3),
]  # fmt: skip


def _cap() -> list[Part]:
    crown = blob((0.16, 0.62), (0.17, 0.42), (0.32, 0.27), (0.5, 0.27), (0.62, 0.38), (0.66, 0.6), (0.4, 0.65))
    peak = blob((0.56, 0.56), (0.74, 0.57), (0.9, 0.65), (0.86, 0.71), (0.7, 0.67), (0.46, 0.66))
    button = part(ellipse(0.42, 0.258, 0.025, 0.016), fill="accent", bulge=0.012)
    seams = [curve((0.42, 0.26), (0.5, 0.4), (0.52, 0.62)), curve((0.42, 0.26), (0.28, 0.38), (0.25, 0.62))]
    lines = part(*[band(seam, 0.006) for seam in seams], fill="seam", bulge=0)
    eyelets = part(ellipse(0.38, 0.38, 0.012, 0.012), ellipse(0.54, 0.4, 0.01, 0.012), fill="dark", bulge=0)
    stitches = part(*dashes(curve((0.56, 0.6), (0.74, 0.61), (0.86, 0.67)), count=16), fill="seam", bulge=0)
    pieces = [part(crown, fill="pattern", bulge=0.08), part(peak, fill="accent", bulge=0.03)]
    return [*pieces, button, lines, eyelets, stitches]


def _bucket_hat() -> list[Part]:
    crown = mirrored((0.0, 0.27), (0.17, 0.28), (0.2, 0.33), (0.24, 0.54), (0.0, 0.6))
    brim = mirrored((0.23, 0.5), (0.3, 0.58), (0.38, 0.7), (0.2, 0.765), (0.0, 0.775))
    rows = [curve((0.2 + s, 0.68 - s), (0.5, 0.74 - s), (0.8 - s, 0.68 - s)) for s in (0.0, 0.03, 0.06)]
    stitches = [stitch for row in rows for stitch in dashes(row, count=26)]
    edge = part(band(curve((0.26, 0.54), (0.38, 0.58), (0.5, 0.59), (0.62, 0.58), (0.74, 0.54)), 0.035), fill="accent")
    pieces = [part(crown, fill="pattern", wrap=True), part(brim, fill="pattern", wrap=True, bulge=0.04)]
    return [*pieces, edge, part(*stitches, fill="seam", bulge=0)]


def sneaker(variant: int) -> list[Part]:
    """A shoe from its side: low, high top, runner or slip-on."""
    top = (0.42, 0.25, 0.4, 0.44)[variant]
    upper = blob(
        (0.1, 0.68), (0.1, 0.55), (0.13, top), (0.24, top + 0.02), (0.37, top + 0.03), (0.5, 0.47), (0.66, 0.55),
        (0.84, 0.59), (0.91, 0.66), (0.88, 0.73), (0.5, 0.73),
    )  # fmt: skip
    sole = blob(
        (0.07, 0.68), (0.3, 0.685), (0.6, 0.69), (0.92, 0.68), (0.93, 0.75), (0.75, 0.785), (0.3, 0.78), (0.08, 0.77)
    )
    if variant == 2:
        sole = blob(
            (0.05, 0.62), (0.3, 0.67), (0.6, 0.68), (0.93, 0.64), (0.94, 0.74), (0.75, 0.79), (0.3, 0.8), (0.06, 0.78)
        )
    opening = part(ellipse(0.25, top + 0.02, 0.115, 0.035, turn=0.1), fill="inside", bulge=0.01)
    toe = part(blob((0.76, 0.57), (0.86, 0.6), (0.92, 0.67), (0.88, 0.72), (0.76, 0.71), (0.73, 0.64)), fill="trim")
    heel = part(blob((0.1, 0.52), (0.17, 0.5), (0.2, 0.62), (0.19, 0.7), (0.1, 0.7)), fill="accent", bulge=0.015)
    pieces = [part(upper, fill="pattern", bulge=0.07), opening, heel]
    pieces += [part(sole, fill="cream", bulge=0.025), *_tread(variant)]
    if variant != 3:
        pieces += [
            toe,
            *_laces(top),
            part(band(curve((0.3, 0.66), (0.42, 0.61), (0.5, 0.56)), 0.04, 0.02), fill="accent"),
        ]
    else:
        gore = part(blob((0.38, 0.49), (0.47, 0.48), (0.46, 0.6), (0.4, 0.6)), fill="dark", bulge=0.01)
        pieces += [gore, part(band(curve((0.5, 0.5), (0.62, 0.58), (0.7, 0.68)), 0.008), fill="seam", bulge=0)]
    return pieces


def _tread(variant: int) -> list[Part]:
    line = band(curve((0.08, 0.735), (0.5, 0.745), (0.93, 0.735)), 0.014)
    if variant == 2:
        line = blob((0.06, 0.66), (0.2, 0.69), (0.42, 0.74), (0.2, 0.76), (0.07, 0.74))
    return [part(line, fill="accent", bulge=0.006)]


def _laces(top: float) -> list[Part]:
    count = 6 if top < 0.3 else 4
    rows = [
        (0.37 + 0.052 * n - (0.04 if top < 0.3 else 0), top + 0.04 + (0.53 - top) * n / count) for n in range(count)
    ]
    laces = [band(curve((x, y + 0.02), (x + 0.04, y + 0.03), (x + 0.075, y + 0.075)), 0.018) for x, y in rows]
    return [part(*laces, fill="cream", bulge=0.008)]


def sock(variant: int) -> list[Part]:
    """A pair of socks laid flat: crew, knee or ankle length."""
    top = (0.2, 0.1, 0.38)[variant]
    leg = [(0.3, top), (0.47, top), (0.47, 0.58)]
    foot = [(0.55, 0.67), (0.72, 0.73), (0.77, 0.82), (0.69, 0.88), (0.5, 0.85), (0.33, 0.76), (0.3, 0.64)]
    outline = curve(*leg, *foot, (0.3, top))
    toe = blob((0.64, 0.705), (0.72, 0.735), (0.768, 0.82), (0.69, 0.876), (0.6, 0.865), (0.6, 0.78))
    heel = blob((0.302, 0.62), (0.38, 0.66), (0.4, 0.75), (0.36, 0.775), (0.318, 0.73))
    cuff = box(0.29, top - 0.02, 0.48, top + 0.06, corner=0.015)
    ribs = [band(polygon((0.3 + 0.02 * n, top - 0.01), (0.3 + 0.02 * n, top + 0.05)), 0.004) for n in range(1, 9)]
    pieces: list[Part] = []
    for right, down in ((0.12, -0.035), (-0.06, 0.0)):
        move = np.array([right, down])
        pieces.append(part(outline + move, fill="pattern", bulge=0.05))
        pieces.append(part(toe + move, heel + move, cuff + move, fill="accent", bulge=0.02))
        pieces.append(part(*[rib + move for rib in ribs], fill="seam", bulge=0))
    return pieces
