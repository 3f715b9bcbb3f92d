"""A collection of Milvus as a `SearchIndex`: what a version that lies in Milvus is searched by, photos by position."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from catalog.errors import EngineError
from index.approximate import Ladder
from index.milvus import MOST_HITS, Milvus
from index.milvus_filter import milvus_filter
from index.milvus_index import MilvusIndex
from index.search_index import no_neighbors
from index.settings import Settings
from index.vector_index import Hits
from index.vectors import Floats, Ids, Mask, Neighbors

MOST_TUNED = 4096
"""Beyond it a walk costs more than it saves."""
MOST_NAMED = 20_000
"""Photos that a filter may name one by one."""


def open_photos(
    server: Milvus, collection: str, photos: pa.Table, dimension: int, settings: Settings | None
) -> MilvusPhotos:
    """The photos of a version, whose collection is loaded into the server's memory if it is not there.

    Args:
        photos: a row for each, in order of image_id.

    Raises:
        EngineError: the server does not answer, or has another number of photos.
    """
    index = MilvusIndex(server, collection, photos.schema, dimension, settings)
    server.check_collection(collection)
    index.load()
    opened = MilvusPhotos(index, np.array(photos["image_id"].to_pylist(), np.int64), settings)
    count = index.count()
    if count != len(opened):
        raise EngineError(
            f"the collection {collection} must hold {len(opened)} photos; it holds {count}: "
            'run "lookalike rollback" or "lookalike index"'
        )
    return opened


class MilvusPhotos:
    """Photos of a version, whose vectors are in a collection. Safe to search from several threads.

    Attributes:
        kind: "milvus-flat" where every vector is compared, "milvus-hnsw" where a graph is walked.
    """

    def __init__(self, index: MilvusIndex, image_ids: Ids, settings: Settings | None = None) -> None:
        """`image_ids`: int64 (N,), ascending: the photo at each position."""
        self._index, self._image_ids = index, image_ids
        index.settings = settings

    @property
    def kind(self) -> str:
        """How it searches."""
        return "milvus-flat" if self.settings is None else "milvus-hnsw"

    @property
    def settings(self) -> Settings | None:
        """How far a search looks; None where every vector is compared."""
        return self._index.settings

    @settings.setter
    def settings(self, settings: Settings | None) -> None:
        self._index.settings = settings

    @property
    def dimension(self) -> int:
        """D, the width of the vectors."""
        return self._index.dimension

    @property
    def device(self) -> str:
        """Where it searches."""
        return "milvus"

    def __len__(self) -> int:
        return len(self._image_ids)

    def vector(self, position: int) -> Floats:
        """The vector at a position, float32 (D,)."""
        vector: Floats = self.vectors(np.array([position]))[0]
        return vector

    def vectors(self, positions: Ids) -> Floats:
        """The vectors at some positions, float32 (n, D)."""
        return self._index.vectors(self._image_ids[positions])

    def ladders(self) -> Sequence[Ladder]:
        """ef, how many candidates a walk keeps."""
        return (Ladder(swept="ef", most=min(MOST_TUNED, len(self))),)

    def write(self, write: Callable[[bytes], int]) -> None:
        """Nothing: the server keeps it."""

    def check(self) -> None:
        """Whether the server answers, and has the collection; see `RemoteIndex.check`."""
        self._index.check()

    def search(self, queries: Floats, k: int, allowed: Mask | None = None, where: str = "") -> Neighbors:
        """min(k, photos that may be found) answers to each query, at most MOST_HITS, see `SearchIndex.search`."""
        return self._search(queries, k, allowed, where, by_product=False)

    def search_products(self, queries: Floats, k: int, allowed: Mask | None = None, where: str = "") -> Neighbors:
        """The same, but photos of k different products, where the server groups (Milvus 2.4 and later)."""
        return self._search(queries, k, allowed, where, by_product=True)

    def _search(self, queries: Floats, k: int, allowed: Mask | None, where: str, *, by_product: bool) -> Neighbors:
        k = min(k, len(self) if allowed is None else int(allowed.sum()), MOST_HITS)
        if k == 0:
            return no_neighbors(len(queries))
        condition = milvus_filter(where, self._index.schema)
        if allowed is not None and not condition:
            chosen = self._image_ids[allowed]
            if len(chosen) > MOST_NAMED:
                return self._sifted(queries, k, allowed)
            condition = f"image_id in {chosen.tolist()}"
        return self._at_positions(self._index.hits(queries, k, condition or "", by_product=by_product))

    def _sifted(self, queries: Floats, k: int, allowed: Mask) -> Neighbors:
        """By a filter that the server cannot be asked with: from more and more answers, those that it allows."""
        fetch = min(MOST_HITS, 2 * k * len(self) // int(allowed.sum()))
        while True:
            found = self._at_positions(self._index.hits(queries, fetch))
            kept = allowed[found.positions] & (np.arange(found.positions.shape[1]) < found.counts[:, None])
            if (kept.sum(axis=1) >= k).all():
                order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
                positions = np.take_along_axis(found.positions, order, axis=1)
                similarities = np.take_along_axis(found.similarities, order, axis=1)
                return Neighbors(positions, similarities, np.full(len(queries), k))
            if fetch == MOST_HITS:
                raise EngineError(
                    f"Milvus cannot be asked by this condition, which too few of the nearest {MOST_HITS:,} meet: "
                    'compare columns with values by ==, <, in ("…", "…")'
                )
            fetch = min(MOST_HITS, 4 * fetch)

    def _at_positions(self, hits: Hits) -> Neighbors:
        """Photos by position; of one that is not among them the server knows by mistake, it is left out."""
        positions = np.searchsorted(self._image_ids, hits.image_ids).clip(max=len(self) - 1)
        known = self._image_ids[positions] == hits.image_ids
        if known.sum() == hits.counts.sum():
            return Neighbors(positions, hits.similarities, hits.counts)
        order = np.argsort(~known, axis=1, kind="stable")
        similarities = np.take_along_axis(hits.similarities, order, axis=1)
        return Neighbors(np.take_along_axis(positions, order, axis=1), similarities, known.sum(axis=1))
