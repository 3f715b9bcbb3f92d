"""Whether two photos are the same picture: resized, recompressed, cropped, watermarked or mirrored, and nothing else.

Decided on pixels. One picture is placed within the other (catalog/align.py); then colours are compared place by place,
blurred a little so that a JPEG's noise and a change of size do not count. What is left over must be next to nothing, or
must look like a watermark: everywhere a blend, not too opaque, of the one picture with white, grey or black. The same
design in another colour is neither, and another photo of the same thing fits nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from catalog.align import EXACT, ROUGH, Box, Thumbnail, cut, refine

Floats = npt.NDArray[np.float32]

LONG_SIDE = 96
"""Long side at which colours are compared, in pixels."""
BLUR = 5
"""Side of the square over which they are averaged first."""
LEAST_CORRELATION = 0.7
"""Normalised cross-correlation below which no place is looked at any closer."""
CLEAR = 16.0
"""Levels (of 255) of any colour channel by which pixels clearly differ."""
SLIGHT = 10.0
"""Levels by which a pixel may miss the blend of a watermark."""
HOPELESS = 0.4
"""Part of the pixels that clearly differ at a rough place, above which no exact place is looked for."""
MOST_DIFFERENT = 0.012
"""Part of the pixels, and ten times it the part of those that are not plain background, that may clearly differ."""
MOST_MARKED = 0.2
"""Part of the pixels that a watermark may clearly change."""
MOST_UNBLENDED = 0.002
"""Part of the pixels that may miss the blend."""
MOST_OPAQUE = 0.75
"""Opacity of a watermark beyond which it hides what it lies on."""
INKS = (0.0, 128.0, 255.0)
"""Black, grey and white: what watermarks are blended with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two photos have in common.

    Attributes:
        same: whether they are the same picture.
        mirrored: whether one shows it with left and right exchanged.
        marked: whether one of them bears a watermark that the other does not.
        overlap: the part of the larger view that the smaller one shows, in (0, 1]; 1: neither is cropped.
        different: the part of the common pixels that clearly differ, in [0, 1].
    """

    same: bool
    mirrored: bool = False
    marked: bool = False
    overlap: float = 1.0
    different: float = 1.0


def compare(one: Thumbnail, other: Thumbnail) -> Comparison:
    """Hold two photos against each other. The order does not matter to the verdict but for rounding.

    Rotated copies, copies in other colours, and two crops of which neither contains the other are not recognised.
    """
    nearest = Comparison(same=False)
    for correlation, box, mirrored, scene, part in _places(one, other):
        if correlation < LEAST_CORRELATION:
            break
        rough = refine(scene.grey, part.grey, box, ROUGH)
        if _differing(*_common(scene.image, part.image, rough)).mean() > HOPELESS:
            continue
        exact = refine(scene.grey, part.grey, rough, EXACT)
        found = _verdict(*_common(scene.image, part.image, exact), exact, mirrored)
        if found.same:
            return found
        nearest = min(nearest, found, key=lambda each: each.different)
    return nearest


def _places(one: Thumbnail, other: Thumbnail) -> Iterator[tuple[float, Box, bool, Thumbnail, Thumbnail]]:
    """Where one lies within the other, or the other in it: the best place plain, and mirrored, the better one first."""
    found = []
    for mirrored, seen in ((False, other), (True, other.mirrored)):
        either_way = ((one, seen), (seen, one))
        places = [(*scene.scene.find(part.templates), mirrored, scene, part) for scene, part in either_way]
        found.append(max(places, key=lambda place: place[0]))
    yield from sorted(found, key=lambda place: -place[0])


def _common(scene: Image.Image, part: Image.Image, box: Box) -> tuple[Floats, Floats]:
    """What both show, float32 (H, W, 3) each, blurred."""
    across, down = (box[2] - box[0]) * scene.width, (box[3] - box[1]) * scene.height
    scale = LONG_SIDE / max(across, down)
    size = (max(BLUR, round(across * scale)), max(BLUR, round(down * scale)))
    pictures = cut(scene, box, size), part.resize(size, Image.Resampling.HAMMING)
    one, other = (
        ndimage.uniform_filter(np.asarray(picture, np.float32), (BLUR, BLUR, 1), mode="nearest") for picture in pictures
    )
    return one, other


def _verdict(one: Floats, other: Floats, box: Box, mirrored: bool) -> Comparison:
    """What two aligned pictures have in common."""
    differs = _differing(one, other)
    different, of_content = float(differs.mean()), float(differs.sum() / max(1, _content(one, other).sum()))
    overlap = (box[2] - box[0]) * (box[3] - box[1])
    if different <= MOST_DIFFERENT and of_content <= 10 * MOST_DIFFERENT:
        return Comparison(same=True, mirrored=mirrored, overlap=overlap, different=different)
    marked = different <= MOST_MARKED and _unblended(one, other) <= MOST_UNBLENDED
    return Comparison(same=marked, mirrored=mirrored, marked=marked, overlap=overlap, different=different)


def _differing(one: Floats, other: Floats) -> npt.NDArray[np.bool_]:
    """Pixels that clearly differ, bool (H, W)."""
    return _largest(one - other) > CLEAR


def _largest(differences: Floats) -> Floats:
    """The size of the largest of three channels' differences, (…, 3) to (…)."""
    red, green, blue = (np.abs(differences[..., channel]) for channel in range(3))
    largest: Floats = np.maximum(np.maximum(red, green), blue)
    return largest


def _content(one: Floats, other: Floats) -> npt.NDArray[np.bool_]:
    """Pixels that are not of the plain colour that most of the picture has, bool (H, W)."""
    ground = np.median(one.reshape(-1, 3), axis=0)
    return np.maximum(_largest(one - ground), _largest(other - ground)) > CLEAR


def _unblended(one: Floats, other: Floats) -> float:
    """Part of the pixels of the one that are no blend of the other's and an ink, by the ink that explains most."""
    misses = []
    in_question = _largest(one - other) > SLIGHT  # all others are blends of opacity 0
    pixels, one, other = in_question.size, one[in_question], other[in_question]
    for clean, marked in ((one, other), (other, one)):
        for ink in INKS:
            towards = ink - clean
            opacity = ((marked - clean) * towards).sum(axis=1) / np.maximum((towards**2).sum(axis=1), 1.0)
            blend = clean + opacity.clip(0, MOST_OPAQUE)[:, None] * towards
            misses.append(int((_largest(marked - blend) > SLIGHT).sum()) / pixels)
    return min(misses)
