"""Views against torchvision's transforms: the same changes, the same distributions, drawn for each view alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision.transforms import (
    ColorJitter,
    Compose,
    GaussianBlur,
    RandomApply,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomResizedCrop,
)
from torchvision.transforms.v2 import functional as reference

from training.config import ViewConfig
from training.random_streams import generator
from training.views import ViewParameters, centre, draw, draw_batch, make_views

FULL = (0.0, 0.0, 1.0, 1.0)
ALPHA = 0.001
"""Level of every statistical test; the seeds are fixed, so that they do not come out differently by chance."""


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


def test_colours_change_in_the_order_drawn_as_torchvisions_do(squares: Tensor) -> None:
    adjust = (
        reference.adjust_brightness,
        reference.adjust_contrast,
        reference.adjust_saturation,
        reference.adjust_hue,
    )
    random = np.random.default_rng(5)
    orders = random.permutation([*permutations(range(4))] * 2).tolist()
    factors = random.uniform([0.6, 0.6, 0.4, -0.3], [1.4, 1.4, 1.6, 0.3], (len(orders), 4)).tolist()
    drawn = [parameters(order=tuple(order), factors=tuple(some)) for order, some in zip(orders, factors, strict=True)]
    photos = squares[np.arange(len(orders)) % 3]
    expected = photos.permute(0, 3, 1, 2).float() / 255
    for row, order in enumerate(orders):
        for change in order:
            expected[row] = adjust[change](expected[row], factors[row][change])
    assert torch.allclose(make_views(photos, drawn, 32), expected * 255, atol=0.6)


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


def test_a_view_is_a_function_of_its_name() -> None:
    config = ViewConfig()
    alone = draw_batch(config, np.array([1.5]), np.array([7]), 1, 0, np.array([1]))[0]
    among = draw_batch(config, np.full(9, 1.5), np.arange(9), 1, 0, np.ones(9, np.int64))[7]
    assert alone == among
    assert alone != draw_batch(config, np.array([1.5]), np.array([7]), 1, 1, np.array([1]))[0]


Batch = tuple[Tensor, list[ViewParameters], list[ViewParameters]]


@pytest.fixture
def batch() -> Batch:
    """40 photos, and what was drawn for the first and for the second view of each."""
    config = ViewConfig(size=24, grey=0.2, blur=0.5, blur_sigma=15)
    photos = torch.from_numpy(np.random.default_rng(8).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8))
    first, second = (draw_batch(config, np.ones(40), np.arange(40), 1, 0, np.full(40, view)) for view in (0, 1))
    return photos, first, second


def test_a_views_pixels_do_not_depend_on_its_company(batch: Batch) -> None:
    photos, first, _ = batch
    alone = torch.cat([make_views(photos[row : row + 1], [view], 24) for row, view in enumerate(first)])
    assert torch.allclose(make_views(photos, first, 24), alone, atol=0.01)


def test_both_views_in_one_call_equal_two_calls(batch: Batch) -> None:
    photos, first, second = batch
    views = make_views(photos, first + second, 24)
    assert torch.allclose(views, torch.cat([make_views(photos, drawn, 24) for drawn in (first, second)]), atol=0.01)
    assert not torch.allclose(views[:40], views[40:], atol=10)
    with pytest.raises(ValueError, match="equally many views; received 79 views of 40 photos: give"):
        make_views(photos, first + second[1:], 24)


def test_views_do_not_depend_on_the_order_of_rows(batch: Batch) -> None:
    photos, first, second = batch
    order = np.random.default_rng(9).permutation(40)
    mixed = [drawn[row] for drawn in (first, second) for row in order]
    views = make_views(photos, first + second, 24)
    expected = torch.cat([views[:40][order], views[40:][order]])
    assert torch.allclose(make_views(photos[order], mixed, 24), expected, atol=0.01)


def same_distribution(ours: object, theirs: object) -> bool:
    """Whether two samples could be of one distribution (Kolmogorov and Smirnov, at 0.001)."""
    return float(stats.ks_2samp(np.asarray(ours, float), np.asarray(theirs, float)).pvalue) > ALPHA


@pytest.mark.parametrize("aspect", [0.6, 1.0, 1.7])
def test_crops_are_distributed_as_torchvisions(aspect: float) -> None:
    height, width, count = 1000, round(1000 * aspect), 3000
    torch.manual_seed(0)
    image = torch.empty(3, height, width)
    theirs = np.array([RandomResizedCrop.get_params(image, [0.3, 1.0], [3 / 4, 4 / 3]) for _ in range(count)], float)
    config = ViewConfig(min_area=0.3)
    ours = np.array([draw(config, aspect, generator(5, number)).crop for number in range(count)])
    left, top, wide, tall = (ours * [width, height, width, height]).T
    their_top, their_left, their_tall, their_wide = theirs.T
    assert same_distribution(tall * wide, their_tall * their_wide)
    assert same_distribution(wide / tall, their_wide / their_tall)
    assert same_distribution(left, their_left)
    assert same_distribution(top, their_top)


def test_colour_and_blur_are_distributed_as_torchvisions() -> None:
    count = 3000
    torch.manual_seed(1)
    spreads = {"brightness": 0.8, "contrast": 0.5, "saturation": 1.0, "hue": 0.2}
    jitter = ColorJitter(**spreads)
    ranges = [jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue]
    theirs = np.array([ColorJitter.get_params(*ranges)[1:] for _ in range(count)])
    their_blur = [GaussianBlur.get_params(0.1, 2.0) for _ in range(count)]
    config = ViewConfig(**spreads, jitter=1.0, blur=1.0, size=112)
    drawn = [draw(config, 1.0, generator(6, number)) for number in range(count)]
    factors = np.array([view.factors for view in drawn])
    for change in range(4):
        assert same_distribution(factors[:, change], theirs[:, change])
    assert same_distribution([view.blur * 224 / config.size for view in drawn], their_blur)
    orders = Counter(view.order for view in drawn)
    assert len(orders) == math.factorial(4)
    assert stats.chisquare(list(orders.values())).pvalue > ALPHA


def test_probabilities_are_kept() -> None:
    config = ViewConfig(flip=0.5, jitter=0.8, grey=0.2, blur=0.3)
    drawn = [draw(config, 1.0, generator(9, number)) for number in range(4000)]
    for chosen, probability in (
        (sum(view.flip for view in drawn), 0.5),
        (sum(bool(view.order) for view in drawn), 0.8),
        (sum(view.grey for view in drawn), 0.2),
        (sum(view.blur > 0 for view in drawn), 0.3),
    ):
        assert stats.binomtest(chosen, len(drawn), probability).pvalue > ALPHA


def test_views_of_one_batch_are_drawn_independently() -> None:
    """No rank correlation between any two draws: of a view, of a photo's two views, of neighbours in the batch."""
    count = 4000
    config = ViewConfig(min_area=0.08, jitter=0.8, hue=0.2, grey=0.2, blur=0.5)
    views = [draw_batch(config, np.ones(count), np.arange(count), 1, 2, np.full(count, view)) for view in (0, 1)]
    first, second = (np.array([as_numbers(view) for view in drawn]) for drawn in views)
    assert all(len(np.unique(first[:, column])) == count for column in range(7))
    neighbours = np.roll(first, 1, axis=0)
    correlations = stats.spearmanr(np.concatenate([first, second, neighbours], axis=1)).statistic
    rows, columns = np.triu_indices(len(correlations), 1)
    assert np.abs(correlations[rows, columns]).max() < 4.5 / math.sqrt(count)  # one seed in 300 would exceed it


def as_numbers(view: ViewParameters) -> tuple[float, ...]:
    """What was drawn, as numbers that should not depend on each other; those of a continuous distribution first."""
    left, top, width, height = view.crop
    place = (left / (1 - width), top / (1 - height))
    return (
        width * height,
        *place,
        *view.factors,
        width / height,
        view.flip,
        bool(view.order),
        view.grey,
        view.blur > 0,
    )


def test_finished_views_are_distributed_as_torchvisions() -> None:
    """The whole way, from one photo to many views of it: each made by torchvision alone, and by us in one batch."""
    count, side = 600, 32
    config = ViewConfig(
        size=side, min_area=0.08, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, grey=0.2, blur=0.5
    )
    random = np.random.default_rng(4)
    ramp = np.linspace(0, 150, 64)
    photo = np.stack([ramp[:, None] + 0 * ramp, ramp + 0 * ramp[:, None], np.full((64, 64), 60.0)], axis=2)
    photo = (photo + random.uniform(0, 80, photo.shape)).astype(np.uint8)
    crop = RandomResizedCrop(side, scale=(0.08, 1.0), antialias=True)
    change = Compose(
        [
            RandomHorizontalFlip(),
            RandomApply([ColorJitter(0.8, 0.8, 0.8, 0.2)], p=0.8),
            RandomGrayscale(0.2),
            RandomApply([GaussianBlur(3, (0.1 * side / 224, 2.0 * side / 224))], p=0.5),
        ]
    )
    torch.manual_seed(2)
    image = torch.from_numpy(photo).permute(2, 0, 1)
    theirs = torch.stack([change(crop(image).float() / 255) * 255 for _ in range(count)])
    squares = torch.from_numpy(photo).expand(count, -1, -1, -1)
    drawn = draw_batch(config, np.ones(count), np.arange(count), 3, 0, np.zeros(count, np.int64))
    ours = make_views(squares, drawn, side)
    for name, measure in MEASURES.items():
        assert same_distribution(measure(ours), measure(theirs)), name
        values = measure(ours).numpy()
        assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 4 / math.sqrt(count), name


MEASURES: dict[str, Callable[[Tensor], Tensor]] = {
    "red": lambda views: views[:, 0].mean(dim=(1, 2)),
    "green": lambda views: views[:, 1].mean(dim=(1, 2)),
    "blue": lambda views: views[:, 2].mean(dim=(1, 2)),
    "contrast": lambda views: views.std(dim=(1, 2, 3)),
    "colourfulness": lambda views: (views.amax(dim=1) - views.amin(dim=1)).mean(dim=(1, 2)),
    "sharpness": lambda views: views.diff(dim=3).abs().mean(dim=(1, 2, 3)) / (views.std(dim=(1, 2, 3)) + 1),
    "left against right": lambda views: views[..., :16].mean(dim=(1, 2, 3)) - views[..., 16:].mean(dim=(1, 2, 3)),
}
"""What people would see of a view, as one number each: (N, 3, 32, 32) to (N,)."""


@pytest.mark.parametrize("aspect", [0.5, 1.0, 2.0])
def test_centre_is_the_square_that_searching_looks_at(aspect: float) -> None:
    left, top, width, height = centre(0.8, aspect).crop
    assert width * aspect == pytest.approx(height)  # a square in pixels
    assert max(width, height) == pytest.approx(0.8)
    assert left == pytest.approx((1 - width) / 2)
    assert top == pytest.approx((1 - height) / 2)
