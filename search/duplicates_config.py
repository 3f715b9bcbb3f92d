"""Settings of `lookalike duplicates`. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from catalog.errors import UsageError
from catalog.paths import shown
from catalog.store import DEFAULT_STORE
from training.config import Device, require


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatesConfig:
    """Settings of one look for duplicates.

    Raises:
        UsageError: a value that cannot work, in one line.
    """

    store: Path = DEFAULT_STORE
    """The store whose version in use to look through."""
    output: str = ""
    """Where the groups go: a .csv file, or - for CSV on stdout; empty: the first ones are printed."""
    sheet: Path | None = None
    """A PNG file with pictures of the groups."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 5
    """Nearest other photos of each photo that are compared with it pixel by pixel."""
    least_similarity: float = 0.4
    """Photos less similar than this are not compared; lower finds more, and takes longer."""
    device: Device = "auto"
    """Where to search."""

    def __post_init__(self) -> None:
        require(1 <= self.k <= 1000, "-k must lie in 1 to 1000", self.k, "try 5")
        least = self.least_similarity
        require(-1 <= least <= 1, "--least-similarity must lie in -1 to 1", least, "try 0.4")
        if self.sheet is not None and self.sheet.suffix.lower() != ".png":
            raise UsageError(f'--sheet must end in .png; received "{shown(str(self.sheet))}": rename it')
