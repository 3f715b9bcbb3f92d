"""One step of SimCLR: two views of each photo of a batch, their projections, the loss, its gradient.

Under torchrun each rank takes its part of the photos through the network; the loss is that of the whole batch on all.

Shapes: B photos in a batch, V the side of a view, D the width of a projection.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from catalog.errors import TrainingError, UsageError
from training.config import Precision, TrainConfig
from training.device import autocast
from training.gathering import average_gradients, gather_rows
from training.grad_cache import grad_cache_step
from training.nt_xent import nt_xent
from training.photos import TrainingPhotos
from training.random_streams import epoch_order
from training.relational import relational_loss
from training.sampling import weighted_batches
from training.start import enter_training
from training.state import State
from training.views import draw_batch, make_views

REMEDY = "the last good checkpoint is kept; lower --learning-rate, or raise --temperature"
COLLAPSED_SPREAD = 1e-4
"""Below this spread of unit vectors (1 - |mean|²) all photos have become the same to the encoder."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Photos of one step, B of them, none twice."""

    places: Places
    """Which of the run's photos, (B,)."""
    repeats: Places
    """How often each came before in the same epoch (0 unless photos are weighted), (B,): names its views."""

    def divisible(self, ranks: int) -> Batch:
        """Without its last photos, at most ranks - 1, so that every rank has as many.

        Raises:
            UsageError: there are fewer photos than ranks.
        """
        if len(self.places) < ranks:
            raise UsageError(
                f"each process needs a photo of every batch; received a batch of {len(self.places)} for {ranks}: "
                "lower --nproc-per-node"
            )
        return self._rows(0, len(self.places) - len(self.places) % ranks)

    def part(self, rank: int, ranks: int) -> Batch:
        """A rank's photos of a batch that is divisible by the number of ranks."""
        count = len(self.places) // ranks
        return self._rows(rank * count, (rank + 1) * count)

    def _rows(self, begin: int, end: int) -> Batch:
        return Batch(self.places[begin:end], self.repeats[begin:end])


class StepLoss(NamedTuple):
    """What a step minimises, and the numbers to log."""

    loss: Tensor
    numbers: dict[str, float]


def epoch_batches(
    config: TrainConfig, weights: npt.NDArray[np.float64] | None, count: int, epoch: int, ranks: int = 1
) -> list[Batch]:
    """The batches of an epoch, all of nearly equal size; without weights each photo is in one of them.

    Where batches do not fall into equal parts for the ranks, their last photos are left out: others in every epoch.

    Args:
        weights: how often photos are drawn, in proportion, (count,); None: each once.
        count: photos of the run.

    Raises:
        UsageError: a batch has fewer photos than there are ranks.
    """
    batches = batches_per_epoch(config, count)
    if weights is None:
        parts = np.array_split(epoch_order(count, config.seed, epoch), batches)
        return [Batch(places, np.zeros_like(places)).divisible(ranks) for places in parts]
    seen = np.zeros(count, np.int64)
    drawn = []
    for places in weighted_batches(weights, batches, config.seed, epoch):
        drawn.append(Batch(places, seen[places]).divisible(ranks))
        seen[places] += 1
    return drawn


def batches_per_epoch(config: TrainConfig, count: int) -> int:
    """How many steps an epoch over `count` photos has."""
    return max(1, round(count / config.batch_size))


def views_of(config: TrainConfig, photos: TrainingPhotos, batch: Batch, epoch: int, device: torch.device) -> Tensor:
    """Two views of each photo of a batch: float32 (2B, 3, V, V) of 0 … 255, channels last, all first views before."""
    squares = torch.from_numpy(photos.pixels.take(batch.places)).to(device)
    aspects = photos.aspects[batch.places]
    drawn = [
        parameters
        for view in (0, 1)
        for parameters in draw_batch(config.views, aspects, batch.places, config.seed, epoch, view + 2 * batch.repeats)
    ]
    return make_views(squares, drawn, config.views.size)


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set each group's learning rate to a part of its highest, see `build_optimizer`."""
    for group in optimizer.param_groups:
        group["lr"] = group["highest"] * factor


def take_step(
    config: TrainConfig, state: State, network: torch.nn.Module, batch: Batch, images: Tensor, precision: Precision
) -> None:
    """One optimiser step on one batch; its numbers go to `state.pending`.

    Args:
        network: the state's encoder, perhaps compiled, or another one with the same weights by reference.
        batch: the whole one.
        images: the views of the batch, or of this rank's part of it; see `views_of`.
        precision: "float32" or "bfloat16".

    Raises:
        TrainingError: the loss is not finite, or the embedding has collapsed; no weight has been changed.
    """
    begun = time.monotonic()
    enter_training(network, config)

    def encode(chunk: Tensor) -> Tensor:
        with autocast(images.device, precision):
            projections: Tensor = network(chunk).projection
        return projections.float()

    def loss_of(projections: Tensor) -> StepLoss:
        return _loss(config, state, batch.places, projections)

    state.optimizer.zero_grad()
    rows = 2 * config.chunk_size or len(images)
    result = grad_cache_step(encode, torch.split(images, rows), loss_of)
    average_gradients(state.encoder.parameters())
    if config.clip_norm:
        torch.nn.utils.clip_grad_norm_(state.encoder.parameters(), config.clip_norm)
    state.optimizer.step()
    for name, value in result.numbers.items():
        state.pending.setdefault(name, []).append(value)
    state.pending.setdefault("step_seconds", []).append(time.monotonic() - begun)


def _loss(config: TrainConfig, state: State, places: Places, projections: Tensor) -> StepLoss:
    """NT-Xent over the whole batch, and what keeps the start's similarities; from this rank's projections."""
    first, second = (gather_rows(view) for view in projections.chunk(2))
    contrast = nt_xent(first, second, config.temperature)
    loss = contrast.loss
    numbers = {
        "nt_xent": float(contrast.loss.detach()),
        "contrastive_accuracy": float(contrast.accuracy),
        "spread": _spread(torch.cat((first, second)).detach()),
        "learning_rate": float(state.optimizer.param_groups[0]["lr"]),
    }
    if state.start_rows is not None:
        kept = relational_loss(first, second, torch.from_numpy(state.start_rows[places]).to(first.device))
        loss = loss + config.keep_start * kept
        numbers["keep_start"] = float(kept.detach())
    numbers["loss"] = float(loss.detach())
    _check(numbers, len(places), state.step + 1)
    return StepLoss(loss, numbers)


@torch.no_grad()
def _spread(projections: Tensor) -> float:
    """How widely unit vectors spread: 1 - |mean|², 0 when all are the same, near 1 when they fill the sphere."""
    return 1.0 - float(functional.normalize(projections, dim=1).mean(dim=0).square().sum())


def _check(numbers: dict[str, float], photo_count: int, step: int) -> None:
    """Stop a run that can no longer learn; the last checkpoint stays as it is."""
    if not math.isfinite(numbers["loss"]):
        raise TrainingError(f"the loss must be finite; at step {step} it is {numbers['loss']}: {REMEDY}")
    if photo_count > 2 and numbers["spread"] < COLLAPSED_SPREAD:
        raise TrainingError(
            f"the embedding collapsed: at step {step} the spread of the batch is {numbers['spread']:.1e} "
            f"(below {COLLAPSED_SPREAD:.0e} all photos look the same to it): {REMEDY}"
        )
