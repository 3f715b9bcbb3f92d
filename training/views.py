"""Views: two random looks at each photo of a batch (SimCLR, arXiv 2002.05709, appendix A), made as a batch.

Every view of every photo draws its own parameters, from a generator named by (seed, epoch, photo, view); torchvision's
transforms given a batch would draw one set for all. The distributions are those of torchvision's RandomResizedCrop,
ColorJitter, RandomGrayscale and GaussianBlur. Shapes: B photos, S the cache's side, V the view's side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from training.config import ViewConfig
from training.random_streams import generator

Floats = npt.NDArray[np.float64]

GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Luma of ITU-R BT.601, as Pillow and torchvision use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewParameters:
    """What was drawn for one view."""

    crop: tuple[float, float, float, float]
    """Left, top, width, height, as fractions of the photo."""
    flip: bool
    """Mirror left and right."""
    order: tuple[int, ...]
    """Order of the four colour changes: 0 brightness, 1 contrast, 2 saturation, 3 hue; empty for none."""
    factors: tuple[float, float, float, float]
    """Factor of brightness, contrast and saturation; shift of hue."""
    grey: bool
    """Drop all colour."""
    blur: float
    """Standard deviation of the blur in pixels; 0 for none."""


def draw(config: ViewConfig, aspect: float, random: np.random.Generator) -> ViewParameters:
    """Draw the parameters of one view.

    Args:
        aspect: width / height of the photo.
    """
    crop = draw_crop(config.min_area, aspect, random)
    # in one call, since a call costs as much as all the arithmetic here
    flip, jitter, brightness, contrast, saturation, hue, grey, blur, deviation, *ranks = random.random(13).tolist()
    return ViewParameters(
        crop=crop,
        flip=flip < config.flip,
        order=tuple(sorted(range(4), key=ranks.__getitem__)) if jitter < config.jitter else (),
        factors=(
            1 + (2 * brightness - 1) * config.brightness,
            1 + (2 * contrast - 1) * config.contrast,
            1 + (2 * saturation - 1) * config.saturation,
            (2 * hue - 1) * config.hue,
        ),
        grey=grey < config.grey,
        blur=(0.1 + deviation * (config.blur_sigma - 0.1)) * config.size / 224 if blur < config.blur else 0.0,
    )


def draw_crop(min_area: float, aspect: float, random: np.random.Generator) -> tuple[float, float, float, float]:
    """A crop of `min_area` … 1 of the photo and 3/4 … 4/3 in shape, as torchvision's RandomResizedCrop draws it.

    Returns:
        Left, top, width, height, as fractions of the photo's width and height.
    """
    for part, shape, x, y in random.random((10, 4)).tolist():
        area = min_area + part * (1 - min_area)
        ratio = (4 / 3) ** (2 * shape - 1)
        width, height = math.sqrt(area * ratio / aspect), math.sqrt(area / ratio * aspect)
        if width <= 1 and height <= 1:
            return x * (1 - width), y * (1 - height), width, height
    width, height = min(1.0, 4 / 3 / aspect), min(1.0, aspect * 4 / 3)  # no luck: the largest centred crop allowed
    return (1 - width) / 2, (1 - height) / 2, width, height


def centre(part: float, aspect: float) -> ViewParameters:
    """The centred square that `training.preprocess` looks at, with nothing else changed.

    Args:
        part: of the photo's short side.
        aspect: width / height of the photo.
    """
    width, height = part * min(1.0, 1 / aspect), part * min(1.0, aspect)
    crop = ((1 - width) / 2, (1 - height) / 2, width, height)
    return ViewParameters(crop=crop, flip=False, order=(), factors=(1, 1, 1, 0), grey=False, blur=0.0)


def draw_batch(
    config: ViewConfig,
    aspects: Floats,
    places: npt.NDArray[np.int64],
    seed: int,
    epoch: int,
    views: npt.NDArray[np.int64],
) -> list[ViewParameters]:
    """Parameters of one view of each photo in a batch.

    Args:
        aspects: width / height of each photo, (B,).
        places: which photos of the catalog they are, (B,).
        views: number of each one's view in the epoch, (B,): 0 or 1, and upward where a photo comes again. With seed,
            epoch and place it names the generator.
    """
    return [
        draw(config, float(aspect), generator(seed, epoch, int(place), int(view)))
        for aspect, place, view in zip(aspects, places, views, strict=True)
    ]


def make_views(squares: Tensor, parameters: list[ViewParameters], size: int) -> Tensor:
    """Cut and colour views of photos; a view does not depend on which others are made with it, but for rounding.

    Colour changes do not commute: views that share an order are made together, and such a block is small enough to
    stay in the processor's cache while it is changed in place.

    Args:
        squares: uint8 (B, S, S, 3), photos squeezed into squares.
        parameters: of N views: one of each photo, or several, with all first views before all second ones.
        size: V, the views' side in pixels.

    Returns:
        float32 (N, 3, V, V) of 0 … 255, channels last.

    Raises:
        ValueError: N is not a multiple of B.
    """
    if len(parameters) % len(squares):
        raise ValueError(
            f"all photos must have equally many views; received {len(parameters)} views of {len(squares)} photos: "
            "give parameters for each"
        )
    rows = sorted(range(len(parameters)), key=lambda row: (parameters[row].order, parameters[row].blur))
    blocks = [list(block) for _, block in groupby(rows, key=lambda row: parameters[row].order)]
    numbers = torch.tensor([(*parameters[row].factors, parameters[row].blur) for row in rows], device=squares.device)
    views = torch.empty(len(rows), 3, size, size, device=squares.device, memory_format=torch.channels_last)
    for block, block_numbers in zip(blocks, torch.split(numbers, [len(block) for block in blocks]), strict=True):
        drawn = [parameters[row] for row in block]
        crops = [_crop(squares[row % len(squares)], view, size) for row, view in zip(block, drawn, strict=True)]
        altered = torch.stack(crops).float()
        _alter(altered, drawn, block_numbers[..., None, None, None])
        for row, view in zip(block, altered, strict=True):
            views[row] = view
    return views


def _alter(views: Tensor, drawn: list[ViewParameters], numbers: Tensor) -> None:
    """Colour and blur views in place: (N, 3, V, V), all with one order of colour changes, the blurred ones last.

    Args:
        numbers: of what was drawn, the four factors and the blur: (N, 5, 1, 1, 1).
    """
    for change in drawn[0].order:
        _CHANGES[change](views, numbers[:, change])
    for row, view in enumerate(drawn):
        if view.grey:
            views[row] = _luma(views[row])
    sharp = sum(not view.blur for view in drawn)
    if sharp < len(drawn):
        views[sharp:] = _blur(views[sharp:], numbers[sharp:, 4], drawn[-1].blur)


def _crop(square: Tensor, drawn: ViewParameters, size: int) -> Tensor:
    """Cut one view out of uint8 (S, S, 3), antialiased: (3, V, V), whole numbers of 0 … 255."""
    side = square.shape[0]
    left, top, width, height = (value * side for value in drawn.crop)
    x, y = min(round(left), side - 1), min(round(top), side - 1)
    region = square[y : max(y + 1, round(top + height)), x : max(x + 1, round(left + width))]
    image = region.permute(2, 0, 1)[None]
    if image.is_cuda:  # where uint8 cannot be resized
        image = image.float()
    view = functional.interpolate(image, size=(size, size), mode="bilinear", antialias=True)[0]
    if view.is_floating_point():
        view = view.round()
    return view.flip(-1) if drawn.flip else view


def _luma(views: Tensor) -> Tensor:
    """Brightness as people see it: (…, 3, V, V) to (…, 1, V, V)."""
    red, green, blue = views.chunk(3, dim=-3)
    return (red * GREY_WEIGHTS[0]).add_(green, alpha=GREY_WEIGHTS[1]).add_(blue, alpha=GREY_WEIGHTS[2])


def _change_brightness(views: Tensor, factors: Tensor) -> None:
    views.mul_(factors).clamp_(0, 255)


def _change_contrast(views: Tensor, factors: Tensor) -> None:
    mean = _luma(views).mean(dim=(1, 2, 3), keepdim=True)
    views.mul_(factors).add_(mean * (1 - factors)).clamp_(0, 255)


def _change_saturation(views: Tensor, factors: Tensor) -> None:
    grey = _luma(views)
    views.mul_(factors).add_(grey.mul_(1 - factors)).clamp_(0, 255)


def _change_hue(views: Tensor, turns: Tensor) -> None:
    """Turn the hue by a part of the colour circle, through HSV."""
    red, green, blue = views.chunk(3, dim=1)
    value = views.amax(dim=1, keepdim=True)
    span = value - views.amin(dim=1, keepdim=True)
    sixths = torch.where(  # of the circle, counted from red; times the span
        red == value,
        green - blue,
        torch.where(green == value, (blue - red).add_(span, alpha=2), (red - green).add_(span, alpha=4)),
    )
    hue = sixths.div_(span.clamp(min=1e-6) * 6).add_(turns)
    # each channel falls from `value` by `span` as the hue moves away from its own around the circle
    away = hue - torch.arange(3, device=views.device).view(1, 3, 1, 1) / 3
    away.sub_(away.round()).abs_()
    torch.addcmul(value, span, away.mul_(6).sub_(1).clamp_(0, 1), value=-1, out=views)


_CHANGES = (_change_brightness, _change_contrast, _change_saturation, _change_hue)
"""By their numbers in `ViewParameters.order`; each changes (B, 3, V, V) in place, by factors (B, 1, 1, 1)."""


def _blur(views: Tensor, deviations: Tensor, largest: float) -> Tensor:
    """Gaussian blur, each view with its own standard deviation, edges reflected.

    As a sum of shifted views, along each axis in turn: quicker than a convolution whose kernel differs from view to
    view, and up to a deviation of some 4 pixels than a product with a matrix of taps.

    Args:
        deviations: (N, 1, 1, 1), in pixels; each kernel is cut off at three of its own.
        largest: of the deviations.
    """
    side = views.shape[-1]
    radius = min(math.ceil(3 * largest), side - 1)
    distances = torch.arange(radius + 1, device=views.device)
    weights = torch.exp(-0.5 * (distances / deviations) ** 2) * (distances <= (3 * deviations).ceil())
    weights = weights / (2 * weights.sum(dim=-1, keepdim=True) - 1)  # the centre is there once, all others twice
    centre_weight, *side_weights = weights.chunk(radius + 1, dim=-1)
    views = functional.pad(views, (radius,) * 4, mode="reflect")
    for axis in (2, 3):
        shifted = [views.narrow(axis, offset, side) for offset in range(2 * radius + 1)]
        views = shifted[radius] * centre_weight
        for distance, weight in enumerate(side_weights, start=1):
            views.addcmul_(shifted[radius - distance] + shifted[radius + distance], weight)
    return views
