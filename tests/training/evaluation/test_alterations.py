"""Alterations: the same copy for the same photo, a changed but recognisable one, and nothing that training draws."""

from __future__ import annotations

import hashlib
import inspect
import subprocess
import sys
from dataclasses import fields

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from training.config import ViewConfig
from training.evaluation import alterations
from training.evaluation.alterations import ALTERATIONS, FAMILIES, alter

Pixels = npt.NDArray[np.float64]

KEYS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(25)]
"""Content hashes of 25 photos, that is 25 draws of each family."""


def product(width: int = 240, height: int = 200) -> Image.Image:
    """A striped red vase before a bluish wall: colours away from 0 and 255, so that noise is not clipped."""
    photo = Image.new("RGB", (width, height), (120, 140, 170))
    draw = ImageDraw.Draw(photo)
    draw.rectangle((0, height * 0.7, width, height), fill=(150, 130, 100))
    draw.ellipse((width * 0.3, height * 0.15, width * 0.7, height * 0.9), fill=(180, 60, 70))
    for stripe in range(4):
        top = height * (0.3 + 0.12 * stripe)
        draw.rectangle((width * 0.38, top, width * 0.62, top + height * 0.05), fill=(200, 190, 90))
    return photo


def texture() -> Image.Image:
    """White noise: no pixel is like its neighbour."""
    return Image.fromarray(np.random.default_rng(5).integers(40, 216, (192, 256, 3), dtype=np.uint8))


def values(photo: Image.Image) -> Pixels:
    return np.asarray(photo, np.float64)


def copies(photo: Image.Image, family: str) -> list[Pixels]:
    return [values(alter(photo, family, key)) for key in KEYS]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_photo_gets_the_same_copy_each_time_and_keeps_its_own_pixels(family: str) -> None:
    photo = product()
    before = photo.tobytes()
    first = alter(photo, family, KEYS[0])
    assert alter(photo.copy(), family, KEYS[0]).tobytes() == first.tobytes()
    assert photo.tobytes() == before


@pytest.mark.parametrize("family", FAMILIES)
def test_photos_are_drawn_for_each_alone(family: str) -> None:
    assert len({alter(product(), family, key).tobytes() for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize("size", [(8, 8), (10, 300), (300, 10), (301, 299), (31, 47)])
@pytest.mark.parametrize("family", FAMILIES)
def test_any_size_keeps_size_and_mode_and_is_changed(family: str, size: tuple[int, int]) -> None:
    photo = product(*size)
    for key in KEYS[:6]:
        copy = alter(photo, family, key)
        assert copy.size == size
        assert copy.mode == "RGB"
        assert copy.tobytes() != photo.tobytes()


@pytest.mark.parametrize(
    ("family", "least", "most"),
    [
        ("perspective", 5, 60),
        ("occlusion", 5, 60),
        ("shadow", 15, 85),
        ("background", 15, 90),
        ("jpeg", 3, 25),
        ("noise", 12, 45),
    ],
)
def test_the_change_is_strong_and_yet_mild(family: str, least: float, most: float) -> None:
    photo = product()
    changes = [np.abs(copy - values(photo)).mean() for copy in copies(photo, family)]
    assert min(changes) >= least
    assert max(changes) <= most


@pytest.mark.parametrize("family", FAMILIES)
def test_a_small_and_a_large_copy_are_altered_alike(family: str) -> None:
    large = product(384, 320)
    small = large.resize((192, 160), Image.Resampling.BOX)
    for key in KEYS[:8]:
        one = alter(large, family, key).resize((24, 20), Image.Resampling.BOX)
        other = alter(small, family, key).resize((24, 20), Image.Resampling.BOX)
        assert np.abs(values(one) - values(other)).mean() < 6


def test_perspective_shows_the_whole_photo_warped_and_fills_with_the_border() -> None:
    """The border's colour fills what is uncovered."""
    photo = Image.new("RGB", (200, 160), (40, 200, 60))
    photo.paste((180, 90, 30), (4, 4, 196, 156))
    for copy in copies(photo, "perspective"):
        inner = (np.abs(copy - (180, 90, 30)).max(axis=2) < 8).mean()
        outer = (np.abs(copy - (40, 200, 60)).max(axis=2) < 8).mean()
        assert 0.2 < inner < 0.95
        assert outer > 0.02
        assert inner + outer > 0.9  # the rest are mixed pixels along the edge


def test_perspective_is_projective() -> None:
    """Straight lines stay straight, and their midpoints do not stay midpoints (it is not an affine map)."""
    photo = Image.new("RGB", (241, 241), (128, 128, 128))
    spots = {(60, 120): (255, 0, 0), (120, 120): (0, 255, 0), (180, 120): (0, 0, 255)}
    for (x, y), colour in spots.items():
        ImageDraw.Draw(photo).ellipse((x - 8, y - 8, x + 8, y + 8), fill=colour)
    bends, shifts = [], []
    for copy in copies(photo, "perspective"):
        centres = []
        for channel in range(3):
            weights = np.clip(copy[..., channel] - np.delete(copy, channel, axis=2).max(axis=2) - 60, 0, None)
            rows, columns = np.indices(weights.shape)
            centres.append(np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum())
        left, middle, right = centres
        line, offset = right - left, middle - left
        bends.append(abs(line[0] * offset[1] - line[1] * offset[0]) / np.linalg.norm(line))
        shifts.append(abs(np.linalg.norm(middle - left) / np.linalg.norm(right - middle) - 1))
    assert max(bends) < 1
    assert np.mean(shifts) > 0.1


def test_occlusion_covers_15_to_35_percent_and_leaves_the_rest() -> None:
    photo = texture()
    for copy in copies(photo, "occlusion"):
        covered = np.abs(copy - values(photo)).max(axis=2) > 0
        assert 0.13 < covered.mean() < 0.38  # a soft edge of some pixels counts as covered here


def test_shadow_only_darkens_and_leaves_some_light() -> None:
    photo = values(product())
    light_left = []
    for copy in copies(product(), "shadow"):
        assert (copy <= photo).all()
        light = copy / photo
        assert light.min() > 0.35**3 - 0.02
        assert np.ptp(light, axis=2).max() < 0.04  # colours keep their hue
        assert (light < 0.65).mean() > 0.19
        light_left.append(light.mean())
    assert 0.35 < np.mean(light_left) < 0.75


def test_background_keeps_the_middle_and_replaces_the_rest() -> None:
    photo = values(product())
    height, width = photo.shape[:2]
    for copy in copies(product(), "background"):
        rows, columns = slice(int(height * 0.36), int(height * 0.64)), slice(int(width * 0.36), int(width * 0.64))
        assert (copy[rows, columns] == photo[rows, columns]).all()
        kept = (copy == photo).all(axis=2).mean()
        assert 0.15 < kept < 0.6
    # twice the same surroundings for two photos with the same draw: nothing of the photo is left there
    blank = values(alter(Image.new("RGB", (240, 200)), "background", KEYS[0]))
    corner = (slice(0, 20), slice(0, 20))
    assert (blank[corner] == values(alter(product(), "background", KEYS[0]))[corner]).all()


def test_backgrounds_are_of_several_kinds() -> None:
    spread = [copy[:16, :].std(axis=(0, 1)).max() for copy in copies(product(), "background")]
    assert min(spread) < 0.5  # a flat colour
    assert max(spread) > 15  # a pattern


def test_jpeg_keeps_the_mean_colour_and_loses_detail() -> None:
    photo = values(product())
    rough = texture()
    for copy, coarse in zip(copies(product(), "jpeg"), copies(rough, "jpeg"), strict=True):
        assert copy.mean() == pytest.approx(photo.mean(), abs=10)
        assert np.abs(copy.mean(axis=(0, 1)) - photo.mean(axis=(0, 1))).max() < 20  # JPEG keeps colour coarsely
        assert np.abs(np.diff(coarse, axis=1)).mean() < 0.5 * np.abs(np.diff(values(rough), axis=1)).mean()


def test_jpeg_leaves_blocks() -> None:
    """On a slope of grey, one of few levels in flat blocks of 8 pixels: hardly any pixel differs from its neighbour."""
    slope = Image.fromarray(np.tile(np.linspace(60, 200, 128), (128, 1)).astype(np.uint8)).convert("RGB")
    jumps = np.stack([np.abs(np.diff(copy.mean(axis=2), axis=1)).mean(axis=0) for copy in copies(slope, "jpeg")])
    smooth = np.abs(np.diff(values(slope).mean(axis=2), axis=1)).mean()
    assert (jumps.max(axis=1) > 2.5 * smooth).all()
    assert np.median(jumps) < 0.8 * smooth


def test_noise_keeps_the_mean_and_grows_with_the_light() -> None:
    grey = Image.new("RGB", (256, 256), (60, 60, 60))
    grey.paste((180, 180, 180), (128, 0, 256, 256))
    for copy in copies(grey, "noise"):
        dark, light = copy[:, :128], copy[:, 128:]
        assert dark.mean() == pytest.approx(60, abs=2)
        assert light.mean() == pytest.approx(180, abs=2)
        assert dark.std() < light.std()  # shot noise


def test_noise_holds_a_moire() -> None:
    """Most of what grey photos gain beyond white noise lies in a few frequencies: the gratings."""
    grey = Image.new("RGB", (256, 256), (128, 128, 128))
    for copy in copies(grey, "noise"):
        spectrum = np.abs(np.fft.rfft2(copy.mean(axis=2) - copy.mean())) ** 2
        assert spectrum.max() > 50 * np.median(spectrum)


@pytest.mark.parametrize(
    ("family", "quarters"),
    [
        ("perspective", [136.3, 142.0, 131.3, 135.3]),
        ("occlusion", [173.3, 184.0, 128.0, 127.7]),
        ("shadow", [45.3, 64.3, 52.7, 100.0]),
        ("background", [135.3, 129.7, 131.7, 132.0]),
        ("jpeg", [139.7, 139.7, 128.0, 127.7]),
        ("noise", [137.7, 137.3, 128.0, 127.7]),
    ],
)
def test_the_families_are_frozen(family: str, quarters: list[float]) -> None:
    """Whoever must change these numbers has changed the families, and raises ALTERATIONS with them."""
    assert ALTERATIONS == 1
    copy = alter(product(), family, KEYS[7]).resize((2, 2), Image.Resampling.BOX)
    assert np.allclose(values(copy).mean(axis=2).ravel(), quarters, atol=1.5)


def test_nothing_that_training_draws_is_a_family() -> None:
    """SimCLR's views are drawn from ViewConfig's fields; no family is one of those, and none imports the views."""
    drawn_in_training = {field.name for field in fields(ViewConfig)}
    assert drawn_in_training.isdisjoint(FAMILIES)
    assert "training.views" not in inspect.getsource(alterations).split('"""', 2)[2]


def test_no_torch_is_needed() -> None:
    program = "import sys, training.evaluation.alterations; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_unknown_family_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="perspective, occlusion, shadow, background, jpeg, noise; received 'blur'"):
        alter(product(), "blur", KEYS[0])
