"""What an embedding is like without any label: alignment, uniformity, RankMe, spread, and whether it has collapsed.

Shapes: N vectors, D wide, of unit norm.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.evaluation.ranking import Floats
from training.random_streams import generator

SAMPLE = 4096
"""Of more vectors than this, a sample of this size is measured where the cost grows faster than their number."""
STREAM = 0x72616E6B
"""Names the draw of the sample in `training.random_streams` ("rank"): no epoch has this number."""
BLOCK = 512
"""Rows of the matrix of distances in memory at a time."""
RANK_EPSILON = 1e-7
"""Added to each singular value's share, as in the paper."""
COLLAPSED_SPREAD = 1e-3
"""Below it the mean similarity of two photos is above 0.999; a random network has 0.01."""
COLLAPSED_RANK = 2.0
"""Below this RankMe the photos lie along one line; a random network has 30 to 60."""
RANK_NEEDS = 16
"""Of fewer vectors, RankMe is no sign of collapse: it cannot exceed their number."""


def alignment(first: Floats, second: Floats) -> float:
    """The mean squared distance of pairs that should be alike, in [0, 4]; 0 is best (arXiv 2005.10242, section 4.1).

    Args:
        first, second: (N, D), of unit norm; row by row a photo and an altered copy of it.

    Raises:
        ValueError: there is no pair, or shapes differ.
    """
    if first.shape != second.shape or len(first) == 0:
        raise ValueError(f"alignment needs pairs of vectors; received {first.shape} and {second.shape}")
    return float(np.square(first.astype(np.float64) - second).sum(axis=1).mean())


def uniformity(vectors: Floats, *, seed: int = 0) -> float:
    """How evenly vectors cover the sphere: log of the mean of exp(-2 |x - y|²) over all pairs of different rows.

    0 when all are the same, lower is more even, -4 is about the least for many vectors in many dimensions
    (arXiv 2005.10242, section 4.1, t = 2). Of more than 4,096 vectors, a sample is measured.

    Raises:
        ValueError: there are fewer than 2 vectors.
    """
    rows = _sample(vectors, seed)
    lengths = np.square(rows).sum(axis=1)
    total = 0.0
    for begin in range(0, len(rows), BLOCK):
        block = slice(begin, begin + BLOCK)
        squared = lengths[block, None] + lengths - 2 * rows[block] @ rows.T
        potential = np.exp(-2 * squared)
        total += float(potential.sum() - potential.diagonal(begin).sum())
    return math.log(total / (len(rows) * (len(rows) - 1)))


def rank_me(vectors: Floats, *, seed: int = 0) -> float:
    """The effective rank: exp of the entropy of the singular values' shares, each plus 1e-7 (arXiv 2210.02885).

    From 1 (all vectors along one line) to min(N, D); vectors are not centred. Compare it only between embeddings of the
    same photos. Of more than 4,096 vectors, a sample is measured.

    Raises:
        ValueError: there are fewer than 2 vectors.
    """
    singular = np.linalg.svd(_sample(vectors, seed), compute_uv=False)
    share = singular / singular.sum() + RANK_EPSILON
    return float(np.exp(-(share * np.log(share)).sum()))


def spread(vectors: Floats) -> float:
    """How widely vectors lie around their mean, 1 - |mean|²: 0 when all are the same, near 1 all over the sphere."""
    return 1.0 - float(np.square(vectors.mean(axis=0, dtype=np.float64)).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """The label-free properties of an embedding."""

    count: int
    """Vectors, N."""
    dim: int
    """Their width, D."""
    uniformity: float
    """See `uniformity`; lower is more even."""
    rank_me: float
    """See `rank_me`; higher says that more directions are used."""
    spread: float
    """See `spread`."""
    alignment: float | None = None
    """See `alignment`; lower is better. None where there are no altered copies."""

    @property
    def collapsed(self) -> bool:
        """Whether the embedding says the same, or nearly, of every photo.

        The rule: the spread is below 0.001, or there are at least 16 vectors and their RankMe is below 2.
        """
        flat = self.count >= RANK_NEEDS and self.rank_me < COLLAPSED_RANK
        return self.spread < COLLAPSED_SPREAD or flat

    @property
    def verdict(self) -> str:
        """The same in words, with the rule."""
        return (
            f"{'collapsed' if self.collapsed else 'not collapsed'}: "
            f"spread {self.spread:.2g} (collapsed below {COLLAPSED_SPREAD:g}), "
            f"RankMe {self.rank_me:.1f} of at most {min(self.count, self.dim, SAMPLE)} "
            f"(collapsed below {COLLAPSED_RANK:g}, from {RANK_NEEDS} photos on)"
        )

    def to_json(self) -> dict[str, Any]:
        """As plain values, with the verdict, for JSON."""
        return {**asdict(self), "collapsed": self.collapsed, "verdict": self.verdict}


def measure_representation(
    vectors: Floats, *, pairs: tuple[Floats, Floats] | None = None, seed: int = 0
) -> Representation:
    """Measure an embedding.

    Args:
        vectors: (N, D), N ≥ 2, of unit norm.
        pairs: photos and their altered copies, row by row, both (P, D).
        seed: decides the sample of more than 4,096 vectors.

    Raises:
        ValueError: there are fewer than 2 vectors, or shapes do not fit.
    """
    return Representation(
        count=len(vectors),
        dim=vectors.shape[1],
        uniformity=uniformity(vectors, seed=seed),
        rank_me=rank_me(vectors, seed=seed),
        spread=spread(vectors),
        alignment=None if pairs is None else alignment(*pairs),
    )


def _sample(vectors: Floats, seed: int) -> npt.NDArray[np.float64]:
    """All vectors, or of many a sample without replacement, in float64."""
    if vectors.ndim != 2 or len(vectors) < 2:
        raise ValueError(f"at least 2 vectors are needed, (N, D); received {vectors.shape}")
    if len(vectors) <= SAMPLE:
        return vectors.astype(np.float64)
    return vectors[generator(seed, STREAM).choice(len(vectors), SAMPLE, replace=False)].astype(np.float64)
