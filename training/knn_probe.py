"""The kNN probe: how a training does by labels it never sees, every few epochs (arXiv 1805.01978)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from training.config import TrainConfig
from training.encode_photos import Looking, encode_photos
from training.encoder import Encoder
from training.evaluation.retrieval import find_category
from training.photos import TrainingPhotos
from training.random_streams import generator

MOST_PHOTOS = 4096
"""A larger catalog is probed on this many of its photos, drawn once by the seed."""
PROBE = 0x6B4E4E
"""First word of that draw's name (docs/decisions/0006)."""


class KnnProbe:
    """Leave-one-out kNN accuracy of the projection over the catalog's own photos.

    Photos are looked at in the size of a training view, which is quicker than the size in searching and lower in
    accuracy: for comparing epochs, not for quoting.
    """

    def __init__(
        self, photos: TrainingPhotos, labels: Sequence[Any], config: TrainConfig, device: torch.device
    ) -> None:
        labelled = np.array([place for place, label in enumerate(labels) if label is not None], np.int64)
        if len(labelled) > MOST_PHOTOS:
            labelled = np.sort(generator(config.seed, PROBE).choice(labelled, MOST_PHOTOS, replace=False))
        self._places = labelled
        self._labels = np.array([str(labels[place]) for place in labelled])
        self._photos = photos
        self._looking = Looking(side=config.views.size, centre_crop=config.centre_crop, device=device)

    def accuracy(self, encoder: Encoder) -> float:
        """How often a photo's 20 nearest others vote for its own label, in [0, 1]."""
        encoder.eval()
        vectors = encode_photos(
            lambda pixels: functional.normalize(encoder(pixels).projection.float(), dim=1),
            self._photos,
            self._places,
            self._looking,
            "kNN probe",
        ).cpu()
        found = find_category(
            vectors.numpy(), vectors.numpy(), self._labels, self._labels, left_out=(self._places, self._places)
        )
        return float(found.means()["knn_accuracy"])
