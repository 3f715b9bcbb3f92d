"""The learning-rate schedule: linear warm-up, then a cosine to zero (SimCLR, section 2.2; SGDR, arXiv 1608.03983)."""

from __future__ import annotations

import math


def schedule_factor(step: int, steps: int, warmup: float) -> float:
    """What the highest learning rate is multiplied by at a step.

    Args:
        step: 0 … steps - 1.
        steps: of the whole run.
        warmup: part of all steps that climb.

    Returns:
        (step + 1) / W while step < W, the number of warm-up steps; then half a cosine from 1 towards 0.
    """
    climbing = round(warmup * steps)
    if step < climbing:
        return (step + 1) / climbing
    return 0.5 * (1 + math.cos(math.pi * (step - climbing) / max(1, steps - climbing)))
