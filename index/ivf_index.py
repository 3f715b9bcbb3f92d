"""The ivf kind: vectors in lists around centres, of which a search looks into the `nprobe` nearest (IVF-Flat).

Sivic and Zisserman, Video Google (ICCV 2003); the vectors stay float32, so with all lists probed it is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path

import faiss
import numpy as np

from index.approximate import TUNED_FOR, ApproximateIndex, Found, Ladder
from index.coarse import list_count, slices, train_centres
from index.faiss_files import read_faiss
from index.gpu_mirror import MOST_NEIGHBORS, MOST_PROBED, mirror_of
from index.settings import Parameters, Settings, everywhere
from index.vectors import Floats, Mask
from training.config import Device

START = everywhere({"nprobe": 8})
PROBED_PER_ANSWER = 4
"""A search for k looks into lists of at least so many times k vectors, whatever k the parameters were tuned for."""


def least_nprobe(k: int, vectors: int, lists: int) -> int:
    """Lists that a search for k must look into, so that on average `PROBED_PER_ANSWER` times k vectors lie in them."""
    return min(lists, ceil(PROBED_PER_ANSWER * max(k, TUNED_FOR) * lists / vectors))


class IVFIndex(ApproximateIndex):
    """Vectors in lists, whole; see `SearchIndex`. Parameters: nprobe, how many lists are looked into."""

    kind = "ivf"

    def __init__(self, index: faiss.IndexIVFFlat, settings: Settings = START, device: Device = "cpu") -> None:
        super().__init__(index, settings)
        self._mirror = mirror_of(index, device)
        if self._index.direct_map.type == faiss.DirectMap.NoMap:
            self._index.make_direct_map()

    @classmethod
    def build(cls, vectors: Floats) -> IVFIndex:
        """An index over float32 (N, D) vectors of one length."""
        lists = list_count(len(vectors))
        centres = train_centres(vectors, lists)
        index = faiss.IndexIVFFlat(centres, vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors[:1])  # the centres are there
        _make_room(index, vectors)
        for part in slices(vectors):
            index.add(part)
        return cls(index)

    @property
    def device(self) -> str:
        """Where it searches, but for filtered searches: "gpu" or "cpu"."""
        return "cpu" if self._mirror is None else "gpu"

    @property
    def lists(self) -> int:
        """How many lists there are."""
        return int(self._index.nlist)

    def vector(self, position: int) -> Floats:
        """The vector at a position, float32 (D,)."""
        vector: Floats = self._index.reconstruct(position)
        return vector

    def ladders(self) -> Sequence[Ladder]:
        """nprobe, up to all lists."""
        return (Ladder(swept="nprobe", most=self.lists),)

    @classmethod
    def read(cls, path: Path, settings: Settings, device: Device = "cpu") -> IVFIndex:
        """The index in a file; a GPU holds a copy of it where there is one.

        Raises:
            VersionError: it cannot be read, or is of another kind.
        """
        return cls(read_faiss(path, faiss.IndexIVFFlat, "ivf"), settings, device)

    def _look(self, queries: Floats, k: int, parameters: Parameters) -> Found:
        nprobe = max(parameters["nprobe"], least_nprobe(k, len(self), self.lists))
        if self._mirror is not None and k <= MOST_NEIGHBORS and nprobe <= MOST_PROBED:
            return self._mirror.search(queries, k, nprobe)
        found: Found = self._index.search(queries, k, params=faiss.SearchParametersIVF(nprobe=nprobe))
        return found

    def _look_everywhere(self, queries: Floats, k: int, allowed: Mask | None) -> Found:
        chosen = None if allowed is None else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        everywhere = faiss.SearchParametersIVF(nprobe=self.lists, sel=chosen)
        found: Found = self._index.search(queries, k, params=everywhere)
        return found


def _make_room(index: faiss.IndexIVFFlat, vectors: Floats) -> None:
    """Give each list the memory that it will need: lists that double as they grow would take half as much again."""
    sizes = np.zeros(index.nlist, np.int64)
    for part in slices(vectors, "sizing the lists"):
        sizes += np.bincount(index.quantizer.search(part, 1)[1][:, 0], minlength=index.nlist)
    for number, size in enumerate(sizes.tolist()):
        index.invlists.resize(number, size)
        index.invlists.resize(number, 0)  # keeps the memory
