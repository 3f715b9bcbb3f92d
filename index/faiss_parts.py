"""What an index from a file may be made of and hold. FAISS can read many types that nothing here needs, and searching
believes whatever numbers it was given: an id beyond the last vector is a wrong answer or the end of the process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import faiss
import numpy as np

from index.vectors import Floats, Ids

SLICE = 2**22
"""Numbers that are looked at together: views of them take no memory, what is worked out of them does."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a kind's file must be.

    Attributes:
        beginning: its first four bytes, by which FAISS chooses what to read; looked at before FAISS is.
        parts: the types that it is made of, from the outside to the inside.
    """

    beginning: bytes
    parts: tuple[type, ...]


ALLOWED = {
    faiss.IndexFlat: Allowed(b"IxFI", (faiss.IndexFlatIP,)),
    faiss.IndexIVFFlat: Allowed(b"IwFl", (faiss.IndexIVFFlat, faiss.ArrayInvertedLists, faiss.IndexFlatIP)),
    faiss.IndexHNSWFlat: Allowed(b"IHNf", (faiss.IndexHNSWFlat, faiss.IndexFlatIP)),
    faiss.IndexPreTransform: Allowed(
        b"IxPT",
        (
            faiss.IndexPreTransform,
            faiss.LinearTransform,
            faiss.IndexIVFPQFastScan,
            faiss.BlockInvertedLists,
            faiss.IndexFlatIP,
        ),
    ),
}
"""By the class that each kind of `index.kinds` reads."""


def fault_of(index: faiss.Index, kind: type[faiss.Index]) -> str:
    """What is wrong with an index that was read from a file; empty where nothing is.

    Args:
        kind: of `ALLOWED`.
    """
    parts = list(_parts(index))
    if tuple(type(part) for part in parts) != ALLOWED[kind].parts:
        return "it is made of " + ", ".join(type(part).__name__ for part in parts)
    for part in parts:
        if not getattr(part, "is_trained", True):
            return "it says that it is not trained"
        if isinstance(part, faiss.InvertedLists):
            if not all(np.all((ids >= 0) & (ids < index.ntotal)) for ids in _ids(part)):
                return "it names vectors that it does not have"
            if part.compute_ntotal() != index.ntotal:
                return f"it must hold {index.ntotal} vectors, and its lists hold {part.compute_ntotal()}"
        elif isinstance(part, faiss.Index) and part is not parts[-1] and part.ntotal != index.ntotal:
            return f"it must hold {index.ntotal} vectors, and a part of it holds {part.ntotal}"
        for numbers in _numbers(part):
            if not all(np.isfinite(numbers[at : at + SLICE]).all() for at in range(0, len(numbers), SLICE)):
                return "it holds numbers that are none (NaN or infinite)"
    return ""


def _parts(index: faiss.Index) -> Iterator[faiss.Index | faiss.VectorTransform | faiss.InvertedLists]:
    """An index and what it is made of, each as its own type."""
    yield index
    if isinstance(index, faiss.IndexPreTransform):
        yield from (faiss.downcast_VectorTransform(index.chain.at(place)) for place in range(index.chain.size()))
        yield from _parts(faiss.downcast_index(index.index))
    elif isinstance(index, faiss.IndexIVF):
        yield faiss.downcast_InvertedLists(index.invlists)
        yield from _parts(faiss.downcast_index(index.quantizer))
    elif isinstance(index, faiss.IndexHNSW):
        yield from _parts(faiss.downcast_index(index.storage))


def _ids(lists: faiss.InvertedLists) -> Iterator[Ids]:
    """Of each list, as a view."""
    sizes = ((number, lists.list_size(number)) for number in range(lists.nlist))
    return (faiss.rev_swig_ptr(lists.get_ids(number), size) for number, size in sizes if size)


def _numbers(part: object) -> Iterator[Floats]:
    """The float32 numbers that a part holds, where there are any."""
    if isinstance(part, faiss.IndexFlat):
        yield faiss.rev_swig_ptr(part.get_xb(), part.ntotal * part.d)
    elif isinstance(part, faiss.ArrayInvertedLists):
        sizes = ((number, part.list_size(number) * part.code_size) for number in range(part.nlist))
        yield from (faiss.rev_swig_ptr(part.get_codes(number), size).view(np.float32) for number, size in sizes if size)
    elif isinstance(part, faiss.LinearTransform):
        yield faiss.vector_to_array(part.A)
    elif isinstance(part, faiss.IndexIVFPQFastScan):
        yield faiss.vector_to_array(part.pq.centroids)
