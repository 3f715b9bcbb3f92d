"""`--compile`: the same training by a compiled network, and one line where nothing can be compiled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch._dynamo.utils

from catalog.store import Store
from training.config import TrainConfig, ViewConfig
from training.encoder import load_encoder
from training.train import train

MakeStore = Callable[[int], Store]


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler here")
def test_a_compiled_network_learns_the_same(
    make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    store = make_store(8)
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    results = {}
    for name in ("plain", "compiled"):
        config = TrainConfig(
            store=store.root,
            name=name,
            compile=name == "compiled",
            encoder="resnet10_narrow",
            weights="none",
            epochs=2,
            batch_size=4,
            image_size=32,
            pixels_side=32,
            projection_dim=8,
            views=ViewConfig(size=32),
            optimizer="sgd",
            learning_rate=1e-2,
            head_learning_rate=1e-2,
            precision="float32",
            device="cpu",
        )
        results[name] = train(config, lambda line: None)
    # the run's own graphs beside that of the check before it
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > graphs + 1
    plain, compiled = (load_encoder(results[name].checkpoint)[0].backbone for name in ("plain", "compiled"))
    weights, others = (torch.cat([one.flatten() for one in net.parameters()]) for net in (plain, compiled))
    apart = float((weights - others).norm() / weights.norm())
    assert apart < 0.01 * results["plain"].moved


def test_without_a_compiler_a_run_does_not_begin(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(4)
    done = subprocess.run(
        [sys.executable, "-m", "training", "train", "--store", str(store.root), "--compile", "--device", "cpu"],
        env={**os.environ, "CXX": str(tmp_path / "g++"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "compiled")},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--compile needs a C++ compiler that torch can use here" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(store.root.glob("runs/*"))
