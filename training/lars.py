"""LARS, the optimiser SimCLR trains large batches with. `training.optimizers` builds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from training.config import require


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling (arXiv 1708.03888), in the form that SimCLR (2002.05709, section 2.2) uses.

    For each weight tensor w with gradient g, momentum m, learning rate γ, weight decay β and trust coefficient η:

        u = g + β w
        λ = η ‖w‖ / ‖u‖, and 1 where either norm is 0
        v ← m v + γ λ u
        w ← w - v

    A group with `"adapt": False` (biases and norms) has neither weight decay nor the ratio: u = g and λ = 1. As in
    SimCLR's code, the ratio divides by ‖g + β w‖; the paper on LARS divides by ‖g‖ + β ‖w‖. Following both, the
    learning rate goes into the momentum, unlike in torch's SGD.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float,
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 0.001,
        adapt: bool = True,
    ) -> None:
        """Take tensors, or groups of them; a group may set any of the settings for itself.

        Raises:
            UsageError: a setting is out of its range.
        """
        require(lr >= 0, "the learning rate must not be negative", lr, "try 0.3 x batch / 256")
        require(0 <= momentum < 1, "momentum must lie in 0 to below 1", momentum, "try 0.9")
        require(weight_decay >= 0, "weight decay must not be negative", weight_decay, "try 1e-6")
        require(trust_coefficient > 0, "the trust coefficient must be above 0", trust_coefficient, "try 0.001")
        defaults: dict[str, Any] = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust_coefficient": trust_coefficient,
            "adapt": adapt,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change every weight that has a gradient.

        Args:
            closure: computes the loss and the gradients anew.

        Returns:
            What the closure returned; None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self._step_group(group, weights)
        return loss

    def _step_group(self, group: dict[str, Any], weights: list[Tensor]) -> None:
        updates = tuple(weight.grad for weight in weights if weight.grad is not None)
        if group["adapt"]:
            updates = torch._foreach_add(updates, weights, alpha=group["weight_decay"])
            weight_norms = torch.stack(torch._foreach_norm(weights))
            update_norms = torch.stack(torch._foreach_norm(updates))
            ratios = group["trust_coefficient"] * weight_norms / update_norms
            ratios = torch.where((weight_norms > 0) & (update_norms > 0), ratios, 1.0)
            torch._foreach_mul_(updates, ratios.unbind())
        velocities = [self._velocity(weight) for weight in weights]
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_add_(velocities, updates, alpha=group["lr"])
        torch._foreach_sub_(weights, velocities)

    def _velocity(self, weight: Tensor) -> Tensor:
        """The tensor's v, zero at first."""
        state = self.state[weight]
        if not state:
            state["velocity"] = torch.zeros_like(weight)
        velocity: Tensor = state["velocity"]
        return velocity
