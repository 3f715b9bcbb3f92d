"""The beginning of a run: store locked, photos decoded, encoder at its start. Under torchrun rank 0 does it alone.

A new run, too, is left as a state on disk to go on from: so every rank begins as a resumed run does, and all alike.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import fields, replace

import torch

from catalog import atomic
from catalog.disk import require_room
from catalog.manifest import Manifest
from catalog.store import Store
from training.compiler import check_compiler
from training.config import TrainConfig, require
from training.device import choose_precision
from training.job import Job
from training.knn_probe import KnnProbe
from training.photos import column_values, training_photos
from training.ranks import Ranks
from training.runs import Run, new_run, newest_resumable
from training.sampling import balancing_weights
from training.say import Say
from training.start import begin_head, start_encoder
from training.state import State, load_resume, new_optimizer, resumed_config, save_resume
from training.step import epoch_batches
from training.sync_norms import refuse_live_norms

STATES = 8
"""Room for a run, in sizes of its encoder: resume state (weights and an optimiser's two moments) and checkpoint, each
beside the one that it replaces."""
MOST_EPOCHS = 40
"""Of a run that chooses the number by itself."""

TAKEN_WITH_RESUME = ("store", "name", "device", "resume")
"""Settings that may be given beside `--resume`."""


def begin_run(config: TrainConfig, ranks: Ranks, lock: ExitStack, say: Say) -> Job:
    """Find the run that is gone on with, or begin a new one; its state is on disk then.

    Args:
        lock: is given the store's lock to hold.

    Raises:
        StoreError: there is no store, or another process is writing to it.
        UsageError: settings that cannot be.
        TrainingError: fewer than 2 usable photos.
    """
    store, device = Store.open(config.store), ranks.device
    lock.enter_context(store.writing("lookalike train"))
    manifest = Manifest.read(store.manifest_file)
    if config.resume:
        run = newest_resumable(store, config.name)
        settings = resumed_config(load_resume(run)["config"])
        _refuse_new_settings(config, settings)
        config = replace(settings, store=config.store, device=config.device)
        if config.compile:
            check_compiler(device, "start a new run without --compile")
        # its start is needed at the end: missed now, not then
        refuse_live_norms(start_encoder(config), config, ranks)
        return _job(run, config, store, manifest, device, say)
    run = new_run(store, config.name)
    if config.compile:
        check_compiler(device, "leave --compile out")
    encoder = start_encoder(config)
    refuse_live_norms(encoder, config, ranks)
    job = _job(run, config, store, manifest, device, say)
    config = _resolved(config, len(job.photos), encoder, device, say)
    learned = sum(parameter.nbytes for parameter in encoder.parameters())
    require_room(store.root, STATES * learned, "checkpoint and resume state", "free some, or put the store elsewhere")
    if ranks.count > 1:
        epoch_batches(config, job.weights, len(job.photos), 0, ranks.count)  # refuses more than photos in a batch
    shutil.rmtree(run.folder, ignore_errors=True)  # of a run that was killed as it began
    run.folder.mkdir(parents=True)
    try:
        encoder = encoder.to(device)
        begin_head(encoder, config, job.photos, device, run.start_rows_file)
        state = State(encoder=encoder, optimizer=new_optimizer(encoder, config))
        save_resume(run, config, job.photos, state)
        atomic.write_json(run.config_file, config.to_json())  # from here on there is a run of that name
    except BaseException:
        shutil.rmtree(run.folder)  # nothing was learned yet: leave the store as it was
        raise
    return replace(job, config=config)


def _refuse_new_settings(config: TrainConfig, begun: TrainConfig) -> None:
    """A run ends as it began: other settings beside `--resume` would change nothing, and who gives them expects more.

    Raises:
        UsageError: there are some.
    """
    usual = TrainConfig()
    names = [field.name for field in fields(config) if field.name not in TAKEN_WITH_RESUME]
    others = [name for name in names if getattr(config, name) not in (getattr(usual, name), getattr(begun, name))]
    require(
        not others,
        "--resume goes on with the settings that the run began with",
        ", ".join(f"another --{name.replace('_', '-')}" for name in others),
        "leave them out, or start a new run without --resume",
    )


def _job(run: Run, config: TrainConfig, store: Store, manifest: Manifest, device: torch.device, say: Say) -> Job:
    photos = training_photos(store, manifest, config.pixels_side, say)
    weights, probe = None, None
    if config.balance:
        weights = balancing_weights(column_values(manifest, photos, config.balance, "--balance"))
    if config.knn_column:
        labels = column_values(manifest, photos, config.knn_column, "--knn-column")
        probe = KnnProbe(photos, labels, config, device)
    return Job(run=run, config=config, photos=photos, weights=weights, probe=probe, device=device)


def _resolved(config: TrainConfig, count: int, encoder: torch.nn.Module, device: torch.device, say: Say) -> TrainConfig:
    """The settings with what was left to choose: as they are written beside the results."""
    asked = max(1, round(config.views_shown / (2 * count)))
    epochs = config.epochs or min(MOST_EPOCHS, asked)
    if epochs < asked and not config.epochs:
        say(f"of {asked} epochs for {config.views_shown} views, {epochs} are taken: --epochs asks for more")
    return replace(config, epochs=epochs, precision=choose_precision(config.precision, device, encoder))
