"""Room on the disk, asked for before anything is written, and what to say when the disk refuses."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from catalog.errors import LookalikeError

USABLE = 0.95
"""Part of the free room that may be filled."""
FULL, BROKEN = ("the disk is full", "free some space"), ("the disk fails", "see to the disk")
CLOSED = ("the file system does not allow it", "change who may read and write there")
FAULTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), FULL),
    errno.EIO: BROKEN,
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), CLOSED),
}
"""No space, no quota, a larger file than is allowed; a disk that cannot read or write; no permission, or a read-only
file system. What to say, and what to do."""


def remedy_for(error: OSError) -> str:
    """What to do about a file that could not be read or written."""
    return FAULTS.get(error.errno or 0, FULL)[1]


def place_of(error: OSError) -> str:
    """Where it happened, by the file that the error names, for people: of a temporary file its folder."""
    path = Path(str(error.filename))
    return str(path.parent if path.name.startswith(".") and path.suffix == ".tmp" else path)


def require_room(folder: Path, size: int, what: str, remedy: str) -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        folder: where it will be written.
        size: in bytes.
        what: will be written, plural, for the message.

    Raises:
        LookalikeError: naming what is needed and what is free.
    """
    free = shutil.disk_usage(folder).free
    if size > free * USABLE:
        raise LookalikeError(f"{what} need {_size(size)} in {folder}; {_size(free)} are free: {remedy}")


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
