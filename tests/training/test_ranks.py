"""Training by several processes: real ones on the CPU against one, and how they stop, are refused, and go on.

One test uses torchrun itself. For the others one process, which runs this file, imports torch once and forks them.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import multiprocessing

from catalog.config import ScanConfig
from catalog.errors import UsageError
from catalog.scan import scan
from catalog.store import Store
from tests.conftest import draw_photo
from tests.training.test_train import SMALL
from training.checkpoint import load_checkpoint
from training.config import TrainConfig
from training.ranks import Ranks
from training.runs import all_runs
from training.start import start_encoder
from training.step import Batch, epoch_batches, take_step
from training.sync_norms import refuse_live_norms, sync_norms
from training.train import train

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
RANKS = 2
"""But for "three go on"."""
FROZEN = dataclasses.replace(
    SMALL,
    encoder="efficientnet_lite0",
    weights="imagenet",
    batch_size=6,
    optimizer="sgd",
    precision="float32",
    clip_norm=1.0,
)
"""12 photos in 2 epochs of 2 batches, 3 photos of each for each rank."""
CASES: dict[str, dict[str, Any]] = {
    "two": {"name": "two"},
    "two in chunks": {"name": "chunks", "chunk_size": 2, "workers": 1},
    "two go on": {"name": "halved", "resume": True},
    "one is told to stop": {"name": "stopped"},
    "three go on": {"name": "stopped", "resume": True},
    "live norms": {"name": "live", "encoder": "mobilenet_v3_small", "weights": "none"},
    "nothing to go on with": {"resume": True, "name": "one"},
}
"""Changes to the above, each trained with by several processes, in this order."""


def processes(case: str) -> int:
    return 3 if case == "three go on" else RANKS


TWO_ENDING = """
import os, sys
from pathlib import Path
import torch
from training.ranks import torchrun_ranks

child = os.fork()
rank = "0" if child else "1"
os.environ.update(RANK=rank, WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=sys.argv[1])
try:
    with torchrun_ranks(torch.device("cpu")) as ranks:
        import torch.distributed.nn.functional
        count = ranks.summed(1)
except SystemExit:
    pass
names = [file.read_text().strip() for file in Path("/proc/self/task").glob("*/comm")]
os.write(1, f"{rank}: {count} ranks, left: {[name for name in names if 'gloo' in name]}\\n".encode())
if child:
    os.wait()
"""
"""Two processes, the second forked from the first, that tell which threads of gloo are left when they have parted."""


def quiet(line: str) -> None:
    pass


def interrupt_after(steps: int, number: signal.Signals) -> Callable[..., None]:
    """A `take_step` that sends its own process a signal in one of its steps."""
    taken = 0

    def step_then_signal(*arguments: Any) -> None:
        nonlocal taken
        take_step(*arguments)
        taken += 1
        if taken == steps:
            os.kill(os.getpid(), number)

    return step_then_signal


def work(rank: int, case: str, port: int, folder: Path) -> None:
    """What each of the forked processes does: train, and leave how it ended and what it said."""
    torch.set_num_threads(1)
    count = processes(case)
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    os.environ.update({"MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in names.items()}})
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        if case == "one is told to stop" and rank == 1:
            patch.setattr("training.train.take_step", interrupt_after(3, signal.SIGTERM))
        try:
            config = dataclasses.replace(FROZEN, store=folder / "store", **CASES[case])
            ended = f"{train(config, said.append).steps} steps"
        except BaseException as error:  # however it ends is what is looked at
            ended = f"{type(error).__name__}: {error}"
    (folder / f"{case} {rank}.json").write_text(json.dumps({"ended": ended, "said": said}))


def run_cases(folder: Path) -> None:
    """Fork the processes of each of the cases, one case after the other."""
    for case in CASES:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        arguments = (case, port, folder)
        # torch exports it without saying so, and without types
        multiprocessing.start_processes(work, arguments, processes(case), start_method="fork")  # type: ignore[attr-defined, no-untyped-call]


def store_of_12(folder: Path) -> Store:
    """A new store with 12 photos."""
    (folder / "photos").mkdir()
    for number in range(12):
        draw_photo(number).save(folder / "photos" / f"{number:03d}.png")
    scan(ScanConfig(catalog=folder / "photos", store=folder / "store"))
    return Store.open(folder / "store")


@dataclasses.dataclass(frozen=True)
class Ended:
    """How each of the processes ended, and what it said."""

    ended: list[str]
    said: list[list[str]]


@dataclasses.dataclass(frozen=True)
class Found:
    """A store with a run of one process, "one", and those of several, by the name of their case."""

    store: Store
    config: TrainConfig
    by_several: dict[str, Ended]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """All cases, trained with."""
    folder = tmp_path_factory.mktemp("ranks")
    store = store_of_12(folder)
    config = dataclasses.replace(FROZEN, store=store.root, name="one")
    train(config, quiet)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("training.train.take_step", interrupt_after(3, signal.SIGINT))
        train(dataclasses.replace(config, name="halved"), quiet)
    command = [sys.executable, "-m", "tests.training.test_ranks", str(folder)]
    subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=True, timeout=120)
    by_several = {}
    for case in CASES:
        ends = [json.loads((folder / f"{case} {rank}.json").read_text()) for rank in range(processes(case))]
        by_several[case] = Ended([end["ended"] for end in ends], [end["said"] for end in ends])
    return Found(store, config, by_several)


def weights_of(store: Store, name: str) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(store.runs_dir / name / "checkpoint.safetensors").weights)


def assert_same_run(store: Store, name: str, other: str, config: TrainConfig) -> None:
    """Two runs have the same weights, to 1e-5 and to a small part of how far they went."""
    weights, others = weights_of(store, name), weights_of(store, other)
    start = start_encoder(config).backbone.state_dict(prefix="backbone.")
    went = float(torch.cat([(others[name] - start[name]).flatten() for name in start]).norm())
    apart = torch.cat([(weights[name] - others[name]).flatten() for name in others])
    assert went > 1e-3
    assert apart.abs().max() < 1e-5
    assert apart.norm() < 1e-3 * went


@pytest.mark.parametrize("case", ["two", "two in chunks", "two go on", "three go on"])
def test_several_processes_learn_the_weights_of_one(found: Found, case: str) -> None:
    """Also in chunks; and when two go on with a run of one, or three with one of two, interrupted within an epoch."""
    assert_same_run(found.store, CASES[case]["name"], "one", found.config)
    assert found.by_several[case].ended == ["4 steps", *["SystemExit: 0"] * (processes(case) - 1)]


def test_the_first_process_alone_logs_and_speaks(found: Found) -> None:
    rows = [
        [json.loads(line) for line in (found.store.runs_dir / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    for alone, together in zip(*rows, strict=True):
        for name in ("step", "loss", "spread", "contrastive_accuracy", "keep_start"):
            assert together[name] == pytest.approx(alone[name], rel=1e-5)
    first, second = found.by_several["two"].said
    assert first[0] == "training two: 12 photos on 2 processes (cpu), 2 epochs"
    assert [line.split(":")[0] for line in first[1:]] == ["epoch 1/2", "epoch 2/2"]
    assert second == []


def test_a_signal_to_one_process_stops_both_after_the_same_step(found: Found) -> None:
    assert found.by_several["one is told to stop"].ended == ["Terminated: ", "SystemExit: 143"]
    stopped = 'stopped after step 3 of 4: go on with "lookalike train --resume --name stopped"'
    assert [said[-1:] for said in found.by_several["one is told to stop"].said] == [[stopped], []]
    assert found.by_several["three go on"].said[0][0] == "resuming stopped after step 3"


def test_what_is_refused_is_refused_by_the_first_process_and_ends_both(found: Found) -> None:
    live, nothing = found.by_several["live norms"], found.by_several["nothing to go on with"]
    rule = "UsageError: processes without GPUs can only train frozen batch norms; received 2 such processes"
    assert live.ended[0].startswith(rule)
    assert nothing.ended[0].startswith("UsageError: --resume needs a run that was interrupted")
    assert live.ended[1] == nothing.ended[1] == "SystemExit: 2"
    assert "live" not in [run.name for run in all_runs(found.store)]


def test_norms_are_live_in_an_mlp_head_and_where_they_are_not_frozen() -> None:
    two = Ranks(index=0, count=2, device=torch.device("cpu"))
    for config in (dataclasses.replace(FROZEN, head="mlp"), dataclasses.replace(FROZEN, freeze_norms="no")):
        with pytest.raises(UsageError, match="received 2 such processes and efficientnet_lite0 with live ones"):
            refuse_live_norms(start_encoder(config), config, two)
        refuse_live_norms(start_encoder(config), config, dataclasses.replace(two, count=1))


def test_no_thread_of_torch_is_left_to_abort_a_process_that_ends() -> None:
    """Neither where torch imports more of itself meanwhile, as exports and optimisers make it do."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ended = subprocess.run(
        [sys.executable, "-c", TWO_ENDING, str(port)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    assert sorted(ended.stdout.splitlines()) == ["0: 2 ranks, left: []", "1: 2 ranks, left: []"]


def test_torchrun_stops_at_sigterm_and_one_process_goes_on_to_the_same_end(tmp_path: Path) -> None:
    store = store_of_12(tmp_path)
    config = dataclasses.replace(FROZEN, store=store.root, name="two", epochs=12, batch_size=12)
    names = ["store", "name", "epochs", "batch_size", "image_size", "pixels_side", "projection_dim", "optimizer"]
    names += ["learning_rate", "head_learning_rate", "clip_norm", "precision", "device"]
    options = [part for name in names for part in (f"--{name.replace('_', '-')}", str(getattr(config, name)))]
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node", str(RANKS), "-m"]
    process = subprocess.Popen(
        [*torchrun, "training", "train", *options, "--views.size", str(config.views.size)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    metrics = store.runs_dir / "two" / "metrics.jsonl"
    limit = time.monotonic() + 90
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < limit:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, warned = process.communicate(timeout=30)
    assert process.returncode != 0
    assert said.splitlines()[1] == "training two: 12 photos on 2 processes (cpu), 12 epochs"
    assert said.count("stopped after step") == 1
    assert warned.count("terminated; what was done is kept") == 1
    lines: list[str] = []
    train(dataclasses.replace(config, resume=True), lines.append)
    assert lines[0].startswith("resuming two after step ")
    train(dataclasses.replace(config, name="one"), quiet)
    assert_same_run(store, "two", "one", config)


def test_ranks_share_each_batch_in_equal_parts_and_leave_out_what_is_over() -> None:
    config = dataclasses.replace(FROZEN, batch_size=5)
    whole, cut = (epoch_batches(config, None, 22, 0, ranks) for ranks in (1, 2))
    assert [len(batch.places) for batch in whole] == [6, 6, 5, 5]
    assert [len(batch.places) for batch in cut] == [6, 6, 4, 4]
    for batch, shared in zip(whole, cut, strict=True):
        parts = [shared.part(rank, 2).places for rank in range(2)]
        assert np.array_equal(np.concatenate(parts), batch.places[: len(shared.places)])
        assert len(parts[0]) == len(parts[1])
    with pytest.raises(UsageError, match=r"received a batch of 5 for 6: lower --nproc-per-node"):
        epoch_batches(config, None, 22, 0, 6)
    assert np.array_equal(Batch(np.arange(4), np.arange(4)).part(1, 2).repeats, [2, 3])


@pytest.mark.parametrize("name", ["resnet18", "timm:resnet10t"])
def test_synchronised_norms_share_the_weights_of_those_they_stand_for(name: str) -> None:
    """What they do across GPUs needs GPUs; here: outside training the outputs are the same, to the bit."""
    config = dataclasses.replace(SMALL, encoder=name)
    encoder = start_encoder(config).eval()
    two = Ranks(index=0, count=2, device=torch.device("cuda"))
    synced = sync_norms(encoder, config, two)
    assert any(isinstance(part, torch.nn.SyncBatchNorm) for part in synced.modules())
    assert not any(isinstance(part, torch.nn.SyncBatchNorm) for part in encoder.modules())
    with torch.no_grad():
        for weight in synced.parameters():
            weight.mul_(1.01)
        pixels = torch.rand(2, 3, 32, 32) * 255
        assert torch.equal(synced(pixels).projection, encoder(pixels).projection)
    assert sync_norms(encoder, config, dataclasses.replace(two, count=1)) is encoder


if __name__ == "__main__":
    import torch._dynamo  # optimisers would import it in each process, for seconds

    run_cases(Path(sys.argv[1]))
