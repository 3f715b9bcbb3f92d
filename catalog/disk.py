"""Room on the disk, asked for before anything is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from catalog.errors import LookalikeError

USABLE = 0.95
"""Part of the free room that may be filled."""


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
        raise LookalikeError(f"{what} need {size / 1e9:.1f} GB in {folder}; {free / 1e9:.1f} GB are free: {remedy}")
