"""NT-Xent against a plain loop in float64, and its exact values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.nt_xent import nt_xent


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
