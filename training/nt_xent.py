"""NT-Xent, the loss of SimCLR (arXiv 2002.05709, equation 1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Contrast(NamedTuple):
    """The loss and how often it was right.

    Attributes:
        loss: scalar, in nats.
        accuracy: scalar in [0, 1]: how often a view's other view is more similar to it than all 2B-2 other views.
    """

    loss: Tensor
    accuracy: Tensor


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Contrast:
    """Normalised temperature-scaled cross-entropy: two views of a photo attract, all other views in the batch repel.

    Args:
        first, second: (B, D) projections of the two views, row by row of the same photo; any norm, float32 or wider.
        temperature: what similarities are divided by.

    Returns:
        The mean over all 2B views. With identical projections the loss is exactly log(2B - 1).
    """
    count = len(first)
    z_ND = functional.normalize(torch.cat([first, second]), dim=1)
    logits_NN = (z_ND @ z_ND.T / temperature).fill_diagonal_(-torch.inf)
    partner_N = torch.arange(2 * count, device=z_ND.device).roll(count)
    loss = functional.cross_entropy(logits_NN, partner_N)
    with torch.no_grad():
        partner_similarity = logits_NN.gather(1, partner_N[:, None])
        accuracy = ((logits_NN >= partner_similarity).sum(dim=1) == 1).float().mean()  # a tie is not a hit
    return Contrast(loss, accuracy)
