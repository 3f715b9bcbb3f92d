"""FAISS's files: written through our own writer, read with one line where they are damaged or of another kind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import faiss

from catalog.errors import VersionError
from index.faiss_parts import ALLOWED, fault_of

_NO_OTHER_FILE = faiss.IO_FLAG_READ_ONLY | faiss.IO_FLAG_ONDISK_SAME_DIR
"""A file may say that its lists lie in another one, with any path: it is looked for beside the index alone."""
_WORKED_OUT = 2**28
"""Bytes that FAISS may take for a part beyond the file's size: of ivf-pq it works a table out."""
_READING = threading.Lock()
"""FAISS keeps one bound on what it reads for the whole process."""


def write_faiss(index: faiss.Index, write: Callable[[bytes], int]) -> None:
    """Pass an index's file on, piece by piece; `write` must take every piece whole and return its length.

    Raises:
        OSError: as `write` raises it (FAISS's own writer can lose the end of a file on a full disk).
    """
    faiss.write_index(index, faiss.PyCallbackIOWriter(write))


def read_faiss(path: Path, kind: type[faiss.Index], name: str, *, mapped: bool = False) -> faiss.Index:
    """The inner-product index in a file, which is not trusted: it may be of any content.

    Args:
        kind: what it must be, one of `index.faiss_parts.ALLOWED`.
        name: what to call that in an error.
        mapped: leave the vectors in the file, which is then read as they are needed (pages that the system can drop).

    Raises:
        VersionError: it cannot be read, is of another kind, or is made of or holds what it must not.
    """
    file, remedy = f"{path.name} of {path.parent.name}", 'run "lookalike rollback"'
    flags = _NO_OTHER_FILE | (faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    try:
        with path.open("rb") as stream:
            begins = stream.read(4)
        if begins != ALLOWED[kind].beginning:
            raise VersionError(f"{file} must be an {name} inner-product index; it begins with {begins!r}: {remedy}")
        with _READING:
            faiss.set_deserialization_vector_byte_limit(path.stat().st_size + _WORKED_OUT)
            faiss.set_deserialization_loop_limit(path.stat().st_size)  # of lists there is a length each
            index = faiss.read_index(str(path), flags)
    except (OSError, RuntimeError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise VersionError(f"{file} cannot be read ({reason}): {remedy}") from None
    if not isinstance(index, kind) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise VersionError(f"{file} must be an {name} inner-product index, not {type(index).__name__}: {remedy}")
    fault = fault_of(index, kind)
    if fault:
        raise VersionError(f"{file} is no {name} index that may be searched: {fault}: {remedy}")
    return index
