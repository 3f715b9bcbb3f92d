"""Refuse a network whose numbers have left the finite ones: nothing of it may be saved over something good."""

from __future__ import annotations

import torch
from torch import Tensor

from catalog.errors import TrainingError


def check_weights(network: torch.nn.Module, step: int, remedy: str) -> None:
    """Refuse a network that has become useless by the steps up to this one.

    Raises:
        TrainingError: a weight, or a statistic of a batch norm, is not finite.
    """
    for name, values in network.state_dict().items():
        if not bool(values.isfinite().all()):
            raise TrainingError(f"all weights must be finite; after step {step} those of {name} are not: {remedy}")


def check_vectors(vectors: Tensor, step: int, remedy: str) -> None:
    """Refuse an encoder by what it makes of some photos: (M, D). Weights may be finite and so large that this is not.

    Raises:
        TrainingError: a value is not finite.
    """
    if not bool(vectors.isfinite().all()):
        raise TrainingError(f"all vectors must be finite; after step {step} the encoder's are not: {remedy}")
