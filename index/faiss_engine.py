"""The vectors of a catalog with FAISS, in memory until they are published into a folder; see `VectorIndex`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog.arrow import numbers
from catalog.where import rows_where
from index.config import IndexChoice
from index.faiss_index import FlatIndex
from index.groups import Groups
from index.kinds import files_of
from index.promised_index import PromisedIndex, build_promised_index
from index.search_index import SearchIndex
from index.vector_index import Hits, hits_of, part_found
from index.vectors import Blocks, Floats, Ids, first_of_each
from index.versions import FileFacts


class FaissIndex:
    """Vectors and their photos' rows, in the order in which they came.

    Attributes:
        dimension: D, the width of the vectors.
        files: what `publish` wrote into the folder, by name.
    """

    def __init__(self, folder: Path, schema: pa.Schema, dimension: int) -> None:
        """`folder`: where `publish` writes; `schema`: of the photos' table, by which conditions are understood."""
        self._folder, self.dimension = folder, dimension
        self._photos, self._vectors = schema.empty_table(), np.zeros((0, dimension), np.float32)
        self._index: SearchIndex | None = None
        self.files: dict[str, FileFacts] = {}

    @property
    def _ids(self) -> Ids:
        return _ids_of(self._photos)

    def upsert(self, photos: pa.Table, vectors: Floats) -> None:
        """Add photos, see `VectorIndex.upsert`; the first vectors are kept where they are, no copy is made."""
        if len(self._photos):
            self.delete(_ids_of(photos))
            photos = pa.concat_tables([self._photos, photos.select(self._photos.column_names)])
            vectors = np.concatenate([self._vectors, vectors])
        self._photos, self._vectors, self._index = photos, vectors, None

    def delete(self, image_ids: Ids) -> None:
        """Remove photos by their ids."""
        stay = ~np.isin(self._ids, image_ids)
        if not stay.all():
            self._photos = self._photos.take(numbers(np.flatnonzero(stay).tolist(), pa.int64()))
            self._vectors, self._index = self._vectors[stay], None

    def count(self) -> int:
        """How many photos there are."""
        return len(self._photos)

    def search(
        self, queries: Floats, k: int, where: str = "", *, by_product: bool = False, strong: bool = False
    ) -> Hits:
        """The k photos most similar to each query, see `VectorIndex.search`; what came last is always there."""
        if self._index is None:
            self._index = FlatIndex.build(self._vectors, "cpu")
        allowed = rows_where(where, self._photos) if where.strip() else None
        ids = self._ids
        products = Groups.of_equal(self._photos["item_id"]).codes if by_product else ids
        fetch = k
        while True:
            found = self._index.search(queries, fetch, allowed)
            answers = []
            for row, count in enumerate(found.counts):
                places = first_of_each(products[found.positions[row, :count]], k)
                answers.append((ids[found.positions[row, places]].tolist(), found.similarities[row, places].tolist()))
            if all(len(answer) == k for answer, _ in answers) or found.positions.shape[1] < fetch:
                return hits_of(answers)
            fetch *= 4

    def measure_recall(self, queries: Floats, k: int) -> float:
        """Part of the true k nearest that a search finds, see `VectorIndex.measure_recall`."""
        best = -np.sort(-(queries @ self._vectors.T), axis=1)[:, :k]
        return part_found(self.search(queries, k), best)

    def publish(self, blocks: Blocks, choice: IndexChoice) -> PromisedIndex:
        """Build the index and write it into the folder, see `VectorIndex.publish`.

        Raises:
            OSError: the disk is full or fails.
        """
        built = build_promised_index(self._vectors, blocks, choice)
        self.files = {name: write_index(part, self._folder / name) for name, part in files_of(built.index).items()}
        self._index = built.index
        return built


def _ids_of(photos: pa.Table) -> Ids:
    ids: Ids = np.from_dlpack(photos["image_id"].combine_chunks()).astype(np.int64)
    return ids  # pyarrow's own to_numpy would import pandas


def write_index(index: SearchIndex, path: Path) -> FileFacts:
    """Write an index through our own writer: hashed as it goes, and a full disk raises OSError."""
    digest = hashlib.sha256()
    size = 0
    with path.open("wb") as file:

        def write(piece: bytes) -> int:
            nonlocal size
            digest.update(piece)
            file.write(piece)
            size += len(piece)
            return len(piece)

        index.write(write)
        file.flush()
        os.fsync(file.fileno())
    return FileFacts(bytes=size, sha256=digest.hexdigest())
