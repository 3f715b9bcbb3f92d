"""Shapes turned on a wheel: mugs, vases, bottles, teapots, bowls and plant pots."""

from __future__ import annotations

from catalog.sample.geometry import Part, Points, band, blob, box, curve, ellipse, mirror, part, shifted, vessel

TILT = 0.16
"""How much a round rim opens towards the viewer: its height over its width."""


def _rim(half: float, y: float, *, fill: str = "main", lip: float = 0.014) -> list[Part]:
    outer, inner = ellipse(0.5, y, half, half * TILT), ellipse(0.5, y + 0.003, half - lip, half * TILT - lip * 0.6)
    return [part(outer, fill=fill, bulge=0.008), part(inner, fill="inside", bulge=0.02)]


def _handle(path: Points, width: float, fill: str = "accent") -> Part:
    return part(band(path, width), fill=fill, bulge=0.014)


def mug(variant: int) -> list[Part]:
    """A mug with a handle: straight, tapered, round or tall."""
    sides = (
        [(0.24, 0.27), (0.24, 0.5), (0.235, 0.75)],
        [(0.27, 0.28), (0.25, 0.5), (0.18, 0.74)],
        [(0.2, 0.3), (0.265, 0.46), (0.265, 0.6), (0.19, 0.76)],
        [(0.185, 0.18), (0.185, 0.5), (0.2, 0.8)],
    )
    knots = (
        [(0.72, 0.36), (0.86, 0.36), (0.88, 0.52), (0.83, 0.64), (0.71, 0.65)],
        [(0.74, 0.34), (0.88, 0.33), (0.86, 0.5), (0.7, 0.62)],
        [(0.72, 0.4), (0.85, 0.36), (0.9, 0.5), (0.84, 0.62), (0.74, 0.62)],
        [(0.67, 0.3), (0.81, 0.3), (0.83, 0.48), (0.82, 0.64), (0.68, 0.66)],
    )
    side = sides[variant]
    body = part(vessel(*side), fill="pattern", wrap=True)
    saucer = [part(ellipse(0.5, 0.8, 0.36, 0.07), fill="accent"), part(ellipse(0.5, 0.79, 0.25, 0.04), fill="main")]
    handle = _handle(shifted(curve(*knots[variant]), -0.04), 0.045)
    return [*(saucer if variant == 2 else []), handle, shifted_part(body, -0.04), *_moved(_rim(*side[0]), -0.04)]


def shifted_part(piece: Part, right: float) -> Part:
    """Return the part moved to the right."""
    outlines = tuple(shifted(outline, right) for outline in piece.outlines)
    holes = tuple(shifted(hole, right) for hole in piece.holes)
    return part(*outlines, fill=piece.fill, holes=holes, wrap=piece.wrap, bulge=piece.bulge)


def _moved(pieces: list[Part], right: float) -> list[Part]:
    return [shifted_part(piece, right) for piece in pieces]


def vase(variant: int) -> list[Part]:
    """A vase: bellied, slender, shouldered or fluted."""
    sides = (
        [(0.1, 0.13), (0.075, 0.24), (0.2, 0.45), (0.235, 0.62), (0.13, 0.86)],
        [(0.12, 0.1), (0.06, 0.2), (0.085, 0.45), (0.15, 0.68), (0.12, 0.88)],
        [(0.13, 0.16), (0.11, 0.22), (0.25, 0.34), (0.23, 0.55), (0.13, 0.86)],
        [(0.2, 0.14), (0.13, 0.3), (0.11, 0.5), (0.17, 0.72), (0.15, 0.87)],
    )
    side = sides[variant]
    pieces = [part(vessel(*side), fill="pattern", wrap=True), *_rim(*side[0])]
    if variant == 0:
        ears = [curve((0.42, 0.2), (0.31, 0.22), (0.3, 0.34), (0.36, 0.4))]
        ears.append(mirror(ears[0]))
        pieces = [*(_handle(ear, 0.028) for ear in ears), *pieces]
    if variant == 2:
        pieces.append(part(vessel((0.142, 0.83), (0.134, 0.865)), fill="accent", wrap=True))
    return pieces


def bottle(variant: int) -> list[Part]:
    """A drinking bottle: sports, milk, slim or flask."""
    sides = (
        [(0.075, 0.2), (0.14, 0.29), (0.15, 0.4), (0.145, 0.65), (0.15, 0.88)],
        [(0.08, 0.18), (0.08, 0.3), (0.16, 0.44), (0.165, 0.6), (0.16, 0.88)],
        [(0.1, 0.24), (0.11, 0.32), (0.11, 0.6), (0.11, 0.89)],
        [(0.1, 0.22), (0.19, 0.36), (0.21, 0.6), (0.2, 0.86)],
    )
    half, top = sides[variant][0]
    body = part(vessel(*sides[variant]), fill="pattern", wrap=True)
    cap = part(vessel((half * 1.05, top - 0.09), (half * 1.1, top + 0.015)), fill="accent", wrap=True)
    pieces = [body, cap, part(ellipse(0.5, top - 0.09, half * 1.05, half * TILT), fill="accent")]
    if variant == 0:
        pieces.append(part(vessel((0.035, top - 0.14), (0.04, top - 0.085)), fill="dark", wrap=True))
    if variant == 1:
        pieces.append(part(box(0.42, 0.56, 0.58, 0.72, corner=0.03), fill="cream", bulge=0.006))
    if variant == 3:
        loop = curve((0.4, 0.13), (0.42, 0.05), (0.5, 0.03), (0.58, 0.05), (0.6, 0.13))
        pieces.insert(0, _handle(loop, 0.03, "dark"))
    if variant == 2:
        pieces.append(part(vessel((0.113, 0.8), (0.113, 0.89)), fill="accent", wrap=True))
    return pieces


def teapot(variant: int) -> list[Part]:
    """A teapot: round, tall or low."""
    sides = (
        [(0.11, 0.36), (0.22, 0.43), (0.255, 0.57), (0.22, 0.7), (0.14, 0.78)],
        [(0.1, 0.26), (0.17, 0.36), (0.2, 0.56), (0.19, 0.8)],
        [(0.13, 0.46), (0.26, 0.52), (0.29, 0.62), (0.25, 0.72), (0.17, 0.77)],
    )
    half, top = sides[variant][0]
    low = sides[variant][-1][1]
    middle = (top + low) / 2 + 0.03
    edge = 0.5 + sides[variant][-2][0] - 0.02
    spout = curve((edge, middle + 0.06), (edge + 0.09, middle), (edge + 0.12, top + 0.06), (edge + 0.18, top + 0.01))
    handle = curve(
        (1.0 - edge, top + 0.09), (0.9 - edge, top + 0.04), (0.83 - edge, middle), (0.89 - edge, middle + 0.12),
        (1.02 - edge, middle + 0.13),
    )  # fmt: skip
    if variant == 2:
        handle = curve((0.28, 0.53), (0.31, 0.34), (0.5, 0.26), (0.69, 0.34), (0.72, 0.53))
    lid = part(vessel((0.02, top - 0.075), (half * 0.7, top - 0.055), (half * 1.02, top)), fill="accent", wrap=True)
    knob = part(ellipse(0.5, top - 0.095, 0.03, 0.028), fill="accent", bulge=0.02)
    body = part(vessel(*sides[variant]), fill="pattern", wrap=True)
    return [part(band(spout, 0.1, 0.045), fill="main"), _handle(handle, 0.036), body, lid, knob]


def bowl(variant: int) -> list[Part]:
    """A bowl: deep, wide or footed."""
    sides = (
        [(0.31, 0.4), (0.29, 0.54), (0.2, 0.67), (0.12, 0.71)],
        [(0.36, 0.44), (0.31, 0.54), (0.18, 0.63), (0.12, 0.65)],
        [(0.28, 0.34), (0.27, 0.46), (0.17, 0.58), (0.06, 0.62)],
    )
    side = sides[variant]
    low = side[-1][1]
    foot = part(vessel((0.08, low - 0.02), (0.1, low + 0.06)), fill="accent", wrap=True)
    if variant == 2:
        foot = part(vessel((0.05, low - 0.02), (0.055, low + 0.08), (0.15, low + 0.16)), fill="accent", wrap=True)
    half, top = side[0]
    inside = [part(ellipse(0.5, top, half, half * 0.3), fill="accent", bulge=0.008)]
    inside.append(part(ellipse(0.5, top + 0.004, half - 0.014, half * 0.3 - 0.01), fill="inside", bulge=0.06))
    return [foot, part(vessel(*side), fill="pattern", wrap=True), *inside]


def plant_pot(variant: int) -> list[Part]:
    """A pot with a plant: succulent, snake plant or a leafy one."""
    sides = (
        [(0.2, 0.54), (0.2, 0.7), (0.19, 0.85)],
        [(0.2, 0.52), (0.17, 0.7), (0.13, 0.86)],
        [(0.15, 0.55), (0.22, 0.64), (0.21, 0.78), (0.13, 0.86)],
    )
    side = sides[variant]
    half, top = side[0]
    earth = part(ellipse(0.5, top + 0.003, half - 0.02, half * TILT - 0.01), fill="earth", bulge=0.01)
    rim = part(ellipse(0.5, top, half, half * TILT), fill="accent", bulge=0.008)
    pot = part(vessel(*side), fill="pattern", wrap=True)
    return [pot, rim, earth, *_leaves(variant, top)]


def _leaves(variant: int, top: float) -> list[Part]:
    if variant == 0:
        tips = [(0.24, 0.42), (0.76, 0.42), (0.31, 0.31), (0.69, 0.31), (0.4, 0.25), (0.6, 0.25), (0.5, 0.21)]
        return [_leaf((0.5, top), tip, 0.09) for tip in tips]
    if variant == 1:
        tips = [(0.38, 0.16), (0.62, 0.2), (0.3, 0.28), (0.7, 0.32), (0.5, 0.1)]
        return [_leaf((0.5 + (tip[0] - 0.5) * 0.4, top), tip, 0.075) for tip in tips]
    stems = [(0.26, 0.36), (0.74, 0.34), (0.36, 0.2), (0.64, 0.18), (0.5, 0.28)]
    pieces = [part(band(curve((0.5, top), (0.5, (top + y) / 2), (x, y)), 0.012), fill="stem") for x, y in stems]
    return pieces + [part(ellipse(x, y, 0.1, 0.065, turn=(x - 0.5) * 4), fill="leaf", bulge=0.03) for x, y in stems]


def _leaf(root: tuple[float, float], tip: tuple[float, float], width: float) -> Part:
    middle_x, middle_y = (root[0] + tip[0]) / 2, (root[1] + tip[1]) / 2
    along_x, along_y = tip[0] - root[0], tip[1] - root[1]
    length = (along_x**2 + along_y**2) ** 0.5
    side_x, side_y = -along_y / length * width / 2, along_x / length * width / 2
    sides = (middle_x + side_x, middle_y + side_y), (middle_x - side_x, middle_y - side_y)
    return part(blob(root, sides[0], tip, sides[1]), fill="leaf", bulge=0.02)
