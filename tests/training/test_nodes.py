"""Training on two nodes: two torchrun agents on this machine, with a process each, find each other over the network.

What they learn is what one process learns, and what is left of them when a process is killed can be gone on with.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from catalog.store import Store
from tests.training.test_ranks import ENVIRONMENT, FROZEN, ROOT, assert_same_run, quiet, store_of_12
from training.config import TrainConfig
from training.train import train

EPOCHS, STEPS = 10, 20
GIVEN = (
    *("store", "name", "epochs", "batch_size", "image_size", "pixels_side", "projection_dim", "optimizer"),
    *("learning_rate", "head_learning_rate", "clip_norm", "precision", "device"),
)
"""Settings that are not those of the default preset."""

Agents = list["subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, TrainConfig]:
    """A store with a run of one process, "one", and its settings."""
    store = store_of_12(tmp_path_factory.mktemp("nodes"))
    config = dataclasses.replace(FROZEN, store=store.root, name="one", epochs=EPOCHS)
    assert train(config, quiet).steps == STEPS
    return store, config


@contextmanager
def two_nodes(config: TrainConfig) -> Iterator[Agents]:
    """The agents of a training, as they are started on two machines; they are ended with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--nnodes", "2", "--nproc-per-node", "1"]
    torchrun += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", config.name]
    options = [part for name in GIVEN for part in (f"--{name.replace('_', '-')}", str(getattr(config, name)))]
    agents = [
        subprocess.Popen(
            [*torchrun, "--node-rank", str(node), "-m", "training", "train", *options, "--views.size", "32"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=ENVIRONMENT,
        )
        for node in range(2)
    ]
    try:
        yield agents
    finally:
        for agent in agents:
            agent.terminate()
        for agent in agents:
            agent.wait(60)


def ended(agents: Agents) -> tuple[str, str]:
    """What both said, on stdout and on stderr."""
    said, warned = zip(*(agent.communicate(timeout=120) for agent in agents), strict=True)
    return "".join(said), "".join(warned)


def rows(store: Store, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (store.runs_dir / name / "metrics.jsonl").read_text().splitlines()]


def test_two_nodes_learn_what_one_process_learns(alone: tuple[Store, TrainConfig]) -> None:
    store, config = alone
    with two_nodes(dataclasses.replace(config, name="two")) as agents:
        said, warned = ended(agents)
    assert [agent.returncode for agent in agents] == [0, 0], warned
    assert said.count("training two: 12 photos on 2 processes (cpu), 10 epochs") == 1
    found, expected = rows(store, "two"), rows(store, "one")
    assert len(found) == len(expected) == EPOCHS
    assert found[-1]["step"] == STEPS
    for together, by_one in zip(found, expected, strict=True):
        assert together["loss"] == pytest.approx(by_one["loss"], rel=0, abs=1e-5)
    assert_same_run(store, "two", "one", config)


def test_a_killed_process_ends_both_nodes_and_one_process_goes_on_to_the_same_end(
    alone: tuple[Store, TrainConfig],
) -> None:
    store, config = alone
    metrics = store.runs_dir / "killed" / "metrics.jsonl"
    with two_nodes(dataclasses.replace(config, name="killed")) as agents:
        limit = time.monotonic() + 120
        while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < limit:
            time.sleep(0.01)
        (child,) = Path(f"/proc/{agents[1].pid}/task/{agents[1].pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        killed = time.monotonic()
        _, warned = ended(agents)
    assert time.monotonic() - killed < 60
    assert [agent.returncode for agent in agents] == [1, 1]
    assert f"(exitcode: -9) local_rank: 0 (pid: {child})" in warned
    assert warned.count("python -m training: a run needs all of its 2 processes; one has ended before its time") == 1
    lines: list[str] = []
    train(TrainConfig(store=store.root, name="killed", resume=True, device="cpu"), lines.append)
    assert lines[0].startswith("resuming killed after step ")
    assert_same_run(store, "killed", "one", config)
