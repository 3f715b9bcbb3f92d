"""Optimisers by name, with their parameter groups, and how learning rates grow with the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from catalog.errors import UsageError
from training.lars import LARS


def build_optimizer(
    name: str, parts: Sequence[tuple[nn.Module, float]], *, weight_decay: float, momentum: float = 0.9
) -> torch.optim.Optimizer:
    """An optimiser over the parts of a network, each with a learning rate of its own.

    Every part becomes two groups: its matrices, with weight decay, and its vectors (biases and the parameters of
    norms), without it and, in LARS, without the trust ratio. A group's "highest" is its learning rate as given, for a
    schedule to multiply.

    Adam's steps are fused: torch reads a weight, its gradient and its moments once, not once for each term. (Its kernel
    for CPUs trusts that all of them lie in memory in one order. Autograd and `torch.save` see to that; a gradient set
    by hand must be of the weight's own memory format.)

    Args:
        name: "adam" (weight decay as part of the gradient), "adamw" (decoupled, arXiv 1711.05101), "sgd" (with
            Nesterov's momentum), or "lars" (see `training.lars`).
        parts: modules that share no parameter, with the highest learning rate of each.
        momentum: of sgd and lars.

    Raises:
        UsageError: no optimiser has that name, or LARS refuses a setting.
        ValueError: torch refuses a setting.
    """
    groups: list[dict[str, Any]] = []
    for part, rate in parts:
        matrices = [weight for weight in part.parameters() if weight.ndim > 1]
        vectors = [weight for weight in part.parameters() if weight.ndim <= 1]
        groups.append({"params": matrices, "lr": rate, "highest": rate, "weight_decay": weight_decay})
        groups.append({"params": vectors, "lr": rate, "highest": rate, "weight_decay": 0.0})
    match name:
        case "adam":
            return torch.optim.Adam(groups, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, fused=True)
        case "sgd":
            return torch.optim.SGD(groups, momentum=momentum, nesterov=True)
        case "lars":
            for vectors_group in groups[1::2]:
                vectors_group["adapt"] = False
            return LARS(groups, lr=0.0, momentum=momentum)
    raise UsageError(f"--optimizer must be adam, adamw, sgd or lars; received {name}: choose one of them")


def scaled_learning_rate(rule: str, base: float, batch_size: int) -> float:
    """The highest learning rate for a batch of that many photos (SimCLR, arXiv 2002.05709, appendix B.1).

    Args:
        rule: "none" gives `base` as it is; "linear" base × B / 256 (SimCLR: base 0.3, section 2.3); "sqrt" base × √B
            (SimCLR: base 0.075, better for small batches and short runs).
        base: the rule's constant.
        batch_size: B, photos in the batch whose loss is one step: over all ranks and all accumulated parts.

    Raises:
        UsageError: no rule has that name.
    """
    match rule:
        case "none":
            return base
        case "linear":
            return base * batch_size / 256
        case "sqrt":
            return base * math.sqrt(batch_size)
    raise UsageError(f"the learning rate's scaling must be none, linear or sqrt; received {rule}: choose one of them")
