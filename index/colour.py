"""The colour descriptor: which colours the thing in a photo has, as a block of a vector. Chosen by measurement: 0020.

A histogram over CIELAB, in which equal distances look about equally different (CIE 015:2018), with soft bins, so that
a colour beside a bin's edge does not jump. What differs from the photo's border, and what lies at its centre, counts
more: a customer's table should not be searched for.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from index.vectors import Floats

BINS = (4, 5, 5)
"""Of lightness, green to red, blue to yellow; odd numbers of the last two put a bin's middle on grey."""
NAME = "lab-{}x{}x{}".format(*BINS)
"""What a version calls the block; another descriptor needs another name."""
DIMENSION = BINS[0] * BINS[1] * BINS[2]
LOW, HIGH = np.array([5.0, -45.0, -45.0]), np.array([100.0, 45.0, 45.0])
"""CIELAB values at the middles of the outermost bins; what lies beyond counts there."""
SIDE = 32
"""Side, in pixels, at which colours are looked at."""
BORDER_DISTANCE, BORDER_SOFTNESS = 12.0, 4.0
"""How far from the border's colour, beyond the border's own spread, is half foreground; and how soon all of it."""
LEAST = 0.02
"""What every pixel counts at least, so that a photo that is its own background has a colour, too."""
CENTRE = 0.3
"""Standard deviation of the weight around the centre, as a part of the side."""

_TO_LAB = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
_FROM_CENTRE = (np.arange(SIDE) - (SIDE - 1) / 2) / SIDE
_CENTRED = np.exp(-(_FROM_CENTRE[:, None] ** 2 + _FROM_CENTRE**2) / (2 * CENTRE**2))

Array = npt.NDArray[np.float64]


def colour_descriptor(pixels: npt.NDArray[np.uint8]) -> Floats:
    """The square roots of a photo's colour histogram: float32 (DIMENSION,), of unit norm.

    The inner product of two is the histograms' Bhattacharyya coefficient: 0 for no colour in common, 1 for the same.

    Args:
        pixels: RGB, uint8 (H, W, 3).
    """
    lab = to_lab(pixels)
    histogram = soft_histogram(lab, object_weights(lab), BINS)
    descriptor: Floats = np.sqrt(histogram / histogram.sum()).astype(np.float32)
    return descriptor


def to_lab(pixels: npt.NDArray[np.uint8]) -> Array:
    """CIELAB of an sRGB photo, squeezed: (SIDE, SIDE, 3), lightness 0 … 100, the others -128 … 127."""
    image = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX)
    converted = np.asarray(ImageCms.applyTransform(image, _TO_LAB))
    lightness = converted[..., :1] * (100 / 255)
    return np.concatenate([lightness, converted.view(np.int8)[..., 1:]], axis=-1)


def object_weights(lab: Array) -> Array:
    """How much each pixel counts, (SIDE, SIDE): by its distance from the border's usual colour, and by its place."""
    border = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    background = np.median(border, axis=0)
    spread = np.median(np.linalg.norm(border - background, axis=1))
    distance = np.linalg.norm(lab - background, axis=-1)
    foreground = 1 / (1 + np.exp(-(distance - BORDER_DISTANCE - spread) / BORDER_SOFTNESS))
    weights: Array = (LEAST + foreground) * _CENTRED
    return weights


def soft_histogram(lab: Array, weights: Array, bins: tuple[int, int, int]) -> Array:
    """Weight in each bin, (product of bins,): every pixel is shared among the eight bins around its colour."""
    place = (np.clip(lab, LOW, HIGH) - LOW) / (HIGH - LOW) * (np.array(bins) - 1)
    lightness, green_red, blue_yellow = (
        np.maximum(0.0, 1.0 - np.abs(place[..., axis].reshape(-1, 1) - np.arange(bins[axis]))) for axis in range(3)
    )
    hues = (green_red[:, :, None] * blue_yellow[:, None, :]).reshape(len(lightness), -1)
    histogram: Array = ((lightness * weights.reshape(-1, 1)).T @ hues).ravel()
    return histogram
