"""Encode photos of a run as they are, from their decoded pixels: for the start's features, and for probes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from catalog.progress import progress
from training.photos import TrainingPhotos
from training.views import centre, make_views

BATCH = 64


@torch.no_grad()
def encode_photos(
    encode: Callable[[Tensor], Tensor],
    photos: TrainingPhotos,
    places: npt.NDArray[np.int64],
    *,
    side: int,
    centre_crop: float,
    device: torch.device,
    description: str,
) -> Tensor:
    """The centre of each photo through an encoder, nothing altered.

    Args:
        encode: float32 (B, 3, side, side) pixels of 0 … 255 to (B, D).
        places: which of the run's photos, (M,).
        centre_crop: side of the centred square that is looked at, as a fraction of the photo's short side.
        description: for the progress bar.

    Returns:
        (M, D), on the device.
    """
    batches = np.array_split(places, math.ceil(len(places) / BATCH))
    parts = []
    for some in progress(batches, total=len(batches), description=description, unit="batches"):
        parameters = [centre(centre_crop, float(aspect)) for aspect in photos.aspects[some]]
        squares = torch.from_numpy(photos.pixels.take(some)).to(device)
        parts.append(encode(make_views(squares, parameters, side).contiguous(memory_format=torch.channels_last)))
    return torch.cat(parts)
