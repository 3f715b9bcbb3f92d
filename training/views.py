"""Views: two random looks at each photo of a batch (SimCLR, arXiv 2002.05709, appendix A), made as a batch.

Every view of every photo draws its own parameters, from a generator named by (seed, epoch, photo, view); torchvision's
transforms given a batch would draw one set for all. The distributions are those of torchvision's RandomResizedCrop,
ColorJitter, RandomGrayscale and GaussianBlur. Shapes: B photos, S the cache's side, V the view's side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    flip = random.random() < config.flip
    jitters = random.random() < config.jitter
    order = tuple(int(step) for step in random.permutation(4))
    spread = np.array([config.brightness, config.contrast, config.saturation])
    brightness, contrast, saturation = random.uniform(1 - spread, 1 + spread)
    hue = random.uniform(-config.hue, config.hue)
    grey = random.random() < config.grey
    blurs, deviation = random.random() < config.blur, random.uniform(0.1, config.blur_sigma) * config.size / 224
    return ViewParameters(
        crop=crop,
        flip=flip,
        order=order if jitters else (),
        factors=(brightness, contrast, saturation, hue),
        grey=grey,
        blur=deviation if blurs else 0.0,
    )


def draw_crop(min_area: float, aspect: float, random: np.random.Generator) -> tuple[float, float, float, float]:
    """A crop of `min_area` … 1 of the photo and 3/4 … 4/3 in shape, as torchvision's RandomResizedCrop draws it.

    Returns:
        Left, top, width, height, as fractions of the photo's width and height.
    """
    for _ in range(10):
        area = random.uniform(min_area, 1.0)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = math.sqrt(area * ratio / aspect), math.sqrt(area / ratio * aspect)
        if width <= 1 and height <= 1:
            return random.uniform(0, 1 - width), random.uniform(0, 1 - height), width, height
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
    """Cut and colour one view of each photo.

    Args:
        squares: uint8 (B, S, S, 3), photos squeezed into squares.
        parameters: of B views.
        size: V, the view's side in pixels.

    Returns:
        float32 (B, 3, V, V) of 0 … 255.
    """
    crops = [_crop(square, drawn, size) for square, drawn in zip(squares, parameters, strict=True)]
    views = torch.stack(crops).float()
    for step in range(4):
        for change, adjust in enumerate((_brightness, _contrast, _saturation, _hue)):
            chosen = [row for row, drawn in enumerate(parameters) if drawn.order and drawn.order[step] == change]
            if chosen:
                factors = views.new_tensor([parameters[row].factors[change] for row in chosen]).view(-1, 1, 1, 1)
                views[chosen] = adjust(views[chosen], factors)
    grey = [row for row, drawn in enumerate(parameters) if drawn.grey]
    if grey:
        views[grey] = _luma(views[grey]).expand(-1, 3, -1, -1)
    blurred = [row for row, drawn in enumerate(parameters) if drawn.blur]
    if blurred:
        views[blurred] = _blur(views[blurred], [parameters[row].blur for row in blurred])
    return views


def _crop(square: Tensor, drawn: ViewParameters, size: int) -> Tensor:
    """Cut one view out of uint8 (S, S, 3), antialiased: uint8 (3, V, V)."""
    side = square.shape[0]
    left, top, width, height = (value * side for value in drawn.crop)
    x, y = min(round(left), side - 1), min(round(top), side - 1)
    region = square[y : max(y + 1, round(top + height)), x : max(x + 1, round(left + width))]
    image = region.permute(2, 0, 1)[None]
    view = functional.interpolate(image, size=(size, size), mode="bilinear", antialias=True)[0]
    return view.flip(-1) if drawn.flip else view


def _luma(views: Tensor) -> Tensor:
    """Brightness as people see it: (B, 3, V, V) to (B, 1, V, V)."""
    return (views * views.new_tensor(GREY_WEIGHTS).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _brightness(views: Tensor, factors: Tensor) -> Tensor:
    return (views * factors).clamp(0, 255)


def _contrast(views: Tensor, factors: Tensor) -> Tensor:
    mean = _luma(views).mean(dim=(1, 2, 3), keepdim=True)
    return (mean + (views - mean) * factors).clamp(0, 255)


def _saturation(views: Tensor, factors: Tensor) -> Tensor:
    grey = _luma(views)
    return (grey + (views - grey) * factors).clamp(0, 255)


def _hue(views: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue by a part of the colour circle, through HSV."""
    value, channel = views.max(dim=1)
    low = views.amin(dim=1)
    span = value - low
    red, green, blue = views.unbind(dim=1)
    safe = span.clamp(min=1e-6)
    sector = torch.where(
        channel == 0,
        (green - blue) / safe,
        torch.where(channel == 1, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = sector / 6 + turns[:, 0]
    # each channel falls from `value` by `span` as the hue moves away from it around the circle
    offsets = views.new_tensor((5.0, 3.0, 1.0)).view(1, 3, 1, 1)
    k = (offsets + hue[:, None] * 6) % 6
    return value[:, None] - span[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)


def _blur(views: Tensor, deviations: list[float]) -> Tensor:
    """Gaussian blur, each view with its own standard deviation, edges reflected.

    As two matrix products for each channel, K X Kᵀ with the taps in the rows of K: many times faster than a
    convolution whose kernel differs from view to view.
    """
    side = views.shape[-1]
    radius = min(math.ceil(3 * max(deviations)), side - 1)
    offsets = torch.arange(-radius, radius + 1, device=views.device)
    sigma = views.new_tensor(deviations)[:, None]
    kernels = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernels = kernels / kernels.sum(dim=1, keepdim=True)
    source = (torch.arange(side, device=views.device)[:, None] + offsets).abs()  # reflected at the first pixel
    source = (side - 1) - ((side - 1) - source).abs()  # and at the last
    taps = kernels[:, None, :].expand(-1, side, -1)
    matrices = views.new_zeros(len(views), side, side).scatter_add_(2, source.expand(len(views), -1, -1), taps)
    return matrices[:, None] @ views @ matrices[:, None].transpose(2, 3)
