"""Checkpoints: what goes in comes out, and nothing else is taken for one."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from catalog.errors import UsageError, VersionError
from training.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, read_header, save_checkpoint
from training.spec import EncoderSpec

SPEC = EncoderSpec(backbone="resnet18", feature_dim=512, image_size=32, mean=(1, 2, 3), std=(4, 5, 6), projection_dim=8)


def checkpoint() -> Checkpoint:
    header = CheckpointHeader(
        spec=SPEC, name="run-1", finished=True, epoch=3, manifest_fingerprint="f" * 64, config={"epochs": 3}
    )
    return Checkpoint(header=header, weights={"a": torch.arange(6.0).view(2, 3), "b": torch.ones(1)})


def test_round_trip_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = save_checkpoint(checkpoint(), tmp_path / "one")
    second = save_checkpoint(checkpoint(), tmp_path / "two")
    assert first == second
    loaded = load_checkpoint(tmp_path / "one")
    assert loaded.header == checkpoint().header
    assert torch.equal(loaded.weights["a"], checkpoint().weights["a"])


def test_header_is_read_without_torch(tmp_path: Path) -> None:
    save_checkpoint(checkpoint(), tmp_path / "one")
    code = (
        "import sys, pathlib; from training.checkpoint import read_header; "
        f"print(read_header(pathlib.Path({str(tmp_path / 'one')!r})).name, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "run-1 False\n"


def test_anything_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(VersionError, match="cannot be read"):
        read_header(path)
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(VersionError, match="cannot be read"):
        read_header(path)
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(VersionError, match="format must be 1"):
        read_header(path)
    save_file({"a": torch.ones(1)}, path, metadata={"lookalike": json.dumps({"format": 1, "spec": {}})})
    with pytest.raises(VersionError, match="damaged header"):
        read_header(path)
    save_checkpoint(checkpoint(), path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VersionError, match="cannot be read"):
        read_header(path)


def test_a_spec_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="has no layer"):
        EncoderSpec(backbone="resnet18", feature_dim=512, image_size=32, mean=(0, 0, 0), std=(1, 1, 1))
