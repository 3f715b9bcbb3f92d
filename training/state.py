"""All that changes in a run from step to step, and how it is saved so that the run can go on to the bit."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from catalog import atomic
from catalog.errors import LookalikeError, UsageError
from training.config import TrainConfig, ViewConfig
from training.encoder import Encoder
from training.keep_start import read_start_rows
from training.optimizers import build_optimizer, scaled_learning_rate
from training.photos import TrainingPhotos
from training.runs import Run
from training.spec import EncoderSpec
from training.start import freeze_first_stages, keeps_start

RESUME_FORMAT = 4
"""Of resume.pt; raised whenever a state of before could not be gone on with to the same end."""


@dataclass(slots=True, kw_only=True)
class State:
    """All that changes from step to step; saved, it lets a run go on as if it had never stopped."""

    encoder: Encoder
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    """Epochs done."""
    batch: int = 0
    """Batches done in the epoch at hand."""
    step: int = 0
    """Batches done in all."""
    start_rows: npt.NDArray[np.float32] | None = None
    """What the pretrained start says of every photo, (N, T), memory-mapped (training/keep_start.py); None where it is
    not to be kept."""
    pending: dict[str, list[float]] = field(default_factory=dict)
    """Numbers of the steps since the last logged row."""
    row: dict[str, float] = field(default_factory=dict)
    """The last logged row."""
    best_score: float = -1.0
    """The highest label-free score of an epoch so far; scores are taken where a run may stop early."""
    best_epoch: int = 0
    """The epoch whose encoder is the checkpoint."""


def new_optimizer(encoder: Encoder, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser of a run; backbone and head have learning rates of their own."""
    rates = [
        scaled_learning_rate(config.rate_scaling, base, config.batch_size)
        for base in (config.learning_rate, config.head_learning_rate)
    ]
    parts = list(zip((encoder.backbone, encoder.head), rates, strict=True))
    return build_optimizer(config.optimizer, parts, weight_decay=config.weight_decay, momentum=config.momentum)


def save_resume(run: Run, config: TrainConfig, photos: TrainingPhotos, state: State) -> None:
    """Replace the run's resume state, atomically."""
    content: dict[str, Any] = {
        "format": RESUME_FORMAT,
        "config": config.to_json(),
        "spec": state.encoder.spec.to_json(),
        "fingerprint": photos.fingerprint,
        "photos": len(photos),
        "weights": state.encoder.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "epoch": state.epoch,
        "batch": state.batch,
        "step": state.step,
        "pending": state.pending,
        "row": state.row,
        "best": (state.best_score, state.best_epoch),
    }
    saved = io.BytesIO()
    torch.save(content, saved)  # to a file itself, torch tells a full disk as an error of the format
    atomic.write_bytes(run.resume_file, saved.getbuffer())


def load_resume(run: Run) -> dict[str, Any]:
    """The saved content, read as data only: no code in it is run.

    Raises:
        LookalikeError: it cannot be read, or is of another format.
    """
    try:
        content: dict[str, Any] = torch.load(run.resume_file, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  torch raises many kinds; whatever it is, the state cannot be used
        raise LookalikeError(
            f'the state of {run.name} cannot be read ({type(error).__name__}): start a new run with "lookalike train"'
        ) from None
    if content.get("format") != RESUME_FORMAT:
        raise LookalikeError(
            f"the state of {run.name} must be of format {RESUME_FORMAT}; it has {content.get('format')}: "
            'go on with it by the release that began it, or start a new run with "lookalike train"'
        )
    return content


def resumed_config(values: dict[str, Any]) -> TrainConfig:
    """The settings of a run as `TrainConfig.to_json` wrote them."""
    return TrainConfig(**{**values, "store": Path(values["store"]), "views": ViewConfig(**values["views"])})


def restore(run: Run, config: TrainConfig, photos: TrainingPhotos, device: torch.device) -> State:
    """The state that was saved.

    Raises:
        LookalikeError: it cannot be read.
        UsageError: it was saved for other photos than these.
    """
    resumed = load_resume(run)
    if (photos.fingerprint, len(photos)) != (resumed["fingerprint"], resumed["photos"]):
        raise UsageError(
            f"--resume needs the photos the run began with ({resumed['photos']}); the catalog has changed since: "
            'start a new run with "lookalike train"'
        )
    encoder = Encoder(EncoderSpec.from_json(resumed["spec"]))
    encoder.load_state_dict(resumed["weights"])
    encoder = encoder.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze_first_stages(encoder, config)
    optimizer = new_optimizer(encoder, config)
    optimizer.load_state_dict(resumed["optimizer"])
    return State(
        encoder=encoder,
        optimizer=optimizer,
        epoch=resumed["epoch"],
        batch=resumed["batch"],
        step=resumed["step"],
        start_rows=read_start_rows(run.start_rows_file) if keeps_start(config) else None,
        pending=resumed["pending"],
        row=resumed["row"],
        best_score=resumed["best"][0],
        best_epoch=resumed["best"][1],
    )
