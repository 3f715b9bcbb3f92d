"""A photo's features smoothed over the photos around it.

Photos of one kind are often alike only through others between them; averaged with their nearest, they come together.
This is database-side feature augmentation (Arandjelović and Zisserman, "Three things everyone should know to improve
object retrieval", CVPR 2012), here as what training aims at instead of a step of searching: it costs a search nothing
and holds for photos that are not in the catalog, too (docs/decisions/0014).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def smooth(features: Tensor, around: Tensor, count: int) -> Tensor:
    """Each row, halfway to the mean of the rows nearest to it.

    Args:
        features: (B, D), of unit norm.
        around: (N, D), of unit norm: where the nearest are looked for, by inner product; may hold the rows themselves.
        count: how many to take; with 0 nothing changes.

    Returns:
        (B, D), of unit norm.
    """
    if not count:
        return features
    nearest = (features @ around.T).topk(min(count, len(around)), dim=1).indices
    mean = functional.normalize(around[nearest].mean(dim=1), dim=1)
    return functional.normalize(features + mean, dim=1)
