"""NT-Xent against a plain loop in float64, and its exact values."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from training.nt_xent import nt_xent

PEAK_OF_A_BATCH_OF_4096 = """
import re
from pathlib import Path
import torch
from training.nt_xent import nt_xent

def peak():  # unlike ru_maxrss, which begins with the peak of the process that started this one
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

def step(count):
    first, second = torch.randn(2, count, 128, requires_grad=True)
    nt_xent(first, second, 0.1).loss.backward()

step(64)
before = peak()
step(4096)
print(peak() - before)
"""


def loop(first: np.ndarray, second: np.ndarray, temperature: float) -> tuple[float, float]:
    """Equation 1 of the SimCLR paper, written out; and how often the partner is the most similar."""
    views = np.concatenate([first, second]).astype(np.float64)
    count = len(first)
    losses, hits = [], []
    for i in range(2 * count):
        partner = (i + count) % (2 * count)
        similarity = {
            k: views[i] @ views[k] / np.linalg.norm(views[i]) / np.linalg.norm(views[k]) / temperature
            for k in range(2 * count)
            if k != i
        }
        losses.append(-similarity[partner] + math.log(sum(math.exp(value) for value in similarity.values())))
        hits.append(all(similarity[partner] > value for k, value in similarity.items() if k != partner))
    return float(np.mean(losses)), float(np.mean(hits))


@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("count", [2, 3, 17])
def test_equals_the_loop(count: int, temperature: float) -> None:
    random = np.random.default_rng(count)
    first, second = random.normal(size=(2, count, 8))
    second = first + 0.7 * second
    contrast = nt_xent(torch.from_numpy(first), torch.from_numpy(second), temperature)
    loss, accuracy = loop(first, second, temperature)
    assert float(contrast.loss) == pytest.approx(loss, rel=1e-9)
    assert float(contrast.accuracy) == pytest.approx(accuracy)


@pytest.mark.parametrize("count", [2, 5, 64])
def test_identical_projections_give_log_of_the_candidates(count: int) -> None:
    z = torch.ones(count, 4, dtype=torch.float64)
    contrast = nt_xent(z, z, 0.1)
    assert float(contrast.loss) == pytest.approx(math.log(2 * count - 1), rel=1e-12)
    assert float(contrast.accuracy) == 0  # a tie is not a hit


def test_orthogonal_pairs_have_a_known_value() -> None:
    z = torch.eye(3, dtype=torch.float64)
    assert float(nt_xent(z, z, 0.5).loss) == pytest.approx(-2 + math.log(math.exp(2) + 4), rel=1e-12)
    assert float(nt_xent(z, z, 0.5).accuracy) == 1


def test_symmetric_in_the_views_and_blind_to_length() -> None:
    first, second = torch.randn(2, 6, 5, dtype=torch.float64)
    loss = nt_xent(first, second, 0.2).loss
    assert torch.allclose(loss, nt_xent(second, first, 0.2).loss)
    assert torch.allclose(loss, nt_xent(3 * first, 0.1 * second, 0.2).loss)


def test_gradient_is_right() -> None:
    first, second = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.3).loss, (first, second))


def gradient_loop(first: np.ndarray, second: np.ndarray, temperature: float) -> npt.NDArray[np.float64]:
    """The gradient of equation 1, term by term, (2, B, D)."""
    views = np.concatenate([first, second]).astype(np.float64)
    lengths = np.linalg.norm(views, axis=1)
    units = views / lengths[:, None]
    total = len(views)
    of_units = np.zeros_like(units)
    for i in range(total):
        others = [k for k in range(total) if k != i]
        weights = np.exp([units[i] @ units[k] / temperature for k in others])
        weights /= weights.sum()
        for k, weight in zip(others, weights, strict=True):
            pull = (weight - (k == (i + len(first)) % total)) / temperature / total
            of_units[i] += pull * units[k]
            of_units[k] += pull * units[i]
    along = (of_units * units).sum(axis=1, keepdims=True)
    gradient: npt.NDArray[np.float64] = (of_units - along * units) / lengths[:, None]
    return gradient.reshape(2, *first.shape)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_gradient_equals_the_loop(temperature: float, dtype: torch.dtype, tolerance: float) -> None:
    first, second = np.random.default_rng(0).normal(size=(2, 9, 6))
    views = torch.tensor(np.stack([first, first + 0.7 * second]), dtype=dtype, requires_grad=True)
    (3 * nt_xent(views[0], views[1], temperature).loss).backward()  # type: ignore[no-untyped-call]
    assert views.grad is not None
    numbers = views.detach().numpy()
    expected = 3 * gradient_loop(numbers[0], numbers[1], temperature)
    assert np.allclose(views.grad.numpy(), expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def test_no_gradient_is_asked_of_the_accuracy_or_without_grad() -> None:
    first, second = torch.randn(2, 4, 3, requires_grad=True)
    contrast = nt_xent(first, second, 0.3)
    assert contrast.loss.requires_grad
    assert not contrast.accuracy.requires_grad
    with torch.no_grad():
        assert torch.equal(nt_xent(first, second, 0.3).loss, contrast.loss)


def test_autocast_changes_nothing() -> None:
    first, second = torch.randn(2, 4, 3, requires_grad=True)
    expected = nt_xent(first, second, 0.3).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(nt_xent(first, second, 0.3).loss, expected)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_a_batch_of_4096_needs_less_than_two_matrices() -> None:
    """Forward, accuracy and backward within 2 x (2 x 4096)² x 4 bytes = 537 MB, and so within 1 GB."""
    printed = subprocess.run(
        [sys.executable, "-c", PEAK_OF_A_BATCH_OF_4096],
        capture_output=True,
        check=True,
        text=True,
        cwd=Path(__file__).parents[2],
    ).stdout
    matrix = 4 * (2 * 4096) ** 2
    assert matrix <= int(printed) < 2 * matrix  # below one, the peak would not be that of the step
