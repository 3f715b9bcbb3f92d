"""lookalike's side of `benchmarks.training`: SimCLR by the project's own functions, whole and in its two parts."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.config import Precision, TrainConfig, ViewConfig
from training.device import autocast, choose_precision
from training.encoder import Encoder
from training.nt_xent import nt_xent
from training.photos import TrainingPhotos
from training.start import encoder_spec
from training.state import State, new_optimizer
from training.step import epoch_batches, take_step, views_of

BATCH = 64
"""Photos in a batch, each in two views; on lightly's side, too."""
WARM = 3
"""Steps before those that are timed."""
CPU = torch.device("cpu")


def lightlys_views(side: int) -> ViewConfig:
    """The defaults of lightly's SimCLRTransform, whose blur is of 0.1 to 2 pixels at any size of the view."""
    return ViewConfig(
        size=side,
        min_area=0.08,
        jitter=0.8,
        brightness=0.8,
        contrast=0.8,
        saturation=0.8,
        hue=0.2,
        grey=0.2,
        blur=0.5,
        blur_sigma=2.0 * 224 / side,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What our side trains."""

    config: TrainConfig
    photos: TrainingPhotos
    state: State
    precision: Precision


def begin(photos: TrainingPhotos, side: int) -> Ours:
    """A random ResNet-18 and its optimiser, at the project's defaults but for the stem, which is lightly's."""
    config = TrainConfig(
        encoder="resnet18",
        weights="none",
        head="mlp",
        projection_dim=128,
        batch_size=BATCH,
        views=lightlys_views(side),
    )
    encoder = Encoder(replace(encoder_spec(config), small_stem=False)).to(memory_format=torch.channels_last)
    state = State(encoder=encoder, optimizer=new_optimizer(encoder, config))
    return Ours(config=config, photos=photos, state=state, precision=choose_precision("auto", CPU, encoder))


def training_rate(ours: Ours, epoch: int, steps: int) -> float:
    """Views/s of whole steps, as in `training.train`."""
    batches = epoch_batches(ours.config, None, len(ours.photos), epoch)
    views, begun = 0, 0.0
    for done, batch in enumerate(batches[: WARM + steps], start=1):
        images = views_of(ours.config, ours.photos, batch, epoch, CPU)
        take_step(ours.config, ours.state, ours.state.encoder, batch, images, ours.precision)
        views += len(images)
        if done == WARM:
            views, begun = 0, time.perf_counter()
    return views / (time.perf_counter() - begun)


def seconds_per_view(ours: Ours, epoch: int, steps: int) -> float:
    """t_views: of making views, and nothing else."""
    batches = epoch_batches(ours.config, None, len(ours.photos), epoch)[-(WARM + steps) :]
    for batch in batches[:WARM]:
        views_of(ours.config, ours.photos, batch, epoch, CPU)
    begun = time.perf_counter()
    views = sum(len(views_of(ours.config, ours.photos, batch, epoch, CPU)) for batch in batches[WARM:])
    return (time.perf_counter() - begun) / views


def seconds_per_step_and_view(ours: Ours, epoch: int, steps: int) -> float:
    """t_step: of forward, loss, backward and optimiser on ready views, written out, divided by the number of views."""
    batch = epoch_batches(ours.config, None, len(ours.photos), epoch)[0]
    images = views_of(ours.config, ours.photos, batch, epoch, CPU)
    begun = 0.0
    for done in range(1, WARM + steps + 1):
        bare_step(ours.state, images, ours.precision, ours.config.temperature)
        if done == WARM:
            begun = time.perf_counter()
    return (time.perf_counter() - begun) / (steps * len(images))


def bare_step(state: State, images: Tensor, precision: Precision, temperature: float) -> None:
    """SimCLR's step with nothing around it."""
    state.optimizer.zero_grad()
    with autocast(CPU, precision):
        projections = state.encoder(images).projection
    first, second = projections.float().chunk(2)
    nt_xent(first, second, temperature).loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
