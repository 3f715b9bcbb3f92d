"""One step of supervised learning: which photos it takes, and what it does with the classifier's logits.

Shapes: B photos in a batch, L labels.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from catalog.errors import TrainingError
from training.label_split import Places

REMEDY = "the last good checkpoint is kept; lower --learning-rate, or raise --classifier-temperature"


def even_batches(order: Places, batch_size: int) -> list[Places]:
    """The batches of an epoch, all of nearly equal size, and none of one photo: it has no statistics for a batch norm.

    Args:
        order: of the epoch's photos, at least 2.
        batch_size: at least 2; what the batches' sizes are nearest to.
    """
    return np.array_split(order, max(1, min(round(len(order) / batch_size), len(order) // 2)))


def take_step(optimizer: torch.optim.Optimizer, logits: Tensor, codes: Tensor, step: int) -> dict[str, float]:
    """One optimiser step on the cross-entropy of (B, L) logits with the labels' places, int64 (B,).

    Returns:
        Numbers to log: the loss in nats, the accuracy on this batch, the first group's learning rate.

    Raises:
        TrainingError: the loss is not finite; no weight has been changed.
    """
    loss = functional.cross_entropy(logits, codes)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise TrainingError(f"the loss must be finite; at step {step} it is {value}: {REMEDY}")
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return {
        "loss": value,
        "accuracy": float((logits.detach().argmax(dim=1) == codes).float().mean()),
        "learning_rate": float(optimizer.param_groups[0]["lr"]),
    }


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of every number over some steps."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
