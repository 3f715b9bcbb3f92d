"""Cells of CSV files. A spreadsheet runs a text that begins with = + - @ as a formula, unless an apostrophe is first.

Titles come from suppliers and names of queries from customers, so every CSV that lookalike writes goes through `inert`,
and what lookalike reads back of its own through `as_it_was`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""Some spreadsheets take the wide signs of East Asian fonts for the usual ones, or pass over a tab or a line's end."""


def inert(value: Any) -> Any:
    """A value as a cell that no spreadsheet runs: a text that could be a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def as_it_was(cell: str) -> str:
    """The text that `inert` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


class InertWriter:
    """Rows of a CSV file, the header first, all of them inert."""

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._columns = columns
        self._writer = csv.writer(_LineFeeds(file), lineterminator="\r\n")  # it quotes what its line's end holds only
        self._writer.writerow(map(inert, columns))

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows, each with a value for every column."""
        self._writer.writerows([inert(row[name]) for name in self._columns] for row in rows)


class _LineFeeds:
    """Ends each row, which comes whole, by a line feed alone."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")
