"""Projection heads: from the backbone's features h to the projection z."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearHead(nn.Linear):
    """One linear layer. (B, F) to (B, D)."""


class MLPHead(nn.Module):
    """Linear, batch norm, ReLU, linear: the head of SimCLR (arXiv 2002.05709, section 4.2). (B, F) to (B, D)."""

    def __init__(self, feature_dim: int, hidden_dim: int, projection_dim: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(feature_dim, hidden_dim, bias=False), nn.BatchNorm1d(hidden_dim))
        self.last = nn.Linear(hidden_dim, projection_dim)

    def hidden(self, features: Tensor) -> Tensor:
        """The first layer's output, (B, F) to (B, hidden_dim)."""
        return torch.relu(self.first(features))

    def forward(self, features: Tensor) -> Tensor:
        """The projection, (B, F) to (B, D)."""
        return self.last(self.hidden(features))  # type: ignore[no-any-return]


@torch.no_grad()
def begin_as_pca(head: LinearHead, features: Tensor) -> None:
    """Set a linear head to the principal components of features, in place.

    The projection then keeps the distances of the start's centred features as well as any linear map of that width
    can, so training begins from a good embedding (docs/decisions, "linear head").

    Args:
        features: (N, F) with N ≥ 2; where N - 1 < D, the last outputs begin as zero.
    """
    mean = features.mean(dim=0)
    _, _, components = torch.linalg.svd(features - mean, full_matrices=False)
    count = min(head.out_features, len(components), len(features) - 1)
    head.weight.zero_()
    head.weight[:count] = components[:count]
    head.bias.copy_(-head.weight @ mean)
