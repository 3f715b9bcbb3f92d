"""The ivf-pq kind: an inverted file of small codes finds candidates, and float32 vectors in a mapped file rank them.

Product quantisation: Jégou, Douze and Schmid (PAMI 2011); its 4-bit codes looked up in registers: André, Kermarrec and
Le Scouarnec, Cache locality is not enough (VLDB 2015). Why not 8-bit scalars: docs/decisions/0019.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np

from index.approximate import TUNED_FOR, ApproximateIndex, Found, Ladder
from index.coarse import PER_CENTRE, list_count, sample, slices, train_centres
from index.colour_weights import DEFAULT_COLOUR
from index.faiss_files import read_faiss
from index.faiss_index import FlatIndex
from index.ivf_index import least_nprobe
from index.settings import Parameters, Settings, everywhere
from index.vectors import Floats, Ids, Mask

START = everywhere({"nprobe": 8, "candidates": 100})
CANDIDATES = (20, 50, 100, 150, 200, 400, 800, 1600, 3200)
"""How many candidates may be ranked anew, for k = 10. Colours alone need most: their codes are the least exact."""
CODED_DIMENSIONS, OF_SECOND = 256, 64
"""Most directions that go into the code, and how many of them may be the second block's: those with most of the
vectors' length. Ranking sees all."""
BITS = 4
"""Of each direction's code: 128 bytes for 256 directions."""
TRAINED_ON = 32_768
"""Vectors from which directions and codewords are worked out."""
CODES_PER_CANDIDATE = 200
"""Codes that are looked at in the time in which one candidate is fetched and ranked; measured."""
FEW = 20
"""Where a filter leaves at most one in so many vectors, these are compared exactly."""
MORE = 4
"""Under a filter so many times more candidates are ranked, until that changes no answer: the nearest that are left may
be far, and as similar as many others."""


class IVFPQIndex(ApproximateIndex):
    """Codes in lists, and the vectors themselves to rank what they find; see `SearchIndex`.

    Parameters: nprobe, how many lists are looked into; candidates, how many of the codes found are ranked by vectors.

    Attributes:
        exact: the vectors, which lie in a file of their own.
    """

    kind = "ivf-pq"

    def __init__(self, index: faiss.IndexPreTransform, exact: FlatIndex, settings: Settings = START) -> None:
        super().__init__(index, settings)
        self.exact = exact
        self._codes = faiss.downcast_index(index.index)
        self._lists = int(self._codes.nlist)
        self._query_transform = query_transform(index)

    @classmethod
    def build(cls, vectors: Floats, widths: Sequence[int] = ()) -> IVFPQIndex:
        """An index over float32 (N, D) vectors.

        Args:
            widths: of their blocks, each of unit norm; one block where there is none.
        """
        lists = list_count(len(vectors))
        turn = _block_rotation(sample(vectors, TRAINED_ON), widths or vectors.shape[1:])
        centres = train_centres(turn.apply(sample(vectors, PER_CENTRE * lists)), lists)
        codes = faiss.IndexIVFPQFastScan(centres, turn.d_out, lists, turn.d_out, BITS, faiss.METRIC_INNER_PRODUCT)
        codes.by_residual = True  # what is left after the list's centre: half as much to round
        codes.pq.cp.niter, codes.pq.cp.max_points_per_centroid = 10, 128  # 16 codewords on a line are soon found
        codes.train(turn.apply(sample(vectors, TRAINED_ON)))
        index = faiss.IndexPreTransform(turn, codes)
        for part in slices(vectors):
            index.add(part)
        return cls(index, FlatIndex.build(vectors, "cpu"))

    def vector(self, position: int) -> Floats:
        """The vector at a position, float32 (D,)."""
        return self.exact.vector(position)

    def ladders(self) -> Sequence[Ladder]:
        """For each number of candidates, nprobe up to all lists."""
        return [
            Ladder(
                fixed={"candidates": candidates},
                swept="nprobe",
                most=self._lists,
                base_cost=CODES_PER_CANDIDATE * candidates,
                step_cost=len(self) / self._lists,
            )
            for candidates in CANDIDATES
        ]

    @classmethod
    def read(cls, path: Path, vectors: Path, settings: Settings) -> IVFPQIndex:
        """The index in a file, and its vectors in another one, which stay there.

        Raises:
            VersionError: one of them cannot be read, or is of another kind.
        """
        index = read_faiss(path, faiss.IndexPreTransform, "ivf-pq")
        return cls(index, FlatIndex.read(vectors, "cpu", mapped=True), settings)

    def _look(self, queries: Floats, k: int, parameters: Parameters) -> Found:
        candidates = _candidates(k, parameters)
        nprobe = max(parameters["nprobe"], least_nprobe(candidates, len(self), self._lists))
        return self._rank(queries, k, candidates, faiss.SearchParametersIVF(nprobe=nprobe))

    def _look_everywhere(self, queries: Floats, k: int, allowed: Mask | None) -> Found:
        if allowed is None or allowed.sum() * FEW <= len(self):
            exact = self.exact.search(queries, k, allowed)
            return exact.similarities, exact.positions

        def look(rows: Floats, parameters: Parameters) -> Found:
            return self._look_at_all_codes(rows, k, allowed, _candidates(k, parameters))

        return self._by_weight(queries, k, look)

    def _look_at_all_codes(self, queries: Floats, k: int, allowed: Mask, candidates: int) -> Found:
        chosen = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        all_lists = faiss.SearchParametersIVF(nprobe=self._lists, sel=chosen)
        similarities, positions = self._rank(queries, k, candidates, all_lists)
        rows = np.arange(len(queries))
        while len(rows) and candidates * MORE * FEW <= allowed.sum():
            candidates *= MORE
            before = similarities[rows]
            similarities[rows], positions[rows] = self._rank(queries[rows], k, candidates, all_lists)
            rows = rows[(similarities[rows] > before).any(axis=1)]
        if len(rows):
            exact = self.exact.search(queries[rows], k, allowed)
            similarities[rows], positions[rows] = exact.similarities, exact.positions
        return similarities, positions

    def _rank(self, queries: Floats, k: int, candidates: int, lists: faiss.SearchParametersIVF) -> Found:
        _, positions = self._codes.search(self._query_transform.apply(queries), candidates, params=lists)
        return rank(self.exact.master, queries, positions, k)


def _candidates(k: int, parameters: Parameters) -> int:
    return max(parameters["candidates"], 2 * max(k, TUNED_FOR))


def query_transform(index: faiss.IndexPreTransform) -> faiss.LinearTransform:
    """What a query passes before codes: the rotation of the vectors, its rows scaled the other way.

    By FAISS, not NumPy, whose threads would spin for a while on the cores that FAISS needs next.
    """
    rotation = faiss.downcast_VectorTransform(index.chain.at(0))
    rows = faiss.vector_to_array(rotation.A).reshape(rotation.d_out, rotation.d_in)
    return _linear(rows / (rows**2).sum(axis=1, keepdims=True))


def _linear(rows: Floats) -> faiss.LinearTransform:
    """The transform by a matrix, float32 (d, D)."""
    transform = faiss.LinearTransform(rows.shape[1], rows.shape[0], False)
    faiss.copy_array_to_vector(np.ascontiguousarray(rows, np.float32).ravel(), transform.A)
    transform.is_trained = True
    return transform


def rank(vectors: faiss.IndexFlat, queries: Floats, candidates: Ids, k: int) -> Found:
    """The k candidates of each query that are most similar by their vectors, the most similar first.

    Args:
        candidates: positions, int64 (Q, C), C at least k; -1 where there is none.
    """
    queries, similarities = np.ascontiguousarray(queries), np.empty(candidates.shape, np.float32)
    vectors.compute_distance_subset(
        len(queries), faiss.swig_ptr(queries), candidates.shape[1], faiss.swig_ptr(similarities),
        faiss.swig_ptr(candidates),
    )  # fmt: skip
    similarities[candidates < 0] = -np.inf
    best = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(similarities, best, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    return np.take_along_axis(similarities, best, axis=1), np.take_along_axis(candidates, best, axis=1)


def _block_rotation(vectors: Floats, widths: Sequence[int]) -> faiss.LinearTransform:
    """A rotation of each block to the directions that hold most of its length, scaled by its default weight's root.

    At that weight queries and vectors are then equally long in every direction, which lists and codes are made for; a
    query is rotated by rows scaled the other way, which leaves inner products as they are. Nothing is subtracted first,
    unlike in a PCA: that would change inner products by another amount for each vector. A block's directions are mixed
    at random, so that each holds as much as the others: FAISS rounds what codewords contribute to one scale for all, on
    which small directions would vanish.

    Args:
        vectors: float32 (n, D), to find the directions by.
        widths: of one block, or two.
    """
    random = np.random.default_rng(0)
    of_second = min(OF_SECOND, *widths[1:]) if len(widths) > 1 else 0
    weights = (1 - DEFAULT_COLOUR, DEFAULT_COLOUR) if len(widths) > 1 else (1.0,)
    rows, start = [], 0
    for width, weight, most in zip(widths, weights, (CODED_DIMENSIONS - of_second, of_second), strict=False):
        block = vectors[:, start : start + width]
        _, directions = np.linalg.eigh(block.T @ block)
        kept = directions[:, ::-1][:, :most].T
        mixed, _ = np.linalg.qr(random.normal(size=(len(kept), len(kept))))
        turned = np.zeros((len(kept), vectors.shape[1]), np.float32)
        turned[:, start : start + width] = np.sqrt(weight) * mixed @ kept
        rows.append(turned)
        start += width
    return _linear(np.concatenate(rows))
