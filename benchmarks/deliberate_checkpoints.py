"""Checkpoints made on purpose, good ones and bad ones in many ways, for benchmarks/gate_trust.py to tell apart.

Most come from `training.train.train` with other settings; the starts are what a run begins with, and two are the good
encoder damaged by hand. Each is a run in the store, kept for as long as settings and photos stay the same.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from catalog import atomic
from catalog.errors import TrainingError
from catalog.manifest import Manifest
from catalog.store import Store
from training.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, save_checkpoint
from training.config import TrainConfig
from training.device import choose_device
from training.photos import training_photos
from training.runs import Run
from training.start import begin_head, start_encoder, untrained
from training.train import train

GOOD = "good"
FAR = 1000.0
"""Length of the bias of the nearly constant encoder, as a multiple of the length of its head's weights."""
ASKED_FILE = "asked.json"
"""In a run's folder: settings and photos that it was made for."""

MakeCheckpoint = Callable[[TrainConfig], Checkpoint]


def _features_alone(config: TrainConfig) -> Checkpoint:
    """The untrained backbone, as the gate has it for the other side of a first version."""
    return untrained(
        config.encoder, image_size=config.image_size, centre_crop=config.centre_crop, weights=config.weights
    )


def _before_the_first_step(config: TrainConfig) -> Checkpoint:
    """What a run begins with: the start and its head."""
    store, device = Store.open(config.store), choose_device(config.device)
    photos = training_photos(store, Manifest.read(store.manifest_file), config.pixels_side, print)
    encoder = start_encoder(config).to(device)
    begin_head(encoder, config, photos, device)
    header = CheckpointHeader(
        spec=encoder.spec, name=config.name, finished=True, epoch=0, manifest_fingerprint=photos.fingerprint
    )
    return Checkpoint(header=header, weights=encoder.state_dict())


def _good_with(
    change: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
) -> MakeCheckpoint:
    """The good encoder with another weight (D, F) and bias (D,) of its linear head."""

    def make(config: TrainConfig) -> Checkpoint:
        good = load_checkpoint(Run(Store.open(config.store).runs_dir / GOOD).checkpoint_file)
        weight, bias = change(good.weights["head.weight"], good.weights["head.bias"])
        header = replace(good.header, name=config.name)
        return Checkpoint(header=header, weights={**good.weights, "head.weight": weight, "head.bias": bias})

    return make


def _of_rank_2(weight: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    kept = (torch.arange(len(bias)) < 2).float()
    return weight * kept[:, None], bias * kept


def _nearly_constant(weight: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    far = torch.zeros_like(bias)
    far[0] = FAR * weight.norm()
    return weight, bias + far


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one checkpoint is made: what differs from the default recipe, and what that does."""

    about: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of `TrainConfig`, other than the default's."""
    views: Mapping[str, Any] = field(default_factory=dict)
    """Of `ViewConfig`, likewise."""
    by_hand: MakeCheckpoint | None = None
    """Makes it without training."""

    def config(self, base: TrainConfig, name: str) -> TrainConfig:
        """The settings in full."""
        return replace(base, name=name, views=replace(base.views, **self.views), **self.settings)


RECIPES: dict[str, Recipe] = {
    "imagenet": Recipe(about="the ImageNet start's features, no head", by_hand=_features_alone),
    "random": Recipe(about="random weights, untrained", settings={"weights": "none"}, by_hand=_features_alone),
    "pca-untrained": Recipe(about="the start with its PCA head, no step taken", by_hand=_before_the_first_step),
    GOOD: Recipe(about="the default recipe"),
    "early": Recipe(about="a few steps only", settings={"epochs": 1, "batch_size": 512, "chunk_size": 64}),
    "over-trained": Recipe(
        about="learning rates x 30, no warm-up, the start not kept",
        settings={"learning_rate": 3e-3, "head_learning_rate": 3e-3, "warmup": 0.0, "keep_start": 0.0},
    ),
    "forgetful": Recipe(
        about="random MLP head, live norms, learning rates x 10, the start not kept",
        settings={
            "head": "mlp",
            "freeze_norms": "no",
            "learning_rate": 1e-3,
            "head_learning_rate": 1e-3,
            "keep_start": 0.0,
        },
    ),
    "random-trained": Recipe(
        about="trained from random weights",
        settings={"weights": "none", "learning_rate": 1e-3, "head_learning_rate": 1e-3},
    ),
    "too-much-jitter": Recipe(
        about="colours changed beyond recognition, the start not kept",
        settings={"keep_start": 0.0},
        views={"jitter": 1.0, "brightness": 0.9, "contrast": 0.9, "saturation": 1.0, "hue": 0.5, "grey": 0.8},
    ),
    "wrong-crop": Recipe(
        about="views of a hundredth of the photo and up, the start not kept",
        settings={"keep_start": 0.0},
        views={"min_area": 0.01},
    ),
    "colour-blind": Recipe(
        about="every view grey, the start not kept", settings={"keep_start": 0.0}, views={"grey": 1.0}
    ),
    "blurred": Recipe(
        about="every view strongly blurred, the start not kept",
        settings={"keep_start": 0.0},
        views={"blur": 1.0, "blur_sigma": 20.0},
    ),
    "whitened": Recipe(about="head begun with all components alike", settings={"pca_power": -1.0}),
    "favours-kinds": Recipe(
        about="head begun with details turned down: better categories, docs/decisions/0012",
        settings={"pca_power": 0.5, "keep_start": 5.0},
    ),
    "narrow": Recipe(about="a projection 4 wide", settings={"projection_dim": 4}),
    "rank-2": Recipe(about="by hand: good, of its projection only 2 directions left", by_hand=_good_with(_of_rank_2)),
    "nearly-constant": Recipe(
        about="by hand: good, a bias so large that all vectors nearly coincide", by_hand=_good_with(_nearly_constant)
    ),
}


def make_checkpoints(base: TrainConfig) -> Iterator[tuple[str, Run]]:
    """Make every checkpoint, or take the one that is there; one whose training fails is named and left out.

    Args:
        base: the store and the settings of the default recipe.
    """
    store = Store.open(base.store)
    fingerprint = Manifest.read(store.manifest_file).fingerprint
    for name, recipe in RECIPES.items():
        run, config = Run(store.runs_dir / name), recipe.config(base, name)
        asked = {"settings": config.to_json(), "photos": fingerprint}
        if _asked_before(run) == asked:
            print(f"{name}: kept from before", flush=True)
            yield name, run
            continue
        shutil.rmtree(run.folder, ignore_errors=True)
        begun = time.monotonic()
        try:
            if recipe.by_hand is None:
                train(config, lambda line: print(f"  {line}", flush=True))
            else:
                with store.writing("benchmarks.gate_trust"):
                    _write_run(run, config, recipe.by_hand(config))
        except TrainingError as error:
            print(f"{name}: left out, {error}", flush=True)
            continue
        atomic.write_json(run.folder / ASKED_FILE, asked)
        print(f"{name}: made in {time.monotonic() - begun:.0f} s ({recipe.about})", flush=True)
        yield name, run


def _asked_before(run: Run) -> Any:
    """What a complete run was made for; None where there is none."""
    try:
        return json.loads((run.folder / ASKED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write_run(run: Run, config: TrainConfig, checkpoint: Checkpoint) -> None:
    run.folder.mkdir(parents=True)
    atomic.write_json(run.config_file, config.to_json())
    save_checkpoint(checkpoint, run.checkpoint_file)
