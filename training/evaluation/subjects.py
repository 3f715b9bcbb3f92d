"""What an evaluation compares: the trained encoder's layers, and the baselines a user could pick instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from catalog.manifest import CatalogPhoto
from training.backbones import find_backbone
from training.checkpoint import Checkpoint
from training.encoder import Encoder
from training.evaluation.colour_histogram import colour_histogram
from training.evaluation.ranking import Floats
from training.folding import fold_norms
from training.heads import MLPHead
from training.start import untrained_like

BACKBONE, FIRST, PROJECTION = "backbone", "first", "projection"
IMAGENET, RANDOM, COLOURS = "ImageNet start", "random start", "colour histogram"
BATCH = 64

Pixels = npt.NDArray[np.uint8]
Embed = Callable[[Pixels], Mapping[str, Floats]]
T = TypeVar("T")


def trained_layers(encoder: Encoder, device: torch.device) -> Embed:
    """The layers that a search could use: backbone h, the head's first layer where it has one, projection z."""
    network = _ready(encoder, device)

    @torch.inference_mode()
    def embed(photos: Pixels) -> dict[str, Floats]:
        layers = network(_tensor(photos, device))
        found = {BACKBONE: _unit(layers.backbone), PROJECTION: _unit(layers.projection)}
        if isinstance(encoder.head, MLPHead):
            found[FIRST] = _unit(layers.first)
        return found

    return embed


def start_features(name: str, checkpoint: Checkpoint, device: torch.device) -> Embed:
    """An untrained start's features; see `training.start.untrained_like`."""
    encoder = Encoder(checkpoint.header.spec)
    encoder.load_state_dict(dict(checkpoint.weights))
    encoder.eval()
    if find_backbone(checkpoint.header.spec.backbone).can_fold:
        fold_norms(encoder.backbone)
    network = _ready(encoder, device)

    @torch.inference_mode()
    def embed(photos: Pixels) -> dict[str, Floats]:
        return {name: _unit(network(_tensor(photos, device)).backbone)}

    return embed


def colours(photos: Pixels) -> dict[str, Floats]:
    """The colour histogram's vectors."""
    return {COLOURS: np.stack([colour_histogram(photo) for photo in photos])}


def all_subjects(encoder: Encoder, start: Checkpoint, device: torch.device) -> list[Embed]:
    """The trained encoder's layers and all baselines.

    Args:
        start: with ImageNet weights, under the encoder's preprocessing.
    """
    return [
        trained_layers(encoder, device),
        start_features(IMAGENET, start, device),
        start_features(RANDOM, untrained_like(encoder.spec, weights="none"), device),
        colours,
    ]


def embed_all(prepared: Iterable[tuple[T, Pixels]], subjects: list[Embed]) -> tuple[list[T], dict[str, Floats]]:
    """Run every subject over prepared photos, each of which is decoded once.

    Args:
        prepared: photos with their pixels, uint8 (S, S, 3).

    Returns:
        The photos, M of them, and each subject's vectors, float32 (M, D), of unit norm.
    """
    photos: list[T] = []
    parts: dict[str, list[Floats]] = {}
    waiting: list[Pixels] = []

    def run() -> None:
        for subject in subjects:
            for name, vectors in subject(np.stack(waiting)).items():
                parts.setdefault(name, []).append(vectors)
        waiting.clear()

    for photo, pixels in prepared:
        photos.append(photo)
        waiting.append(pixels)
        if len(waiting) == BATCH:
            run()
    if waiting:
        run()
    return photos, {name: np.concatenate(some) for name, some in parts.items()}


def embed_copies(
    made: Iterable[tuple[CatalogPhoto, list[Pixels]]], subjects: list[Embed]
) -> tuple[list[str], dict[str, Floats]]:
    """Run every subject over altered copies.

    Args:
        made: photos with their copies, see `training.evaluation.label_free.altered_copies`.

    Returns:
        The photos' contents, P of them, and each subject's vectors, photo by photo, float32 (P · families, D).
    """
    contents, vectors = embed_all(((photo.sha256, pixels) for photo, copies in made for pixels in copies), subjects)
    return list(dict.fromkeys(contents)), vectors


def _ready(encoder: Encoder, device: torch.device) -> torch.nn.Module:
    return encoder.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _tensor(photos: Pixels, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(photos).to(device).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


def _unit(output: torch.Tensor) -> Floats:
    vectors: Floats = functional.normalize(output.float(), dim=1).cpu().numpy()
    return vectors
