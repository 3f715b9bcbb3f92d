"""`train`: SimCLR (arXiv 2002.05709) on the photos of a store, from the first pixel to the last checkpoint.

Reads top to bottom: photos, encoder, epochs of steps, checkpoints. Shapes: N photos, B in a batch, D projected.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from catalog import atomic
from catalog.errors import LookalikeError, TrainingError, UsageError
from catalog.manifest import Manifest
from catalog.progress import progress
from catalog.store import Store
from training.backbones import SMALL_IMAGE, find_backbone, load_start
from training.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, save_checkpoint
from training.config import TrainConfig
from training.device import autocast, choose_device
from training.encoder import Encoder
from training.folding import fold_norms
from training.heads import LinearHead, begin_as_pca
from training.memory import keep_freed_memory
from training.metrics_log import MetricsLog
from training.nt_xent import nt_xent
from training.pixels import CatalogPhoto, Pixels, fill_pixels
from training.random_streams import epoch_order
from training.relational import relational_loss
from training.runs import Run, new_run, newest_resumable
from training.schedule import schedule_factor
from training.spec import EncoderSpec
from training.stopping import StopRequest
from training.views import centre, draw_batch, make_views

Say = Callable[[str], None]

SAVE_SECONDS = 600.0
"""The resume state is saved at least this often, besides every epoch's end."""
LOG_STEPS = 10
"""Metrics are averaged over this many steps."""
MOST_EPOCHS = 40
"""Of a run that chooses the number by itself."""
COLLAPSED_SPREAD = 1e-4
"""Below this spread of unit vectors (1 - |mean|²) all photos have become the same to the encoder."""


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

    def __str__(self) -> str:
        return (
            f"trained {self.name}: {self.photos} photos, {self.epochs} epochs, {self.steps} steps "
            f'in {self.seconds:.0f} s; run "lookalike index" to search with it'
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPhotos:
    """The photos of a run: pixels, and the true shape of each."""

    pixels: Pixels
    aspects: npt.NDArray[np.float64]
    """Width / height of each photo, (N,)."""
    fingerprint: str
    """Of the manifest they come from."""

    def __len__(self) -> int:
        return len(self.pixels)


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
    start_features: Tensor | None = None
    """The pretrained start's view of every photo: (N, T), centred, unit norm; None where it is not to be kept."""
    pending: dict[str, list[float]] = field(default_factory=dict)
    """Numbers of the steps since the last logged row."""
    row: dict[str, float] = field(default_factory=dict)
    """The last logged row."""


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
            resumed = _load_resume(run)
            config = replace(resumed_config(resumed["config"]), store=config.store, device=config.device)
            photos = _training_photos(store, manifest, config, say)
            _check_same_photos(photos, resumed)
            state = _restore(resumed, config, photos, device)
            say(f"resuming {run.name} after step {state.step}")
            return _run_epochs(run, config, photos, state, device, say)
        run = new_run(store, config.name)
        encoder = _start_encoder(config)
        photos = _training_photos(store, manifest, config, say)
        if not config.epochs:
            config = replace(config, epochs=min(MOST_EPOCHS, max(1, round(config.views_shown / (2 * len(photos))))))
        run.folder.mkdir(parents=True)
        try:
            state = _begin(encoder.to(device), config, photos, device)
            atomic.write_json(run.config_file, config.to_json())
        except BaseException:
            shutil.rmtree(run.folder)  # nothing was learned yet: leave the store as it was
            raise
        say(f"training {run.name}: {len(photos)} photos on {device.type}, {config.epochs} epochs")
        return _run_epochs(run, config, photos, state, device, say)


def _training_photos(store: Store, manifest: Manifest, config: TrainConfig, say: Say) -> TrainingPhotos:
    """Decode what is not decoded yet; photos that vanished since the scan are counted and left out."""
    rows = manifest.first_rows
    if len(rows) < 2:
        raise TrainingError(
            f"training needs at least 2 different photos; the catalog has {len(rows)}: add photos and scan again, "
            'or search with the untrained encoder: "lookalike index --encoder imagenet"'
        )
    root = Path(store.read_catalog()["root"])
    columns = manifest.table.select(["path", "sha256", "width", "height"]).take(rows).to_pydict()
    located = [
        CatalogPhoto(root=root, path=path, sha256=sha256)
        for path, sha256 in zip(columns["path"], columns["sha256"], strict=True)
    ]
    pixels = fill_pixels(store.pixels_dir, located, config.pixels_side)
    lost = len(rows) - len(pixels)
    if len(pixels) < 2:
        raise TrainingError(
            f'{lost} of {len(rows)} photos are gone or unreadable since the scan: run "lookalike scan" again'
        )
    if lost:
        say(
            f'{lost} of {len(rows)} photos are gone or unreadable since the scan and are left out: run "lookalike scan"'
        )
    aspects = (np.array(columns["width"]) / np.array(columns["height"]))[pixels.kept]
    return TrainingPhotos(pixels=pixels, aspects=aspects, fingerprint=manifest.fingerprint)


def _encoder_spec(config: TrainConfig) -> EncoderSpec:
    backbone = find_backbone(config.encoder)
    pretrained = config.weights != "none"
    linear = config.head == "linear" or (config.head == "auto" and pretrained)
    projection_dim = min(config.projection_dim, backbone.feature_dim)
    return EncoderSpec(
        backbone=backbone.name,
        feature_dim=backbone.feature_dim,
        image_size=config.image_size,
        centre_crop=config.centre_crop,
        mean=backbone.mean,
        std=backbone.std,
        small_stem=backbone.has_small_stem and not pretrained and config.views.size <= SMALL_IMAGE,
        folded_norms=config.freeze_norms == "yes" or (config.freeze_norms == "auto" and pretrained),
        hidden_dim=0 if linear else backbone.feature_dim,
        projection_dim=projection_dim,
        layer="projection",
    )


def _start_encoder(config: TrainConfig) -> Encoder:
    """The encoder with its starting weights; the head is still random."""
    spec = _encoder_spec(config)
    pretrained = config.weights != "none"
    if spec.folded_norms and not pretrained:
        raise UsageError("--freeze-norms yes needs a pretrained start; received --weights none: use --freeze-norms no")
    torch.manual_seed(config.seed)
    encoder = Encoder(replace(spec, folded_norms=False))
    load_start(encoder.backbone, config.encoder, config.weights)
    if spec.folded_norms:
        fold_norms(encoder.backbone.eval())
    encoder.spec = spec
    return encoder.to(memory_format=torch.channels_last)


def _begin(encoder: Encoder, config: TrainConfig, photos: TrainingPhotos, device: torch.device) -> State:
    """The state before the first step: the head begun from the start's features, the optimiser."""
    pretrained = config.weights != "none"
    start_features = None
    if pretrained and (isinstance(encoder.head, LinearHead) or config.keep_start):
        features = _features(encoder, config, photos, device)
        if isinstance(encoder.head, LinearHead):
            begin_as_pca(encoder.head, features, config.pca_power)
            features = encoder.head(features).detach()
        if config.keep_start:
            start_features = functional.normalize(features - features.mean(dim=0), dim=1)
    return State(encoder=encoder, optimizer=_optimizer(encoder, config), start_features=start_features)


@torch.no_grad()
def _features(encoder: Encoder, config: TrainConfig, photos: TrainingPhotos, device: torch.device) -> Tensor:
    """The starting backbone's features of every photo, unaltered: (N, feature_dim)."""
    encoder.eval()
    batches = np.array_split(np.arange(len(photos)), math.ceil(len(photos) / 64))
    features = []
    for places in progress(batches, total=len(batches), description="the start's features", unit="batches"):
        parameters = [centre(config.centre_crop, float(aspect)) for aspect in photos.aspects[places]]
        squares = torch.from_numpy(photos.pixels.take(places)).to(device)
        images = make_views(squares, parameters, config.views.size)
        features.append(encoder.backbone(encoder.normalise(images)))
    return torch.cat(features)


def _optimizer(encoder: Encoder, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; weight decay spares biases and norms; the backbone and the head have learning rates of their own."""
    groups = []
    for part, rate in ((encoder.backbone, config.learning_rate), (encoder.head, config.head_learning_rate)):
        matrices = [weight for weight in part.parameters() if weight.ndim > 1]
        vectors = [weight for weight in part.parameters() if weight.ndim <= 1]
        groups.append({"params": matrices, "lr": rate, "highest": rate, "weight_decay": config.weight_decay})
        groups.append({"params": vectors, "lr": rate, "highest": rate, "weight_decay": 0.0})
    return torch.optim.AdamW(groups)


def _run_epochs(
    run: Run, config: TrainConfig, photos: TrainingPhotos, state: State, device: torch.device, say: Say
) -> TrainResult:
    """The loop: every epoch sees every photo once, in two views."""
    begun = saved = time.monotonic()
    batches = max(1, round(len(photos) / config.batch_size))  # all of nearly equal size; none is dropped
    steps = config.epochs * batches
    with StopRequest() as stop, MetricsLog(run.metrics_file, from_step=state.step) as log:
        while state.epoch < config.epochs:
            order = np.array_split(epoch_order(len(photos), config.seed, state.epoch), batches)
            remaining = range(state.batch, batches)
            for batch in progress(
                remaining, total=len(remaining), description=f"epoch {state.epoch + 1}", unit="steps"
            ):
                _set_learning_rate(state.optimizer, schedule_factor(state.step, steps, config.warmup))
                _step(config, photos, state, order[batch], device)
                state.batch, state.step = batch + 1, state.step + 1
                if state.step % LOG_STEPS == 0 or state.batch == batches:
                    state.row = _mean_row(state)
                    log.write(state.step, state.row)
                if stop.received:
                    _save_resume(run, config, photos, state)
                    say(
                        f"stopped after step {state.step} of {steps}: "
                        f'go on with "lookalike train --resume --name {run.name}"'
                    )
                    stop.end()
                if time.monotonic() - saved > SAVE_SECONDS:
                    _save_resume(run, config, photos, state)
                    saved = time.monotonic()
            state.epoch, state.batch = state.epoch + 1, 0
            finished = state.epoch == config.epochs
            header = CheckpointHeader(
                spec=state.encoder.spec,
                name=run.name,
                finished=finished,
                epoch=state.epoch,
                manifest_fingerprint=photos.fingerprint,
                config=config.to_json(),
            )
            save_checkpoint(Checkpoint(header=header, weights=state.encoder.state_dict()), run.checkpoint_file)
            if not finished:
                _save_resume(run, config, photos, state)
                saved = time.monotonic()
            say(_epoch_line(config, state))
        run.resume_file.unlink(missing_ok=True)
    return TrainResult(
        name=run.name,
        checkpoint=run.checkpoint_file,
        epochs=state.epoch,
        steps=state.step,
        photos=len(photos),
        seconds=time.monotonic() - begun,
        loss=state.row["loss"],
    )


def _step(
    config: TrainConfig, photos: TrainingPhotos, state: State, places: npt.NDArray[np.int64], device: torch.device
) -> None:
    """One optimiser step on one batch; its numbers go to `state.pending`."""
    begun = time.monotonic()
    squares = torch.from_numpy(photos.pixels.take(places)).to(device)
    views = [
        make_views(
            squares,
            draw_batch(config.views, photos.aspects[places], places, config.seed, state.epoch, view),
            config.views.size,
        )
        for view in (0, 1)
    ]
    images = torch.cat(views).contiguous(memory_format=torch.channels_last)
    state.encoder.train()
    if state.encoder.spec.folded_norms:
        state.encoder.backbone.eval()  # no norms are left in it; this keeps dropout and stochastic depth out too
    with autocast(device):
        z_first, z_second = state.encoder(images).projection.float().chunk(2)
    contrast = nt_xent(z_first, z_second, config.temperature)
    loss = contrast.loss
    if state.start_features is not None:
        kept = relational_loss(z_first, z_second, state.start_features[places])
        loss = loss + config.keep_start * kept
        state.pending.setdefault("keep_start", []).append(float(kept.detach()))
    numbers = {
        "loss": float(loss.detach()),
        "nt_xent": float(contrast.loss.detach()),
        "contrastive_accuracy": float(contrast.accuracy),
        "spread": _spread(torch.cat([z_first, z_second]).detach()),
        "learning_rate": float(state.optimizer.param_groups[0]["lr"]),
    }
    _check(numbers, len(places), state.step + 1)
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    numbers["views_per_second"] = 2 * len(places) / (time.monotonic() - begun)
    for name, value in numbers.items():
        state.pending.setdefault(name, []).append(value)


@torch.no_grad()
def _spread(projections: Tensor) -> float:
    """How widely unit vectors spread: 1 - |mean|², 0 when all are the same, near 1 when they fill the sphere."""
    return 1.0 - float(functional.normalize(projections, dim=1).mean(dim=0).square().sum())


def _check(numbers: dict[str, float], photo_count: int, step: int) -> None:
    """Stop a run that can no longer learn; the last checkpoint stays as it is."""
    remedy = "the last good checkpoint is kept; lower --learning-rate, or raise --temperature"
    if not math.isfinite(numbers["loss"]):
        raise TrainingError(f"the loss must be finite; at step {step} it is {numbers['loss']}: {remedy}")
    if photo_count > 2 and numbers["spread"] < COLLAPSED_SPREAD:
        raise TrainingError(
            f"the embedding collapsed: at step {step} the spread of the batch is {numbers['spread']:.1e} "
            f"(below {COLLAPSED_SPREAD:.0e} all photos look the same to it): {remedy}"
        )


def _set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["highest"] * factor


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


def _save_resume(run: Run, config: TrainConfig, photos: TrainingPhotos, state: State) -> None:
    content: dict[str, Any] = {
        "config": config.to_json(),
        "spec": state.encoder.spec.to_json(),
        "fingerprint": photos.fingerprint,
        "photos": len(photos),
        "weights": state.encoder.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "start_features": state.start_features,
        "epoch": state.epoch,
        "batch": state.batch,
        "step": state.step,
        "pending": state.pending,
        "row": state.row,
    }
    with atomic.replacing(run.resume_file) as temporary:
        torch.save(content, temporary)


def _load_resume(run: Run) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(run.resume_file, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  torch raises many kinds; whatever it is, the state cannot be used
        raise LookalikeError(
            f'the state of {run.name} cannot be read ({type(error).__name__}): start a new run with "lookalike train"'
        ) from None
    return content


def resumed_config(values: dict[str, Any]) -> TrainConfig:
    """The settings of a run as `TrainConfig.to_json` wrote them."""
    from training.config import ViewConfig

    return TrainConfig(**{**values, "store": Path(values["store"]), "views": ViewConfig(**values["views"])})


def _check_same_photos(photos: TrainingPhotos, resumed: dict[str, Any]) -> None:
    if (photos.fingerprint, len(photos)) != (resumed["fingerprint"], resumed["photos"]):
        raise UsageError(
            f"--resume needs the photos the run began with ({resumed['photos']}); the catalog has changed since: "
            'start a new run with "lookalike train"'
        )


def _restore(resumed: dict[str, Any], config: TrainConfig, photos: TrainingPhotos, device: torch.device) -> State:
    encoder = Encoder(EncoderSpec.from_json(resumed["spec"]))
    encoder.load_state_dict(resumed["weights"])
    encoder = encoder.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _optimizer(encoder, config)
    optimizer.load_state_dict(resumed["optimizer"])
    features = resumed["start_features"]
    return State(
        encoder=encoder,
        optimizer=optimizer,
        epoch=resumed["epoch"],
        batch=resumed["batch"],
        step=resumed["step"],
        start_features=None if features is None else features.to(device),
        pending=resumed["pending"],
        row=resumed["row"],
    )


def load_encoder(path: Path) -> tuple[Encoder, CheckpointHeader]:
    """The encoder of a checkpoint, on the CPU, ready to encode.

    Raises:
        VersionError: see `training.checkpoint.read_header`.
    """
    checkpoint = load_checkpoint(path)
    encoder = Encoder(checkpoint.header.spec)
    encoder.load_state_dict(dict(checkpoint.weights))
    return encoder.eval(), checkpoint.header


def untrained(name: str = "efficientnet_lite0", *, image_size: int = 224, centre_crop: float = 0.875) -> Checkpoint:
    """The ImageNet start as a checkpoint without a head: its backbone's features are what is indexed."""
    backbone = find_backbone(name)
    spec = EncoderSpec(
        backbone=backbone.name,
        feature_dim=backbone.feature_dim,
        image_size=image_size,
        centre_crop=centre_crop,
        mean=backbone.mean,
        std=backbone.std,
        layer="backbone",
    )
    encoder = Encoder(spec)
    load_start(encoder.backbone, name, "imagenet")
    header = CheckpointHeader(spec=spec, name="imagenet", finished=True, epoch=0, manifest_fingerprint="")
    return Checkpoint(header=header, weights=encoder.state_dict())
