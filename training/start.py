"""The encoder before its first step: architecture, starting weights, and a head begun from the start's own features."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from catalog.errors import UsageError
from training.backbones import SMALL_IMAGE, check_sizes, find_backbone, first_stages, load_start
from training.checkpoint import Checkpoint, CheckpointHeader
from training.config import TrainConfig
from training.encode_photos import Looking, encode_photos
from training.encoder import Encoder
from training.folding import fold_norms
from training.heads import LinearHead, begin_as_pca
from training.keep_start import write_start_rows
from training.photos import TrainingPhotos
from training.spec import EncoderSpec

MOST_SAMPLED = 20_000
"""Photos whose features give a head its components, and a photo its neighbours."""


def encoder_spec(config: TrainConfig) -> EncoderSpec:
    """The encoder that a run's settings describe, "auto" resolved.

    Raises:
        UsageError: there is no such backbone, or the settings do not go together.
    """
    backbone = find_backbone(config.encoder)
    pretrained = config.weights != "none"
    linear = config.head == "linear" or (config.head == "auto" and pretrained)
    if config.freeze_norms == "yes" and not pretrained:
        raise UsageError("--freeze-norms yes needs a pretrained start; received --weights none: use --freeze-norms no")
    pooling = config.pooling
    if pooling == "auto":
        pooling = "gem" if pretrained and backbone.has_gem else "avg"
    return EncoderSpec(
        backbone=backbone.name,
        feature_dim=backbone.feature_dim,
        image_size=config.image_size,
        centre_crop=config.centre_crop,
        mean=backbone.mean,
        std=backbone.std,
        pooling=pooling,
        small_stem=backbone.has_small_stem and not pretrained and config.views.size <= SMALL_IMAGE,
        folded_norms=norms_are_frozen(config) and backbone.can_fold,
        hidden_dim=0 if linear else backbone.feature_dim,
        projection_dim=min(config.projection_dim, backbone.feature_dim),
        layer="projection",
    )


def norms_are_frozen(config: TrainConfig) -> bool:
    """Whether batch norms stay as the start has them."""
    return config.freeze_norms == "yes" or (config.freeze_norms == "auto" and config.weights != "none")


def keeps_start(config: TrainConfig) -> bool:
    """Whether a run holds on to what its start says of the photos."""
    return config.weights != "none" and config.keep_start > 0


def freeze_first_stages(encoder: Encoder, config: TrainConfig) -> None:
    """Let the part of a pretrained backbone that sees edges and textures stay as it is, in place: no gradients."""
    for module in _frozen(encoder.backbone, config):
        module.requires_grad_(requires_grad=False)
        for parameter in encoder.backbone.parameters(recurse=False):  # such as a transformer's positions
            parameter.requires_grad_(False)


def enter_training(network: nn.Module, config: TrainConfig) -> None:
    """Training mode for an encoder, but for what stays as it is: there dropout and stochastic depth stay out, too."""
    network.train()
    backbone = network.get_submodule("backbone")
    for module in [backbone] if norms_are_frozen(config) else _frozen(backbone, config):
        module.eval()


def _frozen(backbone: nn.Module, config: TrainConfig) -> list[nn.Module]:
    return first_stages(backbone, config.freeze) if config.weights != "none" else []


def start_encoder(config: TrainConfig) -> Encoder:
    """The encoder with its starting weights; the head is still random, drawn by the seed.

    Raises:
        UsageError: see `encoder_spec`; or the backbone cannot take the sizes of views and photos; or the weights cannot
            be had.
    """
    spec = encoder_spec(config)
    torch.manual_seed(config.seed)
    encoder = Encoder(replace(spec, folded_norms=False))
    check_sizes(encoder.backbone, config.encoder, {config.views.size, config.image_size})
    load_start(encoder.backbone, config.encoder, config.weights)
    if spec.folded_norms:
        fold_norms(encoder.backbone.eval())
    encoder.spec = spec
    return encoder.to(memory_format=torch.channels_last)


def begin_head(
    encoder: Encoder, config: TrainConfig, photos: TrainingPhotos, device: torch.device, start_rows: Path | None = None
) -> None:
    """Begin a linear head as a PCA of the start's features, in place, and leave what is to be kept of the start.

    The features are taken at the size of searching, not of a training view: a better start and a better teacher. Of a
    large catalog an even part gives the components.

    Args:
        start_rows: the file for the latter, see training/keep_start.py; None leaves none.

    Raises:
        LookalikeError: the disk has too little room.
    """
    if config.weights == "none" or not (isinstance(encoder.head, LinearHead) or keeps_start(config)):
        return
    encoder.eval()

    def start_features(pixels: Tensor) -> Tensor:
        features: Tensor = encoder.backbone(encoder.normalise(pixels))
        return features

    looking = Looking(side=config.image_size, centre_crop=config.centre_crop, device=device)
    sampled = np.arange(0, len(photos), math.ceil(len(photos) / MOST_SAMPLED))
    features = encode_photos(start_features, photos, sampled, looking, "the start's features")
    project: Callable[[Tensor], Tensor] = nn.Identity()
    if isinstance(encoder.head, LinearHead):
        begin_as_pca(encoder.head, features, config.pca_power)
        project = encoder.head
    if keeps_start(config) and start_rows is not None:
        write_start_rows(
            start_rows,
            lambda pixels: project(start_features(pixels)),
            photos,
            project(features).detach(),
            neighbours=config.keep_neighbours,
            looking=looking,
        )


@torch.no_grad()
def moved(encoder: Encoder, start: Encoder) -> float:
    """How far a backbone is from its start: length of the change of all its weights, relative to their length then."""
    change, length = 0.0, 0.0
    before = dict(start.backbone.named_parameters())
    for name, weight in encoder.backbone.named_parameters():
        origin = before[name].to(weight.device)
        change += float((weight - origin).double().square().sum())
        length += float(origin.double().square().sum())
    return math.sqrt(change / max(length, 1e-30))


def untrained(
    name: str = "efficientnet_lite0",
    *,
    image_size: int = 224,
    centre_crop: float = 1.0,
    weights: str = "imagenet",
    seed: int = 0,
) -> Checkpoint:
    """A start as a checkpoint without a head: its backbone's features, pooled as it was made, are what is indexed.

    Args:
        weights: "imagenet", "none" (random, drawn by the seed), or a file.

    Raises:
        UsageError: there is no such backbone, or its weights cannot be had.
    """
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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder(spec)
    load_start(encoder.backbone, name, weights)
    called = "random" if weights == "none" else weights
    header = CheckpointHeader(spec=spec, name=called, finished=True, epoch=0, manifest_fingerprint="")
    return Checkpoint(header=header, weights=encoder.state_dict())


def untrained_like(spec: EncoderSpec, *, weights: str = "imagenet") -> Checkpoint:
    """The start that an encoder is held against: its own backbone's, under the same preprocessing.

    Where ImageNet weights of that backbone cannot be had, those of EfficientNet-Lite0, which are installed, stand in.
    """
    size, crop = spec.image_size, spec.centre_crop
    try:
        return untrained(spec.backbone, image_size=size, centre_crop=crop, weights=weights)
    except UsageError:
        return untrained(image_size=size, centre_crop=crop, weights=weights)
