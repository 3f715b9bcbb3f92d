"""The colour histogram: the baseline that needs no network at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

HUES, SATURATIONS, VALUES = 16, 4, 4
DIM = HUES * SATURATIONS * VALUES


def colour_histogram(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """How much of a picture has which colour: hue x saturation x value, as square roots, of unit norm.

    The inner product of two such vectors is the Bhattacharyya coefficient of the histograms.

    Args:
        pixels: RGB, uint8 (H, W, 3).

    Returns:
        float32 (256,).
    """
    hsv = np.asarray(Image.fromarray(pixels).convert("HSV")).reshape(-1, 3).astype(np.int64)
    bins = (hsv[:, 0] * HUES // 256 * SATURATIONS + hsv[:, 1] * SATURATIONS // 256) * VALUES + hsv[:, 2] * VALUES // 256
    counts = np.bincount(bins, minlength=DIM)
    vector: npt.NDArray[np.float32] = np.sqrt(counts / counts.sum()).astype(np.float32)
    return vector
