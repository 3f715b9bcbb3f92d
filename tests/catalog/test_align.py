"""Finding a crop: the place is that of the highest correlation, and is then found to a fraction of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.align import COARSE_SIDE, EXACT, ROUGH, Scene, Template, Thumbnail, refine
from tests.catalog.drawn import at_home


@settings(deadline=None, max_examples=40)
@given(
    scene=st.tuples(st.integers(6, COARSE_SIDE), st.integers(6, COARSE_SIDE)),
    part=st.tuples(st.integers(3, COARSE_SIDE), st.integers(3, COARSE_SIDE)),
    seed=st.integers(0, 1000),
)
def test_the_place_is_that_of_the_highest_correlation(scene: tuple[int, int], part: tuple[int, int], seed: int) -> None:
    random = np.random.default_rng(seed)
    levels = random.uniform(0, 255, scene).astype(np.float32)
    wanted = random.uniform(0, 255, part).astype(np.float32)
    correlation, box = Scene.of(levels).find([Template.of(wanted)])
    if part[0] > scene[0] or part[1] > scene[1]:
        assert correlation == -1
        return
    windows = np.lib.stride_tricks.sliding_window_view(levels, part)
    everywhere = np.array([[np.corrcoef(window.ravel(), wanted.ravel())[0, 1] for window in row] for row in windows])
    assert correlation == pytest.approx(everywhere.max(), abs=1e-3)
    top, left = round(box[1] * scene[0]), round(box[0] * scene[1])
    assert everywhere[top, left] == pytest.approx(everywhere.max(), abs=1e-3)
    assert box == pytest.approx(
        (left / scene[1], top / scene[0], (left + part[1]) / scene[1], (top + part[0]) / scene[0])
    )


def test_a_plain_picture_correlates_with_nothing() -> None:
    plain, noise = np.full((20, 20), 90, np.float32), np.random.default_rng(0).uniform(0, 255, (30, 30))
    assert Scene.of(noise.astype(np.float32)).find([Template.of(plain)])[0] == pytest.approx(0, abs=1e-3)
    assert Scene.of(plain).find([Template.of(noise[:20, :20].astype(np.float32))])[0] < 0.1


@pytest.mark.parametrize("keep", [0.95, 0.8, 0.6])
@pytest.mark.parametrize("number", [0, 4, 9])
def test_a_crop_is_placed_to_a_third_of_a_pixel(number: int, keep: float) -> None:
    photo = at_home(number)
    side = round(photo.width * keep)
    left, top = (int(value) for value in np.random.default_rng(number).integers(0, photo.width - side + 1, 2))
    whole, crop = Thumbnail.of(photo), Thumbnail.of(photo.crop((left, top, left + side, top + side)))
    correlation, box = whole.scene.find(crop.templates)
    assert correlation > 0.85
    found = refine(whole.grey, crop.grey, refine(whole.grey, crop.grey, box, ROUGH), EXACT)
    right = np.array((left, top, left + side, top + side)) / photo.width
    assert np.abs(np.array(found) - right).max() * whole.image.width < 1 / 3
