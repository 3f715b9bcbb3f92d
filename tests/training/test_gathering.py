"""Gathered negatives: two real processes on the CPU against one with the whole batch.

The processes run this file's `work` and leave what they found in a folder. A third one starts them, so that torch is
imported once for both and nothing of the tests' own process is forked.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from catalog.errors import TrainingError
from training.gathering import gather_rows
from training.grad_cache import grad_cache_step
from training.nt_xent import Contrast, nt_xent

RANKS = 2
STEPS = 20
PHOTOS = 8
"""In the whole batch."""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 6))


def views(step: int) -> Tensor:
    """Both views of a whole batch, (2, PHOTOS, 12)."""
    first, noise = torch.randn(2, PHOTOS, 12, generator=torch.Generator().manual_seed(step))
    return torch.stack([first, first + 0.5 * noise])


def contrast_of(projections: Tensor) -> Contrast:
    """Of both views, one after the other, over all ranks; of all there are in a single process."""
    first, second = projections.chunk(2)
    return nt_xent(gather_rows(first), gather_rows(second), 0.2)


def contrast_alone(projections: Tensor) -> Contrast:
    """What a rank would see without the gather."""
    first, second = projections.chunk(2)
    return nt_xent(first, second, 0.2)


def train(module: nn.Module, mine: slice, chunk_rows: int) -> dict[str, Tensor]:
    """The weights after STEPS steps of plain SGD on some photos of each batch."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.2)
    for step in range(STEPS):
        optimizer.zero_grad()
        images = views(step)[:, mine].flatten(0, 1)
        grad_cache_step(module, torch.split(images, chunk_rows), contrast_of)
        optimizer.step()
    return {name.removeprefix("module."): weight for name, weight in module.state_dict().items()}


def gradient(module: nn.Module) -> Tensor:
    return torch.cat([weight.grad.flatten() for weight in module.parameters() if weight.grad is not None])


def work(rank: int, folder: Path) -> None:
    """What each of the processes does."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/ranks", rank=rank, world_size=RANKS)
    rows = PHOTOS // RANKS
    mine = slice(rank * rows, (rank + 1) * rows)
    found: dict[str, Any] = {
        "whole": train(DistributedDataParallel(network()), mine, 2 * rows),
        "in chunks": train(DistributedDataParallel(network()), mine, 3),
    }
    for name, loss_of in (("gathered gradient", contrast_of), ("gradient alone", contrast_alone)):
        module = DistributedDataParallel(network())
        loss_of(module(views(0)[:, mine].flatten(0, 1))).loss.backward()  # type: ignore[no-untyped-call]
        found[name] = gradient(module)
    try:
        gather_rows(torch.zeros(3 + rank, 2))
    except TrainingError as error:
        found["refused"] = str(error)
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank found."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-m", "tests.training.test_gathering", str(folder)]
    subprocess.run(command, cwd=Path(__file__).parents[2], env=environment, check=True, timeout=120)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(RANKS)]


@pytest.mark.parametrize("way", ["whole", "in chunks"])
def test_two_processes_learn_the_weights_of_one(found: list[dict[str, Any]], way: str) -> None:
    expected = train(network(), slice(None), 2 * PHOTOS)
    begun = network().state_dict()
    for rank in range(RANKS):
        for name, weight in expected.items():
            assert (weight - begun[name]).abs().max() > 0.01
            assert torch.allclose(found[rank][way][name], weight, rtol=0, atol=1e-5)


def test_the_gradient_needs_no_factor_and_is_another_without_the_gather(found: list[dict[str, Any]]) -> None:
    module = network()
    contrast_of(module(views(0).flatten(0, 1))).loss.backward()  # type: ignore[no-untyped-call]
    expected = gradient(module)
    for rank in range(RANKS):
        assert torch.allclose(found[rank]["gathered gradient"], expected, rtol=1e-5, atol=1e-7)
        assert (found[rank]["gradient alone"] - expected).norm() > 0.1 * expected.norm()


def test_unequal_numbers_of_rows_are_refused_on_every_rank(found: list[dict[str, Any]]) -> None:
    rule = "every rank must gather the same number of rows; received [3, 4]: split each batch into equal parts"
    assert [found[rank]["refused"] for rank in range(RANKS)] == [rule, rule]


def test_one_process_keeps_its_rows() -> None:
    rows = torch.randn(3, 2)
    assert gather_rows(rows) is rows


if __name__ == "__main__":
    import torch._dynamo  # DDP and optimisers would import it in each process, for seconds

    arguments = (Path(sys.argv[1]),)
    multiprocessing.start_processes(work, arguments, RANKS, start_method="fork")  # type: ignore[attr-defined, no-untyped-call]
