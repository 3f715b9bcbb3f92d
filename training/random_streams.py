"""Randomness as a function, not a state: every draw is named by what it is for.

A resumed run, or one with another number of workers, then makes the same draws (docs/decisions/0006).
"""

from __future__ import annotations

import numpy as np


def generator(seed: int, *name: int) -> np.random.Generator:
    """A generator of its own for (seed, name…), such as (seed, epoch, image, view)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=name)))


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The order in which an epoch visits `count` photos: int64 (count,)."""
    return generator(seed, epoch).permutation(count).astype(np.int64)
