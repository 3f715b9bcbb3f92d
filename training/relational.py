"""Relational distillation: keep what the pretrained start already knows about which photos are alike.

SimCLR from a pretrained start forgets categories (docs/decisions/0004); this term holds the new
similarities to the start's. The idea is SEED's (arXiv 2101.04731), within the batch instead of a queue.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE = 0.07


def relational_loss(first: Tensor, second: Tensor, start: Tensor) -> Tensor:
    """Cross-entropy between the start's similarities and those across the two views.

    Args:
        first, second: (B, D) projections of the two views, any norm.
        start: (B, T) features of the photos by the pretrained start, centred and of unit norm.

    Returns:
        Scalar in nats; the diagonal (a photo with itself) is left out. 0 where B is below 3: nothing to compare.
    """
    count = len(start)
    if count < 3:
        return first.new_zeros(())
    z1_BD, z2_BD = functional.normalize(first.float(), dim=1), functional.normalize(second.float(), dim=1)
    diagonal_BB = torch.eye(count, dtype=torch.bool, device=start.device)
    target_BB = (start @ start.T / TEMPERATURE).masked_fill(diagonal_BB, -torch.inf).softmax(dim=1)
    across_BB = (z1_BD @ z2_BD.T / TEMPERATURE).masked_fill(diagonal_BB, -torch.inf)
    log_rows = across_BB.log_softmax(dim=1).masked_fill(diagonal_BB, 0.0)
    log_columns = across_BB.T.log_softmax(dim=1).masked_fill(diagonal_BB, 0.0)
    return -(target_BB * (log_rows + log_columns)).sum(dim=1).mean() / 2
