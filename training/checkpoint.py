"""Checkpoints: weights and everything needed to use them, in one safetensors file that describes itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from catalog import atomic
from catalog.errors import VersionError
from training.spec import EncoderSpec

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINT_FORMAT = 1
HEADER_KEY = "lookalike"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointHeader:
    """What a checkpoint says of itself; can be read without torch."""

    spec: EncoderSpec
    """How to rebuild the encoder and feed it."""
    name: str
    """The run's name, or "imagenet" for the untrained start."""
    finished: bool
    """Whether its run came to its end."""
    epoch: int
    """Epochs done."""
    manifest_fingerprint: str
    """Of the manifest it was trained on; empty for an untrained start."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The run's resolved settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """An encoder's weights with their header."""

    header: CheckpointHeader
    weights: Mapping[str, Tensor]
    """The encoder's state dict."""


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> str:
    """Write a checkpoint, atomically; returns its SHA-256."""
    from safetensors.torch import save

    header = checkpoint.header
    description = {
        "format": CHECKPOINT_FORMAT,
        "spec": header.spec.to_json(),
        "name": header.name,
        "finished": header.finished,
        "epoch": header.epoch,
        "manifest_fingerprint": header.manifest_fingerprint,
        "config": dict(header.config),
    }
    tensors = {name: value.detach().cpu().contiguous() for name, value in checkpoint.weights.items()}
    content = save(tensors, metadata={HEADER_KEY: json.dumps(description)})
    atomic.write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def read_header(path: Path) -> CheckpointHeader:
    """What a checkpoint says of itself, without its weights.

    Raises:
        VersionError: missing, damaged, of another format, or no checkpoint of lookalike.
    """
    remedy = 'train again with "lookalike train"'
    try:
        with safe_open(path, framework="numpy") as file:
            description = json.loads((file.metadata() or {}).get(HEADER_KEY, "{}"))
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise VersionError(f"checkpoint {path} cannot be read ({error}): {remedy}") from None
    if not isinstance(description, dict) or description.get("format") != CHECKPOINT_FORMAT:
        found = description.get("format") if isinstance(description, dict) else None
        raise VersionError(f"a checkpoint's format must be {CHECKPOINT_FORMAT}; {path} has {found!r}: {remedy}")
    try:
        return CheckpointHeader(
            spec=EncoderSpec.from_json(description["spec"]),
            name=description["name"],
            finished=description["finished"],
            epoch=description["epoch"],
            manifest_fingerprint=description["manifest_fingerprint"],
            config=description["config"],
        )
    except (KeyError, TypeError) as error:
        raise VersionError(f"checkpoint {path} has a damaged header ({error!r}): {remedy}") from None


def load_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint with its weights, on the CPU.

    Raises:
        VersionError: see `read_header`; or a weight of it is no number.
    """
    from safetensors.torch import load_file

    header = read_header(path)
    weights = load_file(path)
    if not all(value.isfinite().all() for value in weights.values()):
        raise VersionError(
            f'checkpoint {path} has weights that are no numbers (NaN or infinite): train again with "lookalike train"'
        )
    return Checkpoint(header=header, weights=weights)
