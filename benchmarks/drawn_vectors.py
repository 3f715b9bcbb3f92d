"""As many vectors as a benchmark needs, drawn around the vectors of real photos; `benchmarks.index` uses them.

The photos' embeddings by the ImageNet start are brought to the dimension by a PCA, as the default recipe's projection
begins; the colour block stands beside them as a version has it. A mixture of Gaussians is fitted: k-means, then each
cluster's own mean and covariance, and every block of a draw is brought to unit norm. `CLUSTERS` is such that a draw of
as many vectors as there are photos has neighbours as near as theirs (the record says how near), so that its neighbours
are as hard to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from sklearn.cluster import KMeans

from benchmarks.main_job import lookalike
from catalog.store import Store
from index.blocks import weigh
from index.colour_weights import DEFAULT_COLOUR
from index.loading import load_current
from index.query import unit_blocks, vectors_at
from index.vectors import Blocks, Floats, Ids

CLUSTERS = 32
DRAWN_TOGETHER = 16_384


def photo_blocks(photos: Path, folder: Path) -> tuple[Floats, Floats]:
    """The photos' embeddings by `lookalike index --encoder imagenet`, float32 (P, 1280), and colours, (P, C).

    They are kept in a folder.
    """
    kept = folder / "vectors.npz"
    if not kept.exists():
        store = folder / "store"
        lookalike("scan", photos, "--store", store)
        lookalike("index", "--encoder", "imagenet", "--store", store)
        loaded = load_current(Store.open(store), "cpu")
        index = loaded.index
        vectors = vectors_at(index, np.arange(len(index)))
        embeddings, colours = np.split(vectors, [next(iter(loaded.version.blocks.values()))], axis=1)
        np.savez(kept, embeddings=embeddings, colours=colours)
    with np.load(kept) as both:
        return both["embeddings"], both["colours"]


@dataclass(frozen=True, slots=True)
class Mixture:
    """Gaussians around clusters of real vectors.

    Attributes:
        vectors: float32 (P, D), the real ones, every block of unit norm.
        clusters: int (P,), the cluster of each.
        blocks: their names and widths.
    """

    vectors: Floats
    clusters: Ids
    blocks: Blocks

    @classmethod
    def fit(cls, embeddings: Floats, dimension: int, colours: Floats | None = None) -> Mixture:
        """A mixture in so many dimensions, and the colours' beside them where they are given."""
        centred = embeddings - embeddings.mean(axis=0)
        _, directions = np.linalg.eigh(centred.T @ centred)
        parts = {"projection": centred @ directions[:, ::-1][:, :dimension]}
        if colours is not None:
            parts["colour"] = colours
        blocks = {name: part.shape[1] for name, part in parts.items()}
        vectors = unit_blocks(np.concatenate(list(parts.values()), axis=1), list(blocks.values()))
        return cls(vectors, KMeans(CLUSTERS, n_init=1, random_state=0).fit(vectors).labels_.astype(np.int64), blocks)

    def asked(self, vectors: Floats) -> Floats:
        """Vectors as queries: their blocks weighted as by default."""
        return vectors if len(self.blocks) == 1 else weigh(vectors, self.blocks, DEFAULT_COLOUR)

    def draw(self, count: int, seed: int) -> Floats:
        """So many vectors, float32 (count, D), every block of unit norm."""
        random = np.random.default_rng(seed)
        cluster_of = self.clusters[random.integers(0, len(self.vectors), count)]
        drawn = np.empty((count, self.vectors.shape[1]), np.float32)
        for cluster in range(CLUSTERS):
            own = self.vectors[self.clusters == cluster]
            mean = own.mean(axis=0)
            spread = (own - mean) / np.sqrt(
                max(1, len(own) - 1)
            )  # its rows, summed with normal weights: its covariance
            rows = np.flatnonzero(cluster_of == cluster)
            for start in range(0, len(rows), DRAWN_TOGETHER):
                part = rows[start : start + DRAWN_TOGETHER]
                drawn[part] = mean + random.standard_normal((len(part), len(own)), np.float32) @ spread
        for start, end in pairwise(np.cumsum([0, *self.blocks.values()])):
            block = drawn[:, start:end]  # in place: unit_blocks would hold a million vectors in float64
            block /= np.sqrt(np.einsum("nd,nd->n", block, block))[:, None]
        return drawn

    def likeness(self) -> dict[str, Any]:
        """Similarity to the nearest other vector: of the real ones, and of as many drawn ones."""
        drawn = self.draw(len(self.vectors), seed=3)
        return {"photos": self._nearest(self.vectors), "drawn": self._nearest(drawn)}

    def _nearest(self, vectors: Floats) -> dict[str, float]:
        similarities, _ = faiss.knn(self.asked(vectors), vectors, 2, metric=faiss.METRIC_INNER_PRODUCT)
        parts = np.quantile(similarities[:, 1], (0.1, 0.5, 0.9))
        return {name: round(float(value), 3) for name, value in zip(("10%", "median", "90%"), parts, strict=True)}
