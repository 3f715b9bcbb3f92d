"""From a decoded photo to an encoder's input: one function for catalog, queries and evaluation. Imports no torch."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.spec import EncoderSpec


def decode_size(spec: EncoderSpec) -> int:
    """The short side, in pixels, below which a photo must not be decoded for this encoder."""
    return math.ceil(spec.image_size / spec.centre_crop)


def preprocess(photo: Image.Image, spec: EncoderSpec) -> npt.NDArray[np.uint8]:
    """The centred square of a photo at the encoder's size.

    Args:
        photo: RGB, upright.

    Returns:
        uint8 (image_size, image_size, 3); mean and std are applied inside the encoder.
    """
    width, height = photo.size
    side = min(width, height) * spec.centre_crop
    left, top = (width - side) / 2, (height - side) / 2
    size = (spec.image_size, spec.image_size)
    square = photo.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return np.asarray(square)
