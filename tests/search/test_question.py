"""A part of a photo: which pixels it is of, and how large the photo must be decoded for it."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from catalog.image import decode_photo
from search.question import Crop, decoded_part

PARTS = st.tuples(st.integers(0, 99), st.integers(1, 100)).map(lambda two: (two[0] / 100, min(1.0, sum(two) / 100)))


@given(size=st.tuples(st.integers(1, 3000), st.integers(1, 3000)), side=st.integers(1, 256), across=PARTS, down=PARTS)
def test_a_part_has_as_many_pixels_as_were_asked_for(
    size: tuple[int, int], side: int, across: tuple[float, float], down: tuple[float, float]
) -> None:
    """Of a photo that is decoded at its whole size, or as small as it may be."""
    decoded = []

    def decode(fit: int) -> Image.Image:
        scale = min(1.0, fit / min(size))
        decoded.append(Image.new("L", (int(np.ceil(size[0] * scale)), int(np.ceil(size[1] * scale)))))
        return decoded[0]

    crop = Crop(left=across[0], right=across[1], top=down[0], bottom=down[1])
    part = decoded_part(decode, side, crop)
    if decoded[0].size != size:
        assert min(part.size) >= side
    for pixels, whole, (first, last) in zip(part.size, decoded[0].size, (across, down), strict=True):
        assert pixels == pytest.approx((last - first) * whole, abs=2) and pixels >= 1


def test_a_small_part_of_a_large_jpeg_is_decoded_large_enough() -> None:
    """Fine stripes in a corner are still there; decoded as small as the whole photo may be, they would be grey."""
    stripes = np.zeros((1600, 1600), np.uint8)
    stripes[:200, :200:4] = stripes[:200, 1:200:4] = 255
    data = BytesIO()
    Image.fromarray(stripes).save(data, "JPEG", quality=95)
    part = decoded_part(lambda fit: decode_photo(data.getvalue(), fit=fit).image, 200, Crop(right=1 / 8, bottom=1 / 8))
    assert part.size == (200, 200)
    assert np.asarray(part.convert("L"), np.float32)[50:150, 50:150].std() > 100
    assert decoded_part(lambda fit: decode_photo(data.getvalue(), fit=fit).image, 200, None).size == (200, 200)
