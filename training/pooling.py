"""Generalised-mean pooling: between the mean and the maximum of a feature map."""

from __future__ import annotations

from torch import Tensor, nn

POWER = 3.0
LEAST = 1e-6
"""Activations below this count as this: a power of a negative number is none."""


class GeM(nn.Module):
    """Generalised mean of power 3 (arXiv 1711.02512, equation 3): strong activations count for more than their area.

    Made for activations that are not negative. (B, F, H, W) to (B, F, 1, 1).
    """

    def forward(self, features: Tensor) -> Tensor:
        """Pool each feature map."""
        return features.clamp(min=LEAST).pow(POWER).mean(dim=(2, 3), keepdim=True).pow(1 / POWER)
