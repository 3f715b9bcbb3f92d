"""The lists of an inverted file: how many, where their centres lie, and vectors added to them with progress shown."""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt

import faiss
import numpy as np

from catalog.progress import progress
from index.vectors import Floats

PER_CENTRE = 40
"""Vectors per list that its centre is worked out from: FAISS calls less than 39 too few."""
ROUNDS = 8
"""Of k-means."""
SLICE = 16_384
"""Vectors added together: bounds the memory that adding takes."""


def list_count(vectors: int) -> int:
    """How many lists: 4 √N, which FAISS's guidelines name for up to a million vectors; fewer where N is small."""
    return max(1, min(4 * isqrt(vectors), vectors // PER_CENTRE))


def sample(vectors: Floats, count: int, seed: int = 0) -> Floats:
    """So many rows, drawn without repeats; all where there are no more."""
    if len(vectors) <= count:
        return vectors
    rows = np.random.default_rng(seed).choice(len(vectors), count, replace=False)
    return vectors[np.sort(rows)]


def train_centres(vectors: Floats, lists: int) -> faiss.IndexFlatIP:
    """The centres of the lists, by spherical k-means on a sample, as an index that finds the nearest of them."""
    points = sample(vectors, PER_CENTRE * lists)
    centres: Floats | None = None
    for _ in progress(range(ROUNDS), total=ROUNDS, description="training the index", unit="rounds"):
        rounds = faiss.Kmeans(
            vectors.shape[1], lists, niter=1, spherical=True, seed=1, min_points_per_centroid=1,
            max_points_per_centroid=PER_CENTRE,
        )  # fmt: skip
        rounds.train(points, init_centroids=centres)
        centres = rounds.centroids
    found = faiss.IndexFlatIP(vectors.shape[1])
    found.add(centres)
    return found


def slices(vectors: Floats, description: str = "building the index") -> Iterator[Floats]:
    """The vectors in their order, some thousands at a time."""
    starts = range(0, len(vectors), SLICE)
    for start in progress(starts, total=len(starts), description=description, unit=f"x {SLICE} vectors"):
        yield vectors[start : start + SLICE]
