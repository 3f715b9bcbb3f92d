"""The exact kind: every vector is compared, on the GPU where there is one, else on the CPU.

The CPU index is the truth and what is written to disk; a GPU holds a mirror of it. FAISS's -1 never leaves this file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from index.faiss_files import read_faiss, write_faiss
from index.gpu_mirror import MOST_NEIGHBORS, mirror_of
from index.search_index import neighbors, no_neighbors
from index.vectors import Floats, Ids, Mask, Neighbors
from training.config import Device


class FlatIndex:
    """Exact search over N vectors of D dimensions. Safe to search from several threads.

    Positions are 0 … N-1, in the order in which the vectors were given.
    """

    kind = "exact"

    def __init__(self, index: faiss.IndexFlatIP, device: Device = "auto") -> None:
        self._index = index
        self._mirror = mirror_of(index, device)

    @classmethod
    def build(cls, vectors: Floats, device: Device = "auto") -> FlatIndex:
        """An index over float32 (N, D) vectors of unit norm, which it looks at where they are: no copy is made."""
        kept = np.ascontiguousarray(vectors, np.float32)
        numbers = kept.view(np.uint8).reshape(-1)
        index = faiss.IndexFlatIP(kept.shape[1])
        index.codes = faiss.MaybeOwnedVectorUInt8.create_view(faiss.swig_ptr(numbers), numbers.size, index.codes.owner)
        index.ntotal = len(kept)
        index.referenced_objects = [kept]  # as FAISS's own wrappers keep what they only point to
        return cls(index, device)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """D, the width of its vectors."""
        return int(self._index.d)

    @property
    def device(self) -> str:
        """Where it searches: "gpu" or "cpu"."""
        return "cpu" if self._mirror is None else "gpu"

    @property
    def master(self) -> faiss.IndexFlatIP:
        """The CPU's copy, for another kind to rank its candidates by."""
        return self._index

    def vector(self, position: int) -> Floats:
        """The vector at a position, float32 (D,)."""
        vector: Floats = self._index.reconstruct(position)
        return vector

    def vectors(self, positions: Ids) -> Floats:
        """The vectors at some positions, float32 (n, D)."""
        vectors: Floats = self._index.reconstruct_batch(positions)
        return vectors

    def search(self, queries: Floats, k: int, allowed: Mask | None = None, where: str = "") -> Neighbors:
        """The k most similar positions of each query; fewer where there are fewer than k.

        Args:
            queries: float32 (Q, D), of unit norm.
            allowed: bool (N,), the positions that may be found; None for all. Such a search is done on the CPU: a GPU's
                plain indexes take no heed of a selection, without a word.
            where: not needed: `allowed` says it.
        """
        k = min(k, len(self) if allowed is None else int(allowed.sum()))
        if k == 0:
            return no_neighbors(len(queries))
        if allowed is not None:
            chosen = faiss.SearchParameters(sel=faiss.IDSelectorArray(np.flatnonzero(allowed)))
            similarities, positions = self._index.search(queries, k, params=chosen)
        elif self._mirror is not None and k <= MOST_NEIGHBORS:
            similarities, positions = self._mirror.search(queries, k)
        else:
            similarities, positions = self._index.search(queries, k)
        return neighbors(similarities, positions)

    def write(self, write: Callable[[bytes], int]) -> None:
        """Pass the file's content on, piece by piece; `write` must take every piece whole and return its length.

        Raises:
            OSError: as `write` raises it (FAISS's own writer can lose the end of a file on a full disk).
        """
        write_faiss(self._index, write)

    @classmethod
    def read(cls, path: Path, device: Device = "auto", *, mapped: bool = False) -> FlatIndex:
        """The index in a file; `mapped` leaves its vectors there, see `read_faiss`.

        Raises:
            VersionError: it cannot be read, or is of another kind.
        """
        return cls(read_faiss(path, faiss.IndexFlat, "exact", mapped=mapped), device)
