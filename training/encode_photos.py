"""Encode photos of a run as they are, from their decoded pixels: for the start's features, and for probes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from catalog.progress import progress
from training.photos import TrainingPhotos
from training.views import centre, make_views

BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """How photos are looked at when nothing is altered."""

    side: int
    """Of the encoder's input, in pixels."""
    centre_crop: float
    """Side of the centred square that is looked at, as a fraction of the photo's short side."""
    device: torch.device
    """Where to encode."""


def encode_batches(
    encode: Callable[[Tensor], Tensor],
    photos: TrainingPhotos,
    places: npt.NDArray[np.int64],
    looking: Looking,
    description: str,
) -> Iterator[Tensor]:
    """The centre of each photo through an encoder, nothing altered, a batch at a time.

    Args:
        encode: float32 (B, 3, side, side) pixels of 0 … 255 to (B, D); no graph is kept.
        places: which of the run's photos, (M,).
        description: for the progress bar.

    Yields:
        (B, D), on the device, M rows in all.
    """
    batches = np.array_split(places, math.ceil(len(places) / BATCH))
    for some in progress(batches, total=len(batches), description=description, unit="batches"):
        parameters = [centre(looking.centre_crop, float(aspect)) for aspect in photos.aspects[some]]
        squares = torch.from_numpy(photos.pixels.take(some)).to(looking.device)
        with torch.no_grad():
            yield encode(make_views(squares, parameters, looking.side))


def encode_photos(
    encode: Callable[[Tensor], Tensor],
    photos: TrainingPhotos,
    places: npt.NDArray[np.int64],
    looking: Looking,
    description: str,
) -> Tensor:
    """All of `encode_batches` together: (M, D)."""
    return torch.cat(list(encode_batches(encode, photos, places, looking, description)))
