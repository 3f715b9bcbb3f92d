"""LARS against its formula in NumPy, at its edges, and stopped and resumed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from catalog.errors import UsageError
from training.lars import LARS


def parameters(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """A matrix, a convolution as training lays it out, another matrix and a bias."""
    torch.manual_seed(0)
    convolution = torch.randn(4, 3, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    weights = [torch.randn(3, 5, dtype=dtype), convolution, torch.randn(2, 4, dtype=dtype), torch.randn(5, dtype=dtype)]
    return [weight.requires_grad_() for weight in weights]


def optimizer_of(weights: Sequence[Tensor]) -> LARS:
    groups: list[dict[str, Any]] = [
        {"params": [weights[0], weights[1]], "lr": 0.5, "weight_decay": 1e-2},
        {"params": [weights[2]], "lr": 0.2, "momentum": 0.5, "trust_coefficient": 0.02},
        {"params": [weights[3]], "adapt": False, "weight_decay": 1e-2},
    ]
    return LARS(groups, lr=0.1)


def set_gradients(weights: Sequence[Tensor], step: int) -> None:
    random = np.random.default_rng(step)
    for weight in weights:
        weight.grad = torch.from_numpy(random.normal(size=tuple(weight.shape))).to(weight)


def test_equals_the_formula_over_steps_and_groups() -> None:
    weights = parameters()
    optimizer = optimizer_of(weights)
    settings = [(0.5, 0.9, 1e-2, 0.001, True)] * 2 + [(0.2, 0.5, 0.0, 0.02, True), (0.1, 0.9, 1e-2, 0.001, False)]
    expected = [weight.detach().numpy().copy() for weight in weights]
    velocities = [np.zeros_like(weight) for weight in expected]
    for step in range(6):
        set_gradients(weights, step)
        factor = 1 / (step + 1)  # a schedule changes the rate from step to step
        for group, rate in zip(optimizer.param_groups, (0.5, 0.2, 0.1), strict=True):
            group["lr"] = rate * factor
        optimizer.step()
        random = np.random.default_rng(step)
        for place, (rate, momentum, decay, trust, adapts) in enumerate(settings):
            w = expected[place]
            u = random.normal(size=w.shape)
            if adapts:
                u = u + decay * w
                u = u * trust * np.sqrt((w**2).sum()) / np.sqrt((u**2).sum())
            velocities[place] = momentum * velocities[place] + rate * factor * u
            expected[place] = w - velocities[place]
    for weight, numbers in zip(weights, expected, strict=True):
        assert np.allclose(weight.detach().numpy(), numbers, rtol=1e-12, atol=1e-14)


def test_zero_weights_take_the_plain_step() -> None:
    weight = torch.zeros(2, 3, requires_grad=True)
    weight.grad = torch.ones(2, 3)
    LARS([weight], lr=0.5, weight_decay=0.1).step()
    assert torch.equal(weight.detach(), torch.full((2, 3), -0.5))


def test_zero_gradients_leave_decay_alone() -> None:
    """Without decay nothing moves; with it, the weights shrink by the trust coefficient, whatever the decay."""
    still, shrinking = (torch.ones(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    for weight, decay in ((still, 0.0), (shrinking, 1e-6)):
        weight.grad = torch.zeros_like(weight)
        LARS([weight], lr=0.5, weight_decay=decay).step()
    assert torch.equal(still.detach(), torch.ones(2, 3, dtype=torch.float64))
    assert torch.allclose(shrinking.detach(), torch.full((2, 3), 1 - 0.5 * 0.001, dtype=torch.float64), rtol=1e-12)


def test_weights_without_a_gradient_stay() -> None:
    weights = parameters()
    before = [weight.detach().clone() for weight in weights]
    optimizer = optimizer_of(weights)
    weights[0].grad = torch.ones_like(weights[0])
    optimizer.step()
    moved = [not torch.equal(weight.detach(), old) for weight, old in zip(weights, before, strict=True)]
    assert moved == [True, False, False, False]


def test_closure_computes_loss_and_gradient() -> None:
    weight = torch.ones(2, 2, requires_grad=True)
    optimizer = LARS([weight], lr=1.0)

    def closure() -> float:
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    assert [optimizer.step(closure), optimizer.step(closure)] == pytest.approx([4, 4 * 0.999**2])


def test_resumed_goes_on_bit_equal() -> None:
    whole = parameters(torch.float32)
    optimizer = optimizer_of(whole)
    for step in range(3):
        set_gradients(whole, step)
        optimizer.step()
    file = io.BytesIO()
    torch.save({"weights": [weight.detach() for weight in whole], "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed = [weight.requires_grad_() for weight in saved["weights"]]
    second = optimizer_of(resumed)
    second.load_state_dict(saved["optimizer"])
    for step in range(3, 6):
        set_gradients(whole, step)
        set_gradients(resumed, step)
        optimizer.step()
        second.step()
    assert all(torch.equal(one, other) for one, other in zip(whole, resumed, strict=True))


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"lr": -1.0}, "learning rate must not be negative; received -1.0"),
        ({"lr": 0.1, "momentum": 1.0}, "momentum must lie in 0 to below 1; received 1.0"),
        ({"lr": 0.1, "weight_decay": -1.0}, "weight decay must not be negative; received -1.0"),
        ({"lr": 0.1, "trust_coefficient": 0.0}, "trust coefficient must be above 0; received 0.0"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float], rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        LARS([torch.ones(2, 2)], **setting)  # type: ignore[arg-type]
