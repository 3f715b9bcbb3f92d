"""Shapes that people carry: handbags, backpacks and umbrellas."""

from __future__ import annotations

from itertools import pairwise

from catalog.sample.geometry import Part, band, blob, box, curve, dashes, ellipse, mirror, mirrored, part, polygon


def handbag(variant: int) -> list[Part]:
    """A handbag: tote, satchel with a flap, bucket or half-moon."""
    return (_tote, _satchel, _bucket, _half_moon)[variant]()


def _tote() -> list[Part]:
    body = mirrored((0.27, 0.4), (0.29, 0.41), (0.33, 0.82), (0.31, 0.85), (0.0, 0.85), smooth=False)
    loop = band(curve((0.36, 0.46), (0.37, 0.25), (0.5, 0.14), (0.63, 0.25), (0.64, 0.46)), 0.032)
    behind = band(curve((0.4, 0.42), (0.41, 0.25), (0.5, 0.19), (0.59, 0.25), (0.6, 0.42)), 0.026)
    base = mirrored((0.318, 0.72), (0.33, 0.82), (0.31, 0.85), (0.0, 0.85), (0.0, 0.72), smooth=False)
    rivets = [ellipse(x, y, 0.012, 0.012) for x in (0.36, 0.64) for y in (0.45, 0.5)]
    tabs = [box(0.335, 0.42, 0.385, 0.53, corner=0.012), box(0.615, 0.42, 0.665, 0.53, corner=0.012)]
    stitches = dashes(polygon((0.19, 0.71), (0.81, 0.71)), count=30)
    pieces = [part(behind, fill="shade", bulge=0.01), part(body, fill="pattern", bulge=0.05)]
    pieces += [part(base, fill="accent", bulge=0.04), part(*stitches, fill="cream", bulge=0)]
    return [*pieces, part(loop, *tabs, fill="accent", bulge=0.012), part(*rivets, fill="metal", bulge=0.008)]


def _satchel() -> list[Part]:
    body = box(0.14, 0.4, 0.86, 0.82, corner=0.06)
    flap = mirrored((0.0, 0.38), (0.34, 0.38), (0.37, 0.42), (0.35, 0.56), (0.2, 0.63), (0.0, 0.65))
    handle = band(curve((0.36, 0.41), (0.38, 0.27), (0.5, 0.22), (0.62, 0.27), (0.64, 0.41)), 0.04)
    straps = [box(x, 0.5, x + 0.055, 0.74, corner=0.012) for x in (0.26, 0.685)]
    buckles = [box(x - 0.012, 0.62, x + 0.067, 0.69, corner=0.012) for x in (0.26, 0.685)]
    holes = [box(x + 0.01, 0.64, x + 0.045, 0.67, corner=0.006) for x in (0.26, 0.685)]
    stitches = dashes(curve((0.16, 0.54), (0.3, 0.605), (0.5, 0.63), (0.7, 0.605), (0.84, 0.54)), count=30)
    pieces = [part(handle, fill="accent", bulge=0.016), part(body, fill="main", bulge=0.05)]
    pieces += [part(flap, fill="pattern", bulge=0.04), part(*stitches, fill="cream", bulge=0)]
    return [*pieces, part(*straps, fill="accent", bulge=0.012), part(*buckles, fill="metal", holes=holes, bulge=0.008)]


def _bucket() -> list[Part]:
    body = mirrored((0.21, 0.36), (0.23, 0.5), (0.27, 0.82), (0.12, 0.875), (0.0, 0.88))
    mouth = ellipse(0.5, 0.37, 0.215, 0.045)
    strap = band(curve((0.31, 0.42), (0.28, 0.2), (0.5, 0.09), (0.72, 0.2), (0.69, 0.42)), 0.03)
    cord = band(curve((0.29, 0.46), (0.5, 0.495), (0.71, 0.46)), 0.016)
    ends = [
        band(curve((0.5, 0.49), (0.46, 0.57), (0.47, 0.64)), 0.014),
        band(curve((0.5, 0.49), (0.54, 0.56), (0.54, 0.62)), 0.014),
    ]
    tassels = [ellipse(0.47, 0.66, 0.02, 0.035), ellipse(0.54, 0.64, 0.02, 0.035)]
    pieces = [part(strap, fill="accent", bulge=0.012), part(body, fill="pattern", wrap=True)]
    pieces += [part(mouth, fill="inside", bulge=0.02), part(cord, *ends, fill="accent", bulge=0.008)]
    return [*pieces, part(*tassels, fill="accent", bulge=0.015)]


def _half_moon() -> list[Part]:
    body = mirrored((0.0, 0.46), (0.36, 0.42), (0.37, 0.52), (0.3, 0.7), (0.16, 0.81), (0.0, 0.83))
    zip_line = band(curve((0.15, 0.45), (0.5, 0.485), (0.85, 0.45)), 0.022)
    strap = band(curve((0.15, 0.45), (0.25, 0.24), (0.5, 0.15), (0.75, 0.24), (0.85, 0.45)), 0.045)
    rings = [ellipse(x, 0.445, 0.03, 0.03) for x in (0.15, 0.85)]
    holes = [ellipse(x, 0.445, 0.016, 0.016) for x in (0.15, 0.85)]
    pull = box(0.7, 0.47, 0.725, 0.56, corner=0.01)
    pieces = [part(strap, fill="accent", bulge=0.014), part(body, fill="pattern", bulge=0.09)]
    return [
        *pieces,
        part(zip_line, fill="dark", bulge=0.006),
        part(*rings, pull, fill="metal", holes=holes, bulge=0.008),
    ]


def backpack(variant: int) -> list[Part]:
    """A backpack: school, roll top, flap or mini."""
    top = (0.17, 0.22, 0.18, 0.27)[variant]
    half = (0.27, 0.24, 0.25, 0.25)[variant]
    body = mirrored(
        (0.0, top), (half * 0.75, top + 0.03), (half, top + 0.2), (half + 0.02, 0.8), (half - 0.06, 0.87), (0.0, 0.875)
    )
    if variant == 1:
        body = mirrored((half, top), (half, 0.84), (half - 0.03, 0.875), (0.0, 0.875), smooth=False)
    straps = band(curve((0.5 - half + 0.06, 0.3), (0.5 - half - 0.06, 0.5), (0.5 - half + 0.02, 0.8)), 0.055)
    grip = band(curve((0.44, top + 0.02), (0.45, top - 0.06), (0.55, top - 0.06), (0.56, top + 0.02)), 0.026)
    pieces = [part(straps, mirror(straps), grip, fill="accent", bulge=0.014), part(body, fill="pattern", bulge=0.08)]
    return pieces + (_zip_pocket, _roll, _flap, _front_pocket)[variant](half, top)


def _zip_pocket(half: float, top: float) -> list[Part]:
    pocket = box(0.5 - half + 0.05, 0.56, 0.45 + half, 0.83, corner=0.05)
    line = band(curve((0.5 - half + 0.09, 0.62), (0.5, 0.605), (0.41 + half, 0.62)), 0.014)
    arch = band(curve((0.5 - half + 0.03, 0.5), (0.34, 0.27), (0.5, 0.22), (0.66, 0.27), (0.47 + half, 0.5)), 0.012)
    pull = box(0.63, 0.61, 0.65, 0.68, corner=0.008)
    pieces = [part(arch, fill="dark", bulge=0.004), part(pocket, fill="accent", bulge=0.04)]
    return [*pieces, part(line, fill="dark", bulge=0.004), part(pull, fill="metal", bulge=0.006)]


def _roll(half: float, top: float) -> list[Part]:
    roll = box(0.5 - half - 0.02, top - 0.05, 0.52 + half, top + 0.07, corner=0.05)
    strap = box(0.47, top - 0.05, 0.53, 0.6, corner=0.012)
    buckle = box(0.445, 0.5, 0.555, 0.57, corner=0.015)
    base = box(0.5 - half, 0.72, 0.5 + half, 0.875, corner=0.03)
    pieces = [part(base, fill="accent", bulge=0.03), part(roll, fill="main", bulge=0.05)]
    return [*pieces, part(strap, fill="accent", bulge=0.012), part(buckle, fill="metal", bulge=0.01)]


def _flap(half: float, top: float) -> list[Part]:
    flap = mirrored(
        (0.0, top - 0.01), (half * 0.8, top + 0.03), (half + 0.01, top + 0.15), (half, 0.48), (0.12, 0.53), (0.0, 0.535)
    )
    straps = [box(x, 0.44, x + 0.05, 0.72, corner=0.012) for x in (0.345, 0.605)]
    buckles = [box(x - 0.012, 0.6, x + 0.062, 0.66, corner=0.012) for x in (0.345, 0.605)]
    pocket = box(0.5 - half + 0.04, 0.6, 0.46 + half, 0.83, corner=0.04)
    pieces = [part(pocket, fill="main", bulge=0.04), part(flap, fill="accent", bulge=0.05)]
    return [*pieces, part(*straps, fill="trim", bulge=0.01), part(*buckles, fill="metal", bulge=0.008)]


def _front_pocket(half: float, top: float) -> list[Part]:
    pocket = blob((0.34, 0.6), (0.5, 0.58), (0.66, 0.6), (0.67, 0.76), (0.6, 0.82), (0.4, 0.82), (0.33, 0.76))
    flap = mirrored((0.0, 0.56), (0.17, 0.57), (0.175, 0.63), (0.08, 0.69), (0.0, 0.7))
    patch = part(ellipse(0.5, 0.43, 0.07, 0.07), fill="cream", bulge=0.01)
    stud = part(ellipse(0.5, 0.665, 0.015, 0.015), fill="metal", bulge=0.008)
    return [part(pocket, fill="main", bulge=0.04), part(flap, fill="accent", bulge=0.02), patch, stud]


def umbrella(variant: int) -> list[Part]:
    """An open umbrella: classic, dome or parasol."""
    low = (0.52, 0.6, 0.44)[variant]
    top = (0.16, 0.12, 0.2)[variant]
    half = (0.41, 0.34, 0.43)[variant]
    count = (6, 4, 8)[variant]
    edge = [(0.5 - half + 2 * half * n / count, low) for n in range(count + 1)]
    arch = curve(
        (0.5 - half, low),
        (0.5 - half * 0.8, (low + top) / 2 - 0.05),
        (0.5, top),
        (0.5 + half * 0.8, (low + top) / 2 - 0.05),
        (0.5 + half, low),
    )
    scallops = [curve(b, ((a[0] + b[0]) / 2, low - 0.035), a) for a, b in pairwise(edge)][::-1]
    canopy = polygon(*arch.tolist(), *[point for scallop in scallops for point in scallop.tolist()])
    ribs = [curve((0.5, top), (0.5 + (x - 0.5) * 0.75, (low + top) / 2 - 0.03), (x, low)) for x, _ in edge[1:-1]]
    end = 0.86
    hook = curve(
        (0.5, low - 0.1), (0.5, end - 0.06), (0.5, end), (0.54, end + 0.05), (0.59, end + 0.02), (0.6, end - 0.03)
    )
    if variant == 2:
        hook = curve((0.5, low - 0.1), (0.5, 0.7), (0.5, 0.92))
    stick = part(band(hook[:-14], 0.016), fill="metal", bulge=0.006)
    grip = part(band(hook[-22:], 0.032), fill="accent", bulge=0.014)
    tip = part(band(curve((0.5, top + 0.01), (0.5, top - 0.02), (0.5, top - 0.05)), 0.014), fill="metal", bulge=0.006)
    rim = part(*[band(scallop, 0.014) for scallop in scallops], fill="accent", bulge=0.005)
    lines = part(*[band(rib, 0.005) for rib in ribs], fill="seam", bulge=0)
    return [stick, grip, tip, part(canopy, fill="pattern", bulge=0.1), rim, lines]
