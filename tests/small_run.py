"""A quick encoder for tests: ImageNet features of small pictures, projected at random; exported once for all tests."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from catalog import atomic
from catalog.store import Store
from index.encoder_files import export_onnx
from training.backbones import load_start
from training.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from training.encoder import Encoder
from training.start import untrained

SIDE = 64
"""Of the pictures that the encoder sees."""


@cache
def _encoder_folder(seed: int, projection_dim: int) -> tuple[Path, str]:
    torch.manual_seed(seed)
    start = untrained(image_size=SIDE).header.spec
    encoder = Encoder(replace(start, layer="projection", projection_dim=projection_dim))
    load_start(encoder.backbone, start.backbone, "imagenet")
    header = CheckpointHeader(spec=encoder.spec, name=f"seed-{seed}", finished=True, epoch=1, manifest_fingerprint="")
    return _exported(Checkpoint(header=header, weights=encoder.state_dict()))


@cache
def _start_folder(image_size: int) -> tuple[Path, str]:
    return _exported(untrained(image_size=image_size))


def _exported(checkpoint: Checkpoint) -> tuple[Path, str]:
    """A folder with encoder.safetensors and encoder.onnx, as `index` makes it, and the checkpoint's SHA-256."""
    folder = Path(tempfile.mkdtemp(prefix="lookalike-test-encoder-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "encoder.safetensors"
    sha256 = save_checkpoint(checkpoint, file)
    export_onnx(file, folder / "encoder.onnx")
    return folder, sha256


def exported_encoder() -> Path:
    """The folder with an encoder's encoder.safetensors and encoder.onnx; not to be changed."""
    return _encoder_folder(0, 16)[0]


def leave_start(store: Store, *, image_size: int = 224) -> None:
    """Leave the ImageNet start in a store as a build exports it for `--encoder imagenet`, so that the next need not.

    Its files are linked, since they are large and never written in place.
    """
    folder, sha256 = _start_folder(image_size)
    kept = store.embeddings_dir / sha256
    if not kept.exists():
        shutil.copytree(folder, kept, copy_function=os.link)


def leave_run(store: Store, name: str, *, seed: int = 0, projection_dim: int = 16) -> None:
    """Leave a finished run in a store, and the start it is held against, exported; another seed is another encoder."""
    leave_run_alone(store, name, seed=seed, projection_dim=projection_dim)
    leave_start(store, image_size=SIDE)


def leave_run_alone(store: Store, name: str, *, seed: int = 0, projection_dim: int = 16) -> None:
    """Leave a finished run in a store, exported: enough to embed with."""
    encoder, sha256 = _encoder_folder(seed, projection_dim)
    folder = store.runs_dir / name
    folder.mkdir(parents=True)
    atomic.write_json(folder / "config.json", {})
    shutil.copyfile(encoder / "encoder.safetensors", folder / "checkpoint.safetensors")
    shutil.copytree(encoder, store.embeddings_dir / sha256, dirs_exist_ok=True)
