"""`train`: SimCLR (arXiv 2002.05709) on the photos of a store, from the first pixel to the last checkpoint.

Reads top to bottom: photos, encoder, epochs of steps, checkpoints.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from catalog import atomic
from catalog.errors import Terminated
from catalog.manifest import Manifest
from catalog.parallel import map_in_order
from catalog.progress import progress
from catalog.store import Store
from training.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from training.config import TrainConfig
from training.device import choose_device, choose_precision
from training.epoch_end import ORIGINAL, SCORES, EpochEnd, measure_epoch
from training.job import Job
from training.knn_probe import KnnProbe
from training.memory import keep_freed_memory
from training.metrics_log import MetricsLog
from training.photos import column_values, training_photos
from training.runs import Run, new_run, newest_resumable
from training.sampling import balancing_weights
from training.say import Say
from training.schedule import schedule_factor
from training.start import begin_head, moved, start_encoder
from training.state import State, load_resume, new_optimizer, restore, resumed_config, save_resume
from training.step import Batch, batches_per_epoch, epoch_batches, set_learning_rate, take_step, views_of
from training.stopping import StopRequest

SAVE_SECONDS = 600.0
"""The resume state is saved at least this often, besides every epoch's end."""
LOG_STEPS = 10
"""Metrics are averaged over this many steps."""
MOST_EPOCHS = 40
"""Of a run that chooses the number by itself."""


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

    Args:
        say: takes one line per epoch.

    Raises:
        UsageError: settings that cannot be.
        TrainingError: fewer than 2 usable photos, or the run collapsed or became non-finite; the last good checkpoint
            stays.
        KeyboardInterrupt, Terminated: asked to stop; the state is saved and `resume` goes on from it.
    """
    store = Store.open(config.store)
    device = choose_device(config.device)
    keep_freed_memory()
    with store.writing("lookalike train"):
        manifest = Manifest.read(store.manifest_file)
        if config.resume:
            run = newest_resumable(store, config.name)
            resumed = load_resume(run)
            config = replace(resumed_config(resumed["config"]), store=config.store, device=config.device)
            job = _job(run, config, store, manifest, device, say)
            state = restore(resumed, config, job.photos, device)
            say(f"resuming {run.name} after step {state.step}")
            return _run_epochs(job, state, say)
        run = new_run(store, config.name)
        encoder = start_encoder(config)
        job = _job(run, config, store, manifest, device, say)
        config = _resolved(config, len(job.photos), encoder, device)
        job = replace(job, config=config)
        run.folder.mkdir(parents=True)
        try:
            encoder = encoder.to(device)
            start_features = begin_head(encoder, config, job.photos, device)
            state = State(encoder=encoder, optimizer=new_optimizer(encoder, config), start_features=start_features)
            atomic.write_json(run.config_file, config.to_json())
        except BaseException:
            shutil.rmtree(run.folder)  # nothing was learned yet: leave the store as it was
            raise
        say(f"training {run.name}: {len(job.photos)} photos on {device.type}, {config.epochs} epochs")
        return _run_epochs(job, state, say)


def _job(run: Run, config: TrainConfig, store: Store, manifest: Manifest, device: torch.device, say: Say) -> Job:
    photos = training_photos(store, manifest, config.pixels_side, say)
    weights, probe = None, None
    if config.balance:
        weights = balancing_weights(column_values(manifest, photos, config.balance, "--balance"))
    if config.knn_column:
        labels = column_values(manifest, photos, config.knn_column, "--knn-column")
        probe = KnnProbe(photos, labels, config, device)
    return Job(run=run, config=config, photos=photos, weights=weights, probe=probe, device=device)


def _resolved(config: TrainConfig, count: int, encoder: torch.nn.Module, device: torch.device) -> TrainConfig:
    """The settings with what was left to choose: as they are written beside the results."""
    epochs = config.epochs or min(MOST_EPOCHS, max(1, round(config.views_shown / (2 * count))))
    return replace(config, epochs=epochs, precision=choose_precision(config.precision, device, encoder))


def _run_epochs(job: Job, state: State, say: Say) -> TrainResult:
    """The loop: every epoch sees every photo once, in two views."""
    run, config = job.run, job.config
    begun = saved = time.monotonic()
    network: torch.nn.Module = torch.compile(state.encoder) if config.compile else state.encoder  # type: ignore[assignment]
    per_epoch = batches_per_epoch(config, len(job.photos))
    steps = config.epochs * per_epoch
    end: EpochEnd | None = None
    logged = state.step - (state.batch == per_epoch)
    with StopRequest() as stop, MetricsLog(run.metrics_file, from_step=logged) as log:
        while end is None or not end.finished:
            batches = epoch_batches(config, job.weights, len(job.photos), state.epoch)[state.batch :]
            shown = progress(
                _with_views(job, batches, state.epoch),
                total=len(batches),
                description=f"epoch {state.epoch + 1}/{config.epochs}",
                unit="steps",
            )
            step_begun = time.monotonic()
            for batch, images in shown:
                set_learning_rate(state.optimizer, schedule_factor(state.step, steps, config.warmup))
                take_step(config, state, network, batch, images, config.precision)
                speed = len(images) / (time.monotonic() - step_begun)
                state.pending.setdefault("views_per_second", []).append(speed)
                step_begun = time.monotonic()
                state.batch, state.step = state.batch + 1, state.step + 1
                if state.step % LOG_STEPS == 0 or state.batch == per_epoch:
                    state.row = _mean_row(state)
                if state.step % LOG_STEPS == 0 and state.batch < per_epoch:
                    log.write(state.step, state.row)
                if stop.received:
                    save_resume(run, config, job.photos, state)
                    _say_stopped(job, state, steps, say)
                    stop.end()
                if time.monotonic() - saved > SAVE_SECONDS:
                    save_resume(run, config, job.photos, state)
                    saved = time.monotonic()
            save_resume(run, config, job.photos, state)
            saved = time.monotonic()
            try:
                with stop.at_once():
                    end = measure_epoch(job, state)
            except (KeyboardInterrupt, Terminated):
                _say_stopped(job, state, steps, say)
                raise
            log.write(state.step, {**state.row, **end.scores})
            _end_epoch(job, state, end, say)
    result = TrainResult(
        name=run.name,
        checkpoint=run.checkpoint_file,
        epochs=state.epoch,
        steps=state.step,
        photos=len(job.photos),
        seconds=time.monotonic() - begun,
        loss=state.row["loss"],
        moved=moved(end.encoder, start_encoder(config)),
    )
    atomic.write_json(run.result_file, {**asdict(result), "checkpoint": run.checkpoint_file.name})
    run.resume_file.unlink(missing_ok=True)
    return result


def _with_views(job: Job, batches: list[Batch], epoch: int) -> Iterator[tuple[Batch, Tensor]]:
    """Batches with their views, made in their turn or ahead of it by threads."""

    def make(batch: Batch) -> tuple[Batch, Tensor]:
        return batch, views_of(job.config, job.photos, batch, epoch, job.device)

    return (
        map_in_order(make, batches, workers=job.config.workers, ahead=1) if job.config.workers else map(make, batches)
    )


def _say_stopped(job: Job, state: State, steps: int, say: Say) -> None:
    say(f'stopped after step {state.step} of {steps}: go on with "lookalike train --resume --name {job.run.name}"')


def _end_epoch(job: Job, state: State, end: EpochEnd, say: Say) -> None:
    """Keep the encoder if it is the best so far, and say how it goes."""
    config, encoder = job.config, end.encoder
    state.epoch, state.batch = state.epoch + 1, 0
    better = end.best_epoch == state.epoch
    if better:
        state.best_score, state.best_epoch = end.scores.get(ORIGINAL, 0.0), state.epoch
    if better or end.finished:
        settings = config.to_json()
        if end.choice is not None:
            encoder.spec = replace(encoder.spec, layer=end.choice.layer)
            settings["layer_choice"] = end.choice.to_json()
        header = CheckpointHeader(
            spec=encoder.spec,
            name=job.run.name,
            finished=end.finished,
            epoch=end.best_epoch,
            manifest_fingerprint=job.photos.fingerprint,
            config=settings,
        )
        save_checkpoint(Checkpoint(header=header, weights=encoder.state_dict()), job.run.checkpoint_file)
    told = "".join(f", {SCORES[name]} {value:.3f}" for name, value in end.scores.items())
    say(_epoch_line(config, state) + told)
    if end.finished and state.epoch < config.epochs:
        say(f"stopped early: no better than epoch {end.best_epoch} for {config.patience} epochs; its encoder is kept")


def _mean_row(state: State) -> dict[str, float]:
    """Averages of the pending numbers, which are then forgotten."""
    row = {name: sum(values) / len(values) for name, values in state.pending.items()}
    state.pending.clear()
    return row


def _epoch_line(config: TrainConfig, state: State) -> str:
    last = state.row
    return (
        f"epoch {state.epoch}/{config.epochs}: loss {last['loss']:.3f}, "
        f"contrastive accuracy {last['contrastive_accuracy']:.3f}, spread {last['spread']:.3f}, "
        f"{last['views_per_second']:.0f} views/s"
    )
