"""The hnsw kind: a graph of near vectors that a search walks towards the query (HNSW).

Malkov and Yashunin, Efficient and robust approximate nearest neighbor search using hierarchical navigable small world
graphs (arXiv 1603.09320). All vectors are of one length, so the largest inner product is the nearest vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import faiss

from index.approximate import TUNED_FOR, ApproximateIndex, Found, Ladder
from index.coarse import slices
from index.faiss_files import read_faiss
from index.faiss_index import FlatIndex
from index.settings import Parameters, Settings, everywhere
from index.vectors import Floats, Mask

START = everywhere({"ef_search": 32})
MOST_EF = 4096
"""Beyond it a walk costs more than it saves."""
LINKS = 32
"""Neighbours of a vector in the graph (M)."""
EF_CONSTRUCTION = 80


class HNSWIndex(ApproximateIndex):
    """A graph over whole vectors; see `SearchIndex`. Parameters: ef_search, how many candidates a walk keeps."""

    kind = "hnsw"

    def __init__(self, index: faiss.IndexHNSWFlat, settings: Settings = START) -> None:
        super().__init__(index, settings)
        self._exact = FlatIndex(faiss.downcast_index(index.storage), "cpu")

    @classmethod
    def build(cls, vectors: Floats) -> HNSWIndex:
        """An index over float32 (N, D) vectors of one length."""
        index = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = EF_CONSTRUCTION
        kept = faiss.downcast_index(index.storage).codes
        kept.resize(vectors.nbytes)  # room at once: growing by doubling would hold the vectors three times for a moment
        kept.resize(0)
        for part in slices(vectors):
            index.add(part)
        return cls(index)

    def vector(self, position: int) -> Floats:
        """The vector at a position, float32 (D,)."""
        return self._exact.vector(position)

    def ladders(self) -> Sequence[Ladder]:
        """ef_search, up to MOST_EF."""
        return (Ladder(swept="ef_search", most=min(MOST_EF, len(self))),)

    @classmethod
    def read(cls, path: Path, settings: Settings) -> HNSWIndex:
        """The index in a file.

        Raises:
            VersionError: it cannot be read, or is of another kind.
        """
        return cls(read_faiss(path, faiss.IndexHNSWFlat, "hnsw"), settings)

    def _look(self, queries: Floats, k: int, parameters: Parameters) -> Found:
        kept = max(parameters["ef_search"], 2 * max(k, TUNED_FOR))
        found: Found = self._index.search(queries, k, params=faiss.SearchParametersHNSW(efSearch=kept))
        return found

    def _look_everywhere(self, queries: Floats, k: int, allowed: Mask | None) -> Found:
        exact = self._exact.search(queries, k, allowed)
        return exact.similarities, exact.positions
