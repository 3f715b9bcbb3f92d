"""Optimisers by name: what they move, with which settings; and the learning rate's growth with the batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from catalog.errors import UsageError
from training.optimizers import build_optimizer, scaled_learning_rate

NAMES = ["adam", "adamw", "sgd", "lars"]


def network() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten()), nn.Linear(4, 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_in_one_group_with_its_settings(name: str) -> None:
    backbone, head = network()
    optimizer = build_optimizer(name, [(backbone, 0.1), (head, 0.2)], weight_decay=0.01)
    settings = {
        weight: (group["lr"], group["highest"], group["weight_decay"], group.get("adapt", True))
        for group in optimizer.param_groups
        for weight in group["params"]
    }
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(settings) == 6
    decayed = (0.01, True)
    spared = (0.0, name != "lars")
    convolution, norm = backbone.get_submodule("0"), backbone.get_submodule("1")
    assert settings[convolution.weight] == (0.1, 0.1, *decayed)
    assert settings[head.weight] == (0.2, 0.2, *decayed)
    for vector, rate in ((convolution.bias, 0.1), (norm.weight, 0.1), (norm.bias, 0.1), (head.bias, 0.2)):
        assert settings[vector] == (rate, rate, *spared)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_gradient_decay_moves_matrices_alone(name: str) -> None:
    backbone, head = network()
    before = {weight: weight.detach().clone() for weight in [*backbone.parameters(), *head.parameters()]}
    optimizer = build_optimizer(name, [(backbone, 0.1), (head, 0.2)], weight_decay=0.01)
    for weight in before:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    for weight, old in before.items():
        assert torch.equal(weight.detach(), old) == (weight.ndim == 1)
        assert weight.detach().norm() <= old.norm()


def test_sgd_has_nesterov_momentum() -> None:
    head = nn.Linear(1, 1, bias=False)
    optimizer = build_optimizer("sgd", [(head, 1.0)], weight_decay=0.0)
    begun = float(head.weight.detach())
    for _ in range(2):
        head.weight.grad = torch.ones(1, 1)
        optimizer.step()
    assert begun - float(head.weight.detach()) == pytest.approx((1 + 0.9) + (1 + 0.9 * 1.9))


@pytest.mark.parametrize(("name", "torchs"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_adams_fused_steps_equal_torchs_plain_loop_through_a_resume(
    name: str, torchs: type[torch.optim.Adam], tmp_path: Path
) -> None:
    ours, theirs = convolutions(), convolutions()
    matrices = [weight for weight in theirs.parameters() if weight.ndim > 1]
    vectors = [weight for weight in theirs.parameters() if weight.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    reference = torchs(groups, lr=0.01, foreach=False, fused=False)
    optimizer = build_optimizer(name, [(ours, 0.01)], weight_decay=0.1)
    for step in range(4):
        if step == 2:
            torch.save((ours.state_dict(), optimizer.state_dict()), tmp_path / "saved")
            weights, moments = torch.load(tmp_path / "saved", weights_only=True)
            ours = convolutions()
            ours.load_state_dict(weights)
            optimizer = build_optimizer(name, [(ours, 0.01)], weight_decay=0.1)
            optimizer.load_state_dict(moments)
        pixels = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        for part, its in ((ours, optimizer), (theirs, reference)):
            its.zero_grad()
            part.get_submodule("used")(pixels).square().mean().backward()
            its.step()
    for weight, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(weight, expected, atol=1e-6)
    assert not torch.allclose(ours.get_parameter("used.0.weight"), convolutions().get_parameter("used.0.weight"))


def convolutions() -> nn.Module:
    """Channels last, as encoders are; and a layer that no gradient reaches."""
    torch.manual_seed(0)
    used = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3))
    return nn.ModuleDict({"used": used, "unused": nn.Conv2d(3, 4, 3)}).to(memory_format=torch.channels_last)


def test_scaling_rules_give_simclrs_rates() -> None:
    assert scaled_learning_rate("none", 1e-4, 4096) == 1e-4
    assert scaled_learning_rate("linear", 0.3, 4096) == pytest.approx(4.8)
    assert scaled_learning_rate("linear", 0.3, 256) == pytest.approx(0.3)
    assert scaled_learning_rate("sqrt", 0.075, 4096) == pytest.approx(4.8)
    assert scaled_learning_rate("sqrt", 0.075, 256) == pytest.approx(1.2)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="adam, adamw, sgd or lars; received lamb: choose one"):
        build_optimizer("lamb", [(nn.Linear(2, 2), 0.1)], weight_decay=0.0)
    with pytest.raises(UsageError, match="none, linear or sqrt; received cubic: choose one"):
        scaled_learning_rate("cubic", 0.1, 64)
