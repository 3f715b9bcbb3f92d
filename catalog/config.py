"""Settings of a scan. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from catalog.errors import UsageError
from catalog.store import DEFAULT_STORE


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanConfig:
    """What to scan, and into which store."""

    catalog: Annotated[Path, tyro.conf.Positional]
    """A folder of photos, or a .csv or .parquet table with a "path" column."""
    store: Path = DEFAULT_STORE
    """The folder that holds everything lookalike knows about this catalog."""
    root: Path | None = None
    """The folder that a table's paths are relative to; by default the folder that the table lies in."""
    workers: int = 0
    """Threads that decode; 0: one per core."""
    moved: bool = False
    """The photos were moved here from the folder that the store knows: keep the store."""
    reopen: bool = False
    """Open every photo, also those whose size and time of change are as they were at the last scan."""
    accept_unreadable: bool = False
    """Take photos out of the catalog whose folder may not be looked into any more; otherwise the scan is refused."""

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise UsageError(f"--workers must be at least 0; it is {self.workers}: give 0 for one per core")
