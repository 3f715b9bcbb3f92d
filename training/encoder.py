"""The encoder: pixels to the three layers a search could use (backbone h, first head layer, projection z)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from catalog.errors import VersionError
from training.backbones import build_backbone
from training.checkpoint import CheckpointHeader, load_checkpoint
from training.folding import fold_norms
from training.heads import LinearHead, MLPHead
from training.spec import EncoderSpec


class Layers(NamedTuple):
    """Outputs of an encoder for B images; not of unit norm.

    Attributes:
        backbone: (B, feature_dim), h in SimCLR.
        first: (B, hidden_dim), the head's first layer; the same as z for a linear head.
        projection: (B, projection_dim), z; the same as h where there is no head.
    """

    backbone: Tensor
    first: Tensor
    projection: Tensor


class Encoder(nn.Module):
    """Backbone and projection head, built from a spec with random weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = build_backbone(spec.backbone, small_stem=spec.small_stem, pooling=spec.pooling)
        if spec.folded_norms:
            fold_norms(self.backbone.eval())
        self.head: nn.Module = nn.Identity()
        if spec.hidden_dim:
            self.head = MLPHead(spec.feature_dim, spec.hidden_dim, spec.projection_dim)
        elif spec.projection_dim:
            self.head = LinearHead(spec.feature_dim, spec.projection_dim)
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1), persistent=False)

    def normalise(self, pixels: Tensor) -> Tensor:
        """From 0 … 255 to what the backbone was made for; any shape (B, 3, H, W)."""
        return (pixels - self.mean) / self.std

    def forward(self, pixels: Tensor) -> Layers:
        """Encode (B, 3, S, S) pixels of 0 … 255, in float."""
        features = self.backbone(self.normalise(pixels))
        projection = self.head(features)
        first = self.head.hidden(features) if isinstance(self.head, MLPHead) else projection
        return Layers(features, first, projection)


class Indexed(nn.Module):
    """An encoder as an index uses it: uint8 photos in, the indexed layer out. What is exported to ONNX."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, photos: Tensor) -> Tensor:
        """Encode uint8 (B, S, S, 3) photos to float32 (B, embedding_dim), not of unit norm."""
        layers = self.encoder(photos.permute(0, 3, 1, 2).float())
        output: Tensor = getattr(layers, self.encoder.spec.layer)
        return output


def load_encoder(path: Path) -> tuple[Encoder, CheckpointHeader]:
    """The encoder of a checkpoint, on the CPU, ready to encode.

    Raises:
        VersionError: see `training.checkpoint.load_checkpoint`; or its weights are not those of its encoder.
    """
    checkpoint = load_checkpoint(path)
    spec, weights = checkpoint.header.spec, dict(checkpoint.weights)
    fault = VersionError(
        f"checkpoint {path} must hold the weights of a {spec.backbone} with its head, as its header says; "
        'it does not: train again with "lookalike train"'
    )
    head = spec.hidden_dim * (spec.feature_dim + spec.projection_dim) or spec.feature_dim * spec.projection_dim
    if head > sum(value.numel() for value in weights.values()):
        raise fault  # before a head of any size that a header may tell of is made
    encoder = Encoder(spec)
    try:
        encoder.load_state_dict(weights)
    except RuntimeError:
        raise fault from None
    return encoder.eval(), checkpoint.header
