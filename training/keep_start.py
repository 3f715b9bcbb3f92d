"""What a pretrained start says of each photo, which the keep-the-start term (training/relational.py) holds on to.

One row for each photo, made once when a run begins, in a file of the run that is memory-mapped: a catalog of any size
fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from catalog import atomic
from catalog.disk import require_room
from catalog.errors import LookalikeError
from training.encode_photos import BATCH, Looking, encode_batches
from training.neighbourhood import smooth
from training.photos import TrainingPhotos

PHOTOS_PER_NEIGHBOUR = 150
"""A photo is smoothed over at most one in so many photos of its catalog: in a small one the nearest are soon of another
kind."""


def write_start_rows(
    file: Path,
    encode: Callable[[Tensor], Tensor],
    photos: TrainingPhotos,
    sample: Tensor,
    *,
    neighbours: int,
    looking: Looking,
) -> None:
    """Write (N, T) float32 rows, centred, smoothed over their neighbours, of unit norm.

    Args:
        encode: pixels to the start's features, (B, 3, side, side) to (B, T).
        sample: features of the photos, or of an even part of a large catalog, (S, T): it gives the mean, and the
            photos among which neighbours are looked for.
        neighbours: to smooth over, see `training.neighbourhood`.

    Raises:
        LookalikeError: the disk has too little room.
    """
    count = min(neighbours, len(photos) // PHOTOS_PER_NEIGHBOUR)
    mean = sample.mean(dim=0)
    around = functional.normalize(sample - mean, dim=1)
    smoothed = torch.cat([smooth(rows, around, count) for rows in torch.split(around, BATCH)])
    centre = smoothed.mean(dim=0)
    require_room(file.parent, len(photos) * sample.shape[1] * 4, "the start's features", "free some, or --keep-start 0")
    batches: Iterable[Tensor] = [smoothed]
    if len(sample) < len(photos):
        encoded = encode_batches(encode, photos, np.arange(len(photos)), looking, "what to keep of the start")
        batches = (smooth(functional.normalize(features - mean, dim=1), around, count) for features in encoded)
    with atomic.replacing(file) as temporary:
        rows = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=(len(photos), sample.shape[1]))
        begin = 0
        for batch in batches:
            rows[begin : begin + len(batch)] = functional.normalize(batch - centre, dim=1).cpu().numpy()
            begin += len(batch)
        rows.flush()


def read_start_rows(file: Path) -> npt.NDArray[np.float32]:
    """The rows that `write_start_rows` wrote, (N, T), memory-mapped.

    Raises:
        LookalikeError: they cannot be read.
    """
    try:
        rows: npt.NDArray[np.float32] = np.lib.format.open_memmap(file, mode="r")
    except (OSError, ValueError) as error:
        raise LookalikeError(
            f"{file.name} of {file.parent.name} cannot be read ({type(error).__name__}): "
            'start a new run with "lookalike train"'
        ) from None
    return rows
