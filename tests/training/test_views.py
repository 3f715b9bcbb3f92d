"""Views against torchvision's transforms: the same changes, the same distributions, drawn for each view alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as reference

from training.config import ViewConfig
from training.random_streams import generator
from training.views import ViewParameters, centre, draw, draw_batch, make_views

FULL = (0.0, 0.0, 1.0, 1.0)


def parameters(**changes: object) -> ViewParameters:
    values = {"crop": FULL, "flip": False, "order": (), "factors": (1.0, 1.0, 1.0, 0.0), "grey": False, "blur": 0.0}
    return ViewParameters(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def squares() -> Tensor:
    return torch.from_numpy(np.random.default_rng(3).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("change", "factor", "adjust"),
    [
        (0, 1.3, reference.adjust_brightness),
        (0, 0.4, reference.adjust_brightness),
        (1, 1.4, reference.adjust_contrast),
        (1, 0.5, reference.adjust_contrast),
        (2, 1.8, reference.adjust_saturation),
        (2, 0.3, reference.adjust_saturation),
        (3, 0.11, reference.adjust_hue),
        (3, -0.4, reference.adjust_hue),
    ],
)
def test_colour_changes_equal_torchvisions(squares: Tensor, change: int, factor: float, adjust: object) -> None:
    factors = [1.0, 1.0, 1.0, 0.0]
    factors[change] = factor
    drawn = parameters(order=tuple([change] + [other for other in range(4) if other != change]), factors=tuple(factors))
    views = make_views(squares, [drawn] * 3, 32)
    images = squares.permute(0, 3, 1, 2).float() / 255
    expected = adjust(images, factor) * 255  # type: ignore[operator]
    assert torch.allclose(views, expected, atol=0.6)


def test_grey_flip_and_blur_equal_torchvisions(squares: Tensor) -> None:
    views = make_views(squares, [parameters(grey=True), parameters(flip=True), parameters(blur=1.3)], 32)
    images = squares.permute(0, 3, 1, 2).float()
    assert torch.allclose(views[0], reference.rgb_to_grayscale(images[0], 3), atol=0.1)
    assert torch.equal(views[1], images[1].flip(-1))
    kernel = 2 * math.ceil(3 * 1.3) + 1
    assert torch.allclose(views[2], reference.gaussian_blur(images[2], [kernel, kernel], [1.3, 1.3]), atol=1e-3)


def test_crop_equals_torchvisions(squares: Tensor) -> None:
    drawn = parameters(crop=(0.25, 0.125, 0.5, 0.75))
    (view,) = make_views(squares[:1], [drawn], 20)
    image = squares[0].permute(2, 0, 1)
    assert torch.equal(view, reference.resized_crop(image, 4, 8, 24, 16, [20, 20], antialias=True).float())


def test_views_of_one_batch_are_drawn_independently() -> None:
    config = ViewConfig(jitter=1.0, blur=1.0)
    drawn = draw_batch(config, np.ones(400), np.arange(400), 1, 2, np.zeros(400, np.int64))
    other = draw_batch(config, np.ones(400), np.arange(400), 1, 2, np.ones(400, np.int64))
    for name in ("crop", "factors", "blur"):
        assert len({getattr(view, name) for view in drawn}) == 400
        assert all(getattr(a, name) != getattr(b, name) for a, b in zip(drawn, other, strict=True))
    brightness = np.array([view.factors[0] for view in drawn])
    contrast = np.array([view.factors[1] for view in drawn])
    assert abs(np.corrcoef(brightness, contrast)[0, 1]) < 0.15


def test_a_view_is_a_function_of_its_name() -> None:
    config = ViewConfig()
    alone = draw_batch(config, np.array([1.5]), np.array([7]), 1, 0, np.array([1]))[0]
    among = draw_batch(config, np.full(9, 1.5), np.arange(9), 1, 0, np.ones(9, np.int64))[7]
    assert alone == among
    assert alone != draw_batch(config, np.array([1.5]), np.array([7]), 1, 1, np.array([1]))[0]


@pytest.mark.parametrize("aspect", [0.6, 1.0, 1.7])
def test_crops_are_distributed_as_torchvisions(aspect: float) -> None:
    height, width, count = 1000, round(1000 * aspect), 3000
    torch.manual_seed(0)
    image = torch.empty(3, height, width)
    theirs = np.array([RandomResizedCrop.get_params(image, [0.3, 1.0], [3 / 4, 4 / 3]) for _ in range(count)], float)
    config = ViewConfig(min_area=0.3)
    ours = np.array([draw(config, aspect, generator(5, number)).crop for number in range(count)])
    ours_pixels = np.stack([ours[:, 1] * height, ours[:, 0] * width, ours[:, 3] * height, ours[:, 2] * width], axis=1)
    for mine, reference_values in (
        (ours_pixels[:, 2] * ours_pixels[:, 3], theirs[:, 2] * theirs[:, 3]),
        (ours_pixels[:, 3] / ours_pixels[:, 2], theirs[:, 3] / theirs[:, 2]),
        (ours_pixels[:, 0], theirs[:, 0]),
        (ours_pixels[:, 1], theirs[:, 1]),
    ):
        assert kolmogorov_smirnov(mine, reference_values) < 1.95 * math.sqrt(2 / count)  # alpha = 0.001


def kolmogorov_smirnov(a: np.ndarray, b: np.ndarray) -> float:
    """Largest distance between two empirical distributions."""
    values = np.sort(np.concatenate([a, b]))
    return float(
        np.abs(
            np.searchsorted(np.sort(a), values, "right") / len(a)
            - np.searchsorted(np.sort(b), values, "right") / len(b)
        ).max()
    )


def test_probabilities_are_kept() -> None:
    config = ViewConfig(flip=0.5, jitter=0.8, grey=0.2, blur=0.3, hue=0.1, brightness=0.4)
    drawn = [draw(config, 1.0, generator(9, number)) for number in range(4000)]
    for part, expected in (
        ([view.flip for view in drawn], 0.5),
        ([bool(view.order) for view in drawn], 0.8),
        ([view.grey for view in drawn], 0.2),
        ([view.blur > 0 for view in drawn], 0.3),
    ):
        assert np.mean(part) == pytest.approx(expected, abs=0.03)
    brightness = np.array([view.factors[0] for view in drawn])
    assert brightness.min() >= 0.6
    assert brightness.max() <= 1.4
    assert brightness.mean() == pytest.approx(1.0, abs=0.02)
    assert np.abs([view.factors[3] for view in drawn]).max() <= 0.1


@pytest.mark.parametrize("aspect", [0.5, 1.0, 2.0])
def test_centre_is_the_square_that_searching_looks_at(aspect: float) -> None:
    left, top, width, height = centre(0.8, aspect).crop
    assert width * aspect == pytest.approx(height)  # a square in pixels
    assert max(width, height) == pytest.approx(0.8)
    assert left == pytest.approx((1 - width) / 2)
    assert top == pytest.approx((1 - height) / 2)
