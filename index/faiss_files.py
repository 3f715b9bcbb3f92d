"""FAISS's files: written through our own writer, read with one line where they are damaged or of another kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import faiss

from catalog.errors import VersionError


def write_faiss(index: faiss.Index, write: Callable[[bytes], int]) -> None:
    """Pass an index's file on, piece by piece; `write` must take every piece whole and return its length.

    Raises:
        OSError: as `write` raises it (FAISS's own writer can lose the end of a file on a full disk).
    """
    faiss.write_index(index, faiss.PyCallbackIOWriter(write))


def read_faiss(path: Path, kind: type[faiss.Index], name: str, *, mapped: bool = False) -> faiss.Index:
    """The inner-product index in a file.

    Args:
        kind: what it must be, as FAISS's class.
        name: what to call that in an error.
        mapped: leave the vectors in the file, which is then read as they are needed (pages that the system can drop).

    Raises:
        VersionError: it cannot be read, or is of another kind.
    """
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise VersionError(
            f'{path.name} of {path.parent.name} cannot be read ({reason}): run "lookalike rollback"'
        ) from None
    if not isinstance(index, kind) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise VersionError(
            f"{path.name} of {path.parent.name} must be an {name} inner-product index, not {type(index).__name__}"
        )
    return index
