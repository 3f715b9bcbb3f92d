"""What an engine does with the vectors of a catalog: one interface, FAISS and Milvus behind it.

`FaissIndex` (index/faiss_engine.py) keeps them in memory until they are published into a folder, `MilvusIndex`
(index/milvus_index.py) sends them to a server at once. Building a version uses it; what is searched afterwards is a
`SearchIndex`, which knows photos by position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from index.config import IndexChoice
from index.promised_index import PromisedIndex
from index.vectors import Blocks, Floats, Ids
from index.versions import FileFacts


@dataclass(frozen=True, slots=True)
class Hits:
    """The nearest photos of each of Q queries.

    Attributes:
        image_ids: int64 (Q, K); beyond a query's count -1.
        similarities: float32 (Q, K), descending, in [-1, 1].
        counts: int64 (Q,), how many of the K there are.
    """

    image_ids: Ids
    similarities: Floats
    counts: Ids


class VectorIndex(Protocol):
    """Vectors by image_id, with the columns of their photos."""

    @property
    def dimension(self) -> int:
        """D, the width of the vectors."""

    @property
    def files(self) -> Mapping[str, FileFacts]:
        """What `publish` has left in the version's folder, by name."""

    def upsert(self, photos: pa.Table, vectors: Floats) -> None:
        """Add photos; those whose image_id is there already are replaced.

        Args:
            photos: row i describes the photo of vector i; `image_id`, `item_id`, and whatever conditions may name.
            vectors: float32 (N, D), of unit norm by block.
        """

    def delete(self, image_ids: Ids) -> None:
        """Remove photos; ids that are not there are passed over."""

    def count(self) -> int:
        """How many photos there are, all that was acknowledged included."""

    def search(
        self, queries: Floats, k: int, where: str = "", *, by_product: bool = False, strong: bool = False
    ) -> Hits:
        """The k photos most similar to each query, float32 (Q, D), the most similar first.

        Args:
            where: a condition that they must meet (catalog/where.py).
            by_product: of each product, only its most similar photo.
            strong: all that was acknowledged is searched; otherwise what came last may be missing for a moment.

        Raises:
            UsageError: the condition cannot be understood.
            EngineError: the engine does not answer, or cannot search by this condition.
        """

    def measure_recall(self, queries: Floats, k: int) -> float:
        """Part of the true k nearest that a search finds, in [0, 1], by comparing every vector that is there."""

    def publish(self, blocks: Blocks, choice: IndexChoice) -> PromisedIndex:
        """Build the index over all that is there, and tune it until it finds what was promised.

        Raises:
            PromiseError: it does not.
        """


def hits_of(found: Sequence[tuple[Sequence[int], Sequence[float]]]) -> Hits:
    """Ids and similarities of each query, which may be of different numbers, as one result."""
    most = max((len(ids) for ids, _ in found), default=0)
    image_ids, similarities = np.full((len(found), most), -1, np.int64), np.full((len(found), most), -1, np.float32)
    for row, (ids, values) in enumerate(found):
        image_ids[row, : len(ids)], similarities[row, : len(ids)] = ids, np.clip(values, -1, 1)
    return Hits(image_ids, similarities, np.array([len(ids) for ids, _ in found], np.int64))


def part_found(found: Hits, similarities: Floats, tie: float = 1e-5) -> float:
    """Part of the true neighbours among hits, in [0, 1]; answers as similar as the last true one count.

    Args:
        similarities: float32 (Q, k), of the true neighbours, descending.
    """
    least = similarities[:, -1:] - tie
    k = similarities.shape[1]
    hits = ((found.similarities >= least) & (found.image_ids >= 0)).sum(axis=1)
    return float(np.minimum(hits, k).mean() / k)
