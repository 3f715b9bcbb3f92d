"""What each photo's file was when it was last opened: a scan opens only files that are new or have changed since.

A file is the same as long as its size and the time of its last change are. A change soon before the scan may be
followed by another within the clock's resolution, of the same size; such a file is opened again at the next scan (as
git does with its index, "racy git").
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from catalog import arrow
from catalog.paths import text_to_path

RACY_NANOSECONDS = 2_000_000_000
"""Changes less than this before a scan are not trusted: the coarsest clock of a usual file system, FAT's."""
_COLUMNS = {
    "path": pa.string(),
    "bytes": pa.int64(),
    "modified": pa.int64(),
    "sha256": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
}


class FileStamp(NamedTuple):
    """What tells without opening it whether a file has changed. A tuple: there is one for each photo of a catalog.

    Attributes:
        bytes: its size.
        modified: the time of its last change, in nanoseconds since 1970.
    """

    bytes: int
    modified: int


class PhotoFacts(NamedTuple):
    """What opening a photo told. A tuple, likewise.

    Attributes:
        sha256: of the file's bytes, in hexadecimal.
        width, height: in pixels, upright.
    """

    sha256: str
    width: int
    height: int


KnownFiles = Mapping[str, tuple[FileStamp, PhotoFacts]]
"""By path as the manifest has it."""


def read_known_files(path: Path) -> KnownFiles:
    """What `write_known_files` left; nothing where that is missing or damaged: then every photo is opened again."""
    try:
        with pq.ParquetFile(path) as file:
            columns = file.read(list(_COLUMNS)).to_pydict()
    except (OSError, pa.ArrowException):
        return {}
    stamps = map(FileStamp, columns["bytes"], columns["modified"])
    facts = map(PhotoFacts, columns["sha256"], columns["width"], columns["height"])
    return dict(zip(columns["path"], zip(stamps, facts, strict=True), strict=True))


def write_known_files(path: Path, stamps: Mapping[str, FileStamp], facts: Mapping[str, PhotoFacts], begun: int) -> None:
    """Write what is known of photos' files.

    Args:
        stamps, facts: by path; the stamps as they were before the files were opened.
        begun: when the scan began, in nanoseconds since 1970; files changed soon before it, or after, are left out.
    """
    kept = [
        (name, stamps[name], told)
        for name, told in facts.items()
        if name in stamps and stamps[name].modified < begun - RACY_NANOSECONDS
    ]
    values: dict[str, list[Any]] = {
        "path": [name for name, _, _ in kept],
        "bytes": [stamp.bytes for _, stamp, _ in kept],
        "modified": [stamp.modified for _, stamp, _ in kept],
        "sha256": [told.sha256 for _, _, told in kept],
        "width": [told.width for _, _, told in kept],
        "height": [told.height for _, _, told in kept],
    }
    pq.write_table(arrow.columns(values, _COLUMNS), path)


def stamps_of(root: Path, paths: Iterable[str]) -> dict[str, FileStamp]:
    """The stamps of the files that are there, by path as the manifest has it."""
    stamps, folder = {}, os.fspath(root)
    for path in paths:
        with suppress(OSError, ValueError):
            found = os.stat(os.path.join(folder, text_to_path(path)))  # noqa: PTH116 - pathlib takes as long again
            stamps[path] = FileStamp(found.st_size, found.st_mtime_ns)
    return stamps
