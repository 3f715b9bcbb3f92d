"""What stays the same through a training run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from training.config import TrainConfig
from training.knn_probe import KnnProbe
from training.photos import TrainingPhotos
from training.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What stays the same through a run."""

    run: Run
    config: TrainConfig
    photos: TrainingPhotos
    weights: npt.NDArray[np.float64] | None
    """How often photos are drawn, in proportion; None: each once an epoch."""
    probe: KnnProbe | None
    device: torch.device
