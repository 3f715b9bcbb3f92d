"""Settings of the batch search. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from catalog.errors import UsageError
from catalog.store import DEFAULT_STORE
from training.config import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """Settings of one batch search."""

    queries: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Photos, or folders of photos (any depth)."""
    store: Path = DEFAULT_STORE
    """The store to search."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 10
    """Products per query."""
    where: str = ""
    """A condition on the table's columns that answers must meet, such as 'price < 20 and category == "mug"'."""
    output: str = ""
    """Where the answers go: a .csv, .jsonl or .parquet file, or - for CSV on stdout; empty: a table to look at."""
    device: Device = "auto"
    """Where to search."""

    def __post_init__(self) -> None:
        if not self.queries:
            raise UsageError("search needs a query: give a photo, several, or a folder of photos")
