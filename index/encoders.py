"""Encoders as files: the checkpoint that an index is built with, and its ONNX graph, exported once and kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog import atomic, stopping
from catalog.hashing import file_sha256
from catalog.store import Store
from index.config import EmbedConfig, IndexConfig
from index.loading import check_files
from index.versions import CHECKPOINT_FILE, ONNX_FILE, IndexVersion
from training.runs import run_to_use
from training.spec import EncoderSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFiles:
    """An encoder's two forms."""

    checkpoint: Path
    onnx: Path
    sha256: str
    """Of the checkpoint."""


def chosen_encoder(store: Store, config: IndexConfig | EmbedConfig) -> EncoderFiles:
    """The encoder that a build, or an embedding before it, was asked to use.

    Raises:
        UsageError: no such run.
        LookalikeError: there is no finished run.
        VersionError: the run has no checkpoint yet.
    """
    if config.encoder == "imagenet":
        with _untrained(store) as checkpoint:
            return _kept(store, checkpoint)
    run = run_to_use(
        store, config.run, otherwise=', or search with the untrained encoder: "lookalike index --encoder imagenet"'
    )
    return _kept(store, run.checkpoint_file)


def start_encoder_files(store: Store, spec: EncoderSpec) -> EncoderFiles:
    """The untrained ImageNet start under the preprocessing of a spec; see `training.evaluation.subjects`."""
    with _untrained(store, spec) as checkpoint:
        return _kept(store, checkpoint)


def held_encoder(store: Store, version: IndexVersion) -> EncoderFiles:
    """The encoder that lies in a version.

    Raises:
        VersionError: it is damaged.
    """
    folder = store.versions_dir / version.id
    check_files(folder, version, (CHECKPOINT_FILE, ONNX_FILE))
    return EncoderFiles(checkpoint=folder / CHECKPOINT_FILE, onnx=folder / ONNX_FILE, sha256=version.encoder_sha256)


def kept_encoder(store: Store, sha256: str) -> EncoderFiles:
    """An encoder that `chosen_encoder` has left in `embeddings/<sha256>/`."""
    folder = store.embeddings_dir / sha256
    return EncoderFiles(checkpoint=folder / "encoder.safetensors", onnx=folder / "encoder.onnx", sha256=sha256)


def _kept(store: Store, checkpoint: Path) -> EncoderFiles:
    """An encoder in `embeddings/<sha256>/`, with its ONNX graph."""
    sha256 = file_sha256(checkpoint)
    files = kept_encoder(store, sha256)
    if not files.onnx.exists() or file_sha256(files.checkpoint) != sha256:
        with stopping.imports():
            from index.encoder_files import export_onnx  # imports torch

        files.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(files.checkpoint) as temporary:
            shutil.copyfile(checkpoint, temporary)
        export_onnx(files.checkpoint, files.onnx)
    return files


@contextmanager
def _untrained(store: Store, spec: EncoderSpec | None = None) -> Iterator[Path]:
    """The checkpoint file of the ImageNet start while it is needed; the next writer removes what a kill leaves."""
    with stopping.imports():
        from training.checkpoint import save_checkpoint
        from training.start import untrained, untrained_like  # imports torch

    store.embeddings_dir.mkdir(exist_ok=True)
    path = store.embeddings_dir / ".imagenet.safetensors.tmp"
    try:
        save_checkpoint(untrained() if spec is None else untrained_like(spec), path)
        yield path
    finally:
        path.unlink(missing_ok=True)
