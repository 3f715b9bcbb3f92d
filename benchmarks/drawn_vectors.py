"""As many vectors as a benchmark needs, drawn around the embeddings of real photos; `benchmarks.index` uses them.

The photos' embeddings by the ImageNet start are brought to the dimension by a PCA, as the default recipe's projection
begins, and a mixture of Gaussians is fitted: k-means, then each cluster's own mean and covariance. `CLUSTERS` is such
that a draw of as many vectors as there are photos has neighbours as near as theirs (the record says how near), so that
its neighbours are as hard to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from sklearn.cluster import KMeans

from benchmarks.main_job import lookalike
from catalog.store import Store
from index.blocks import projected
from index.loading import load_current
from index.vectors import Floats, Ids, unit_norm

CLUSTERS = 32
DRAWN_TOGETHER = 16_384


def photo_embeddings(photos: Path, folder: Path) -> Floats:
    """The photos' embeddings by `lookalike index --encoder imagenet`, float32 (P, 1280); kept in a folder."""
    kept = folder / "embeddings.npy"
    if not kept.exists():
        store = folder / "store"
        lookalike("scan", photos, "--store", store)
        lookalike("index", "--encoder", "imagenet", "--store", store)
        loaded = load_current(Store.open(store), "cpu")
        index = loaded.index
        vectors = np.stack([index.vector(position) for position in range(len(index))])
        np.save(kept, projected(vectors, loaded.version.blocks))
    embeddings: Floats = np.load(kept)
    return embeddings


@dataclass(frozen=True, slots=True)
class Mixture:
    """Gaussians around clusters of real vectors.

    Attributes:
        vectors: float32 (P, D), the real ones, of unit norm.
        clusters: int (P,), the cluster of each.
    """

    vectors: Floats
    clusters: Ids

    @classmethod
    def fit(cls, embeddings: Floats, dimension: int) -> Mixture:
        """A mixture in so many dimensions."""
        centred = embeddings - embeddings.mean(axis=0)
        _, directions = np.linalg.eigh(centred.T @ centred)
        vectors = unit_norm(centred @ directions[:, ::-1][:, :dimension])
        return cls(vectors, KMeans(CLUSTERS, n_init=1, random_state=0).fit(vectors).labels_.astype(np.int64))

    def draw(self, count: int, seed: int) -> Floats:
        """So many vectors, float32 (count, D), of unit norm."""
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
        drawn /= np.sqrt(np.einsum("nd,nd->n", drawn, drawn))[:, None]
        return drawn

    def likeness(self) -> dict[str, Any]:
        """Cosines to the nearest other vector: of the real ones, and of as many drawn ones."""
        drawn = self.draw(len(self.vectors), seed=3)
        return {"photos": _nearest(self.vectors), "drawn": _nearest(drawn)}


def _nearest(vectors: Floats) -> dict[str, float]:
    similarities, _ = faiss.knn(vectors, vectors, 2, metric=faiss.METRIC_INNER_PRODUCT)
    parts = np.quantile(similarities[:, 1], (0.1, 0.5, 0.9))
    return {name: round(float(value), 3) for name, value in zip(("10%", "median", "90%"), parts, strict=True)}
