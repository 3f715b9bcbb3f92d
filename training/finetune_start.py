"""What a fine-tuning has before its first step: an encoder to begin with, photos, labels, a classifier.

The encoder is that of a training run or, for comparison and where there is none, a start that was never trained on the
photos.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from catalog.errors import UsageError
from catalog.hashing import file_sha256
from catalog.manifest import Manifest
from catalog.store import Store
from training.checkpoint import CheckpointHeader, read_header
from training.classifier import CosineClassifier, temperature_for
from training.config import TrainConfig
from training.device import choose_precision
from training.encoder import Encoder, load_encoder
from training.finetune_config import FinetuneConfig
from training.label_split import LabelSplit, split_fingerprint, split_photos
from training.photos import TrainingPhotos, training_photos
from training.runs import Run, all_runs, find_run, new_run
from training.say import Say
from training.start import begin_head, norms_are_frozen, start_encoder

MOST_EPOCHS = 40
"""Of a fine-tuning that chooses the number by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An encoder to fine-tune."""

    encoder: Encoder
    """On the CPU."""
    run: str
    """The run it comes from; empty for a start without one."""
    sha256: str
    """Of that run's checkpoint; empty without one."""
    settings: Mapping[str, Any]
    """The settings it was made with."""
    frozen_norms: bool
    """Whether its backbone's batch norms stay as they are, as they did in the run."""
    fine_tuned: bool
    """Whether it has seen labels before."""


def begin(store: Store, config: FinetuneConfig) -> Start:
    """The encoder that the settings name.

    Raises:
        UsageError: there is no such run, or no run at all; no such backbone or weights.
        VersionError: the run's checkpoint cannot be read.
    """
    if config.weights:
        plain = config.start_config()
        return Start(
            encoder=start_encoder(plain),
            run="",
            sha256="",
            settings=plain.to_json(),
            frozen_norms=norms_are_frozen(plain),
            fine_tuned=False,
        )
    run = run_to_fine_tune(store, config.run)
    encoder, header = load_encoder(run.checkpoint_file)
    return Start(
        encoder=encoder,
        run=run.name,
        sha256=file_sha256(run.checkpoint_file),
        settings=header.config,
        frozen_norms=_norms_stay(header),
        fine_tuned=_is_fine_tuned(header),
    )


def run_to_fine_tune(store: Store, name: str = "") -> Run:
    """The run of a name; without one the newest that was finished and not itself fine-tuned.

    Raises:
        UsageError: there is none.
    """
    if name:
        run = find_run(store, name)
        if not run.checkpoint_file.exists():
            raise UsageError(f'--run needs a run with a checkpoint; "{name}" has none yet: choose another')
        return run
    runs = [run for run in all_runs(store) if run.finished and not _is_fine_tuned(read_header(run.checkpoint_file))]
    if not runs:
        raise UsageError(
            'there is no finished training run to fine-tune: run "lookalike train", '
            "or begin without one: --weights imagenet"
        )
    return runs[-1]


def _is_fine_tuned(header: CheckpointHeader) -> bool:
    return "source" in header.config


def _norms_stay(header: CheckpointHeader) -> bool:
    """As in the training run at the beginning, which a fine-tuned run names as its source."""
    settings = header.config
    while "source" in settings:
        settings = settings["source"]
    told = {name: settings[name] for name in ("weights", "freeze_norms") if name in settings}
    return header.spec.folded_norms or norms_are_frozen(TrainConfig(**told))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What stays the same through a fine-tuning, and the two networks that learn."""

    run: Run
    config: FinetuneConfig
    start: Start
    photos: TrainingPhotos
    split: LabelSplit
    split_sha256: str
    """By which the gate knows the split again, see `split_fingerprint`."""
    encoder: Encoder
    classifier: CosineClassifier
    codes: Tensor
    """The training photos' labels as places in the classifier's, int64 (N,), on the device."""
    device: torch.device

    def settings(self) -> dict[str, Any]:
        """The resolved settings, with those of what it began with: as they are written beside the results."""
        return {
            **self.config.to_json(),
            "split_sha256": self.split_sha256,
            "source": dict(self.start.settings),
            "source_sha256": self.start.sha256,
        }


def prepare(store: Store, config: FinetuneConfig, device: torch.device, say: Say) -> Job:
    """Everything up to the first step; writes nothing to the run's folder yet.

    Raises:
        UsageError: settings that cannot be; no such run, backbone, weights or column; fewer than 2 labels.
        TrainingError: fewer than 2 usable photos.
        VersionError: the run's checkpoint cannot be read.
    """
    run, start = new_run(store, config.name), begin(store, config)
    manifest = Manifest.read(store.manifest_file)
    photos = training_photos(store, manifest, config.pixels_side, say)
    split = split_photos(
        manifest,
        photos.rows,
        config.labels,
        held_out=config.held_out,
        label_fraction=config.label_fraction,
        seed=config.seed,
    )
    encoder = start.encoder.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not start.run:
        begin_head(encoder, config.start_config(), photos, device)
    names, codes = np.unique(split.train_labels, return_inverse=True)
    temperature = config.classifier_temperature or temperature_for(len(names))
    classifier = CosineClassifier(names.tolist(), encoder.spec.embedding_dim, temperature).to(device)
    epochs = config.epochs or min(MOST_EPOCHS, max(1, round(config.views_shown / len(split.train))))
    precision = choose_precision(config.precision, device, encoder)
    told = f", {split.unlabelled} without a label left out" if split.unlabelled else ""
    say(
        f"fine-tuning {run.name} from {start.run or config.weights}: {len(split.train)} photos of {len(names)} labels, "
        f"{len(split.held_out)} held out{told}; on {device.type}, {epochs} epochs"
    )
    if start.fine_tuned and config.held_out:
        say(f"{start.run} is fine-tuned itself and may know some held-out photos: the figures may be too good")
    return Job(
        run=run,
        config=replace(
            config,
            run=start.run,
            encoder=encoder.spec.backbone,
            epochs=epochs,
            precision=precision,
            classifier_temperature=temperature,
        ),
        start=start,
        photos=photos,
        split=split,
        split_sha256=split_fingerprint(split, [photo.sha256 for photo in photos.located]),
        encoder=encoder,
        classifier=classifier,
        codes=torch.from_numpy(codes).to(device),
        device=device,
    )
