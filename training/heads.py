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
def begin_as_pca(head: LinearHead, features: Tensor, power: float) -> None:
    """Set a linear head to the scaled principal components of features, in place.

    Training then begins from an embedding that is already good: the start's own features, centred on this catalog
    (docs/decisions/0004).

    Args:
        features: (N, F) with N ≥ 2; where N - 1 < D, the last outputs begin as zero.
        power: each component is scaled by its singular value to this power, relative to the first: 0 leaves the
            distances as they are, above 0 favours what varies most in the catalog, -1 is whitening.
    """
    mean = features.mean(dim=0)
    _, spreads, components = torch.linalg.svd(features - mean, full_matrices=False)
    count = min(head.out_features, len(components), len(features) - 1)
    scales = (spreads[:count] / spreads[0].clamp(min=1e-12)).clamp(min=1e-6) ** power
    head.weight.zero_()
    head.weight[:count] = components[:count] * scales[:, None]
    head.bias.copy_(-head.weight @ mean)
