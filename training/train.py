"""`train`: SimCLR (arXiv 2002.05709) on the photos of a store, from the first pixel to the last checkpoint.

Reads top to bottom: photos, encoder, epochs of steps, checkpoints.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from signal import Signals
from typing import cast

import numpy as np
import torch
from torch import Tensor

from catalog.errors import Terminated
from catalog.parallel import map_in_order
from catalog.progress import progress
from catalog.stopping import StopRequest
from training.begin_run import begin_run
from training.config import TrainConfig
from training.device import choose_device
from training.encode_photos import Looking, encode_photos
from training.epoch_end import SCORES, keep_best, measure_epoch
from training.finite import check_vectors, check_weights
from training.job import Job
from training.memory import keep_freed_memory
from training.metrics_log import MetricsLog
from training.ranks import Ranks, nothing, torchrun_ranks
from training.say import Say
from training.schedule import schedule_factor
from training.start import moved, start_encoder
from training.state import State, restore, save_resume
from training.step import REMEDY, Batch, batches_per_epoch, epoch_batches, set_learning_rate, take_step, views_of
from training.sync_norms import sync_norms

SAVE_SECONDS = 600.0
"""The resume state is saved at least this often, besides every epoch's end."""
TRIED_PHOTOS = 8
"""Whose vectors must be finite before an epoch's encoder is kept."""
LOG_STEPS = 10
"""Metrics are averaged over this many steps."""

Log = Callable[[int, Mapping[str, float]], None]
"""Takes a step and its numbers, see `MetricsLog.write`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """A finished run."""

    name: str
    checkpoint: Path
    epochs: int
    steps: int
    photos: int
    seconds: float
    loss: float
    """Of the last logged steps, in nats."""
    moved: float
    """How far the backbone is from its start: length of the change, relative to the length of its weights."""

    def __str__(self) -> str:
        return (
            f"trained {self.name}: {self.photos} photos, {self.epochs} epochs, {self.steps} steps "
            f"in {self.seconds:.0f} s; the backbone moved by {self.moved:.1%} of its length; "
            'run "lookalike index" to search with it'
        )


def train(config: TrainConfig, say: Say = print) -> TrainResult:
    """Train an encoder on a store's photos and leave it as a run.

    Under torchrun, its processes share the work (training/ranks.py); rank 0 alone returns, the others end.

    Args:
        say: takes one line per epoch.

    Raises:
        UsageError: settings that cannot be.
        TrainingError: fewer than 2 usable photos, or the run collapsed or became non-finite; the last good checkpoint
            stays.
        KeyboardInterrupt, Terminated: asked to stop; the state is saved and `resume` goes on from it.
    """
    keep_freed_memory()
    with torchrun_ranks(choose_device(config.device)) as ranks, ExitStack() as lock:
        say = ranks.only_first(say)
        job = replace(ranks.from_first(begin_run, config, ranks, lock, say), device=ranks.device)
        state = restore(job.run, job.config, job.photos, job.device)
        if config.resume:
            say(f"resuming {job.run.name} after step {state.step}")
        else:
            say(f"training {job.run.name}: {len(job.photos)} photos on {ranks}, {job.config.epochs} epochs")
        return _run_epochs(job, state, ranks, say)


def _run_epochs(job: Job, state: State, ranks: Ranks, say: Say) -> TrainResult:
    """The loop: every epoch sees every photo once, in two views."""
    run, config = job.run, job.config
    begun = saved = time.monotonic()
    network: torch.nn.Module = sync_norms(state.encoder, config, ranks)
    if config.compile:
        network = cast(torch.nn.Module, torch.compile(network))
    per_epoch = batches_per_epoch(config, len(job.photos))
    steps = config.epochs * per_epoch
    logged = state.step - (state.batch == per_epoch)
    result = None
    with StopRequest() as stop, ExitStack() as opened:
        log: Log = nothing
        if ranks.first:
            log = opened.enter_context(MetricsLog(run.metrics_file, from_step=logged)).write
        while result is None:
            batches = epoch_batches(config, job.weights, len(job.photos), state.epoch, ranks.count)[state.batch :]
            shown = _with_views(job, batches, state.epoch, ranks)
            if ranks.first:
                named = f"epoch {state.epoch + 1}/{config.epochs}"
                shown = progress(shown, total=len(batches), description=named, unit="steps")
            step_begun = time.monotonic()
            for batch, images in shown:
                set_learning_rate(state.optimizer, schedule_factor(state.step, steps, config.warmup))
                take_step(config, state, network, batch, images, config.precision)
                speed = 2 * len(batch.places) / (time.monotonic() - step_begun)
                state.pending.setdefault("views_per_second", []).append(speed)
                step_begun = time.monotonic()
                state.batch, state.step = state.batch + 1, state.step + 1
                if state.step % LOG_STEPS == 0 or state.batch == per_epoch:
                    state.row = _mean_row(state)
                if state.step % LOG_STEPS == 0 and state.batch < per_epoch:
                    log(state.step, state.row)
                received = ranks.agreed(stop.received)
                if received:
                    ranks.from_first(_stop, job, state, stop, received, say)
                if ranks.first and time.monotonic() - saved > SAVE_SECONDS:
                    _save(job, state)
                    saved = time.monotonic()
            result = ranks.from_first(_end_epoch, job, state, stop, begun, log, say)
            state.epoch, state.batch, saved = state.epoch + 1, 0, time.monotonic()
    return result


def _with_views(job: Job, batches: list[Batch], epoch: int, ranks: Ranks) -> Iterator[tuple[Batch, Tensor]]:
    """Batches with the views of this rank's part of them, made in their turn or ahead of it by threads."""

    def make(batch: Batch) -> tuple[Batch, Tensor]:
        mine = batch.part(ranks.index, ranks.count)
        return batch, views_of(job.config, job.photos, mine, epoch, job.device)

    return (
        map_in_order(make, batches, workers=job.config.workers, ahead=1) if job.config.workers else map(make, batches)
    )


def _stop(job: Job, state: State, stop: StopRequest, received: Signals, say: Say) -> None:
    """Save, and raise what the signal stands for."""
    _save(job, state)
    _say_stopped(job, state, say)
    stop.received = received
    stop.end()


def _save(job: Job, state: State) -> None:
    """Replace the resume state, by one that a run can go on from."""
    check_weights(state.encoder, state.step, REMEDY)
    save_resume(job.run, job.config, job.photos, state)


def _some_vectors(job: Job, state: State) -> Tensor:
    """What the encoder makes of a few of the photos: (M, P)."""
    encoder, config = state.encoder.eval(), job.config
    looking = Looking(side=config.image_size, centre_crop=config.centre_crop, device=job.device)
    places = np.arange(min(TRIED_PHOTOS, len(job.photos)))
    return encode_photos(lambda pixels: encoder(pixels).projection, job.photos, places, looking, "trying the encoder")


def _say_stopped(job: Job, state: State, say: Say) -> None:
    steps = job.config.epochs * batches_per_epoch(job.config, len(job.photos))
    say(f'stopped after step {state.step} of {steps}: go on with "lookalike train --resume --name {job.run.name}"')


def _end_epoch(job: Job, state: State, stop: StopRequest, begun: float, log: Log, say: Say) -> TrainResult | None:
    """Save, measure, keep the encoder if it is the best so far, and say how it goes; the result if the run is over."""
    run, config = job.run, job.config
    check_vectors(_some_vectors(job, state), state.step, REMEDY)
    _save(job, state)
    try:
        with stop.at_once():
            end = measure_epoch(job, state)
    except (KeyboardInterrupt, Terminated):
        _say_stopped(job, state, say)
        raise
    log(state.step, {**state.row, **end.scores})
    keep_best(job, state, end)
    if config.patience and not end.finished:
        _save(job, state)  # with the best score, that the checkpoint is now of
    told = "".join(f", {SCORES[name]} {value:.3f}" for name, value in end.scores.items())
    say(_epoch_line(config, state) + told)
    if not end.finished:
        return None
    epochs = state.epoch + 1
    if epochs < config.epochs:
        say(f"stopped early: no better than epoch {end.best_epoch} for {config.patience} epochs; its encoder is kept")
    result = TrainResult(
        name=run.name,
        checkpoint=run.checkpoint_file,
        epochs=epochs,
        steps=state.step,
        photos=len(job.photos),
        seconds=time.monotonic() - begun,
        loss=state.row["loss"],
        moved=moved(end.encoder, start_encoder(config)),
    )
    run.write_result(asdict(result))
    run.forget_how_to_resume()
    return result


def _mean_row(state: State) -> dict[str, float]:
    """Averages of the pending numbers, which are then forgotten."""
    row = {name: sum(values) / len(values) for name, values in state.pending.items()}
    state.pending.clear()
    return row


def _epoch_line(config: TrainConfig, state: State) -> str:
    last = state.row
    return (
        f"epoch {state.epoch + 1}/{config.epochs}: loss {last['loss']:.3f}, "
        f"contrastive accuracy {last['contrastive_accuracy']:.3f}, spread {last['spread']:.3f}, "
        f"{last['views_per_second']:.0f} views/s"
    )
