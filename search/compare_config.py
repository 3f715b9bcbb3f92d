"""Settings of the comparison of two versions. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from catalog.store import DEFAULT_STORE
from training.config import Device, require


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareConfig:
    """How much the answers have changed from an earlier version to the one in use."""

    store: Path = DEFAULT_STORE
    """The store whose versions to compare."""
    before: str = ""
    """Id of the earlier version; empty: the newest one before the version in use."""
    products: int = 1000
    """Most products to ask for, evenly taken from all that both versions have."""
    output: str = ""
    """Where a row for each of them goes: a .csv file, or - for stdout; empty: nowhere."""
    sheet: Path | None = None
    """A .png file for the largest changes, as pictures: a product's neighbours before and now."""
    device: Device = "auto"
    """Where to search."""

    def __post_init__(self) -> None:
        require(self.products >= 1, "--products must be at least 1", self.products, "try 1000")
