"""Settings of `lookalike tag`. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from catalog.store import DEFAULT_STORE
from index.colour_weights import ColourChoice, colour_weight
from training.config import Device, require


@dataclass(frozen=True, slots=True, kw_only=True)
class TagConfig:
    """Settings of proposing a column's missing values.

    Raises:
        UsageError: a value that cannot work, in one line.
    """

    column: str
    """The column of your table whose empty cells to fill."""
    store: Path = DEFAULT_STORE
    """The store whose version in use to look through."""
    output: str = ""
    """Where the proposals go: a .csv file, or - for CSV on stdout; empty: the first ones are printed."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 10
    """Most similar products that vote."""
    colour: ColourChoice = "same-design"
    """How much colours count: 0 … 1, or same-design (not at all) or same-colour (most), as for a column of colours."""
    device: Device = "auto"
    """Where to search."""

    def __post_init__(self) -> None:
        require(1 <= self.k <= 1000, "-k must lie in 1 to 1000", self.k, "try 10")
        colour_weight(self.colour)
