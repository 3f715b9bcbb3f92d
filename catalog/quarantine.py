"""The quarantine: which files the last scan left out, and why, as a CSV table for people."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from catalog.csv_text import InertWriter, as_it_was


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One file that cannot be used.

    Attributes:
        path: relative to the catalog's root, as `path_to_text` writes it.
        code: the stable word of its `BadImage`.
        reason: one sentence.
    """

    path: str
    code: str
    reason: str


def write_quarantine(file: Path, rows: Iterable[LeftOut]) -> None:
    """Write the table path,code,reason (UTF-8, one row per file left out; only the header where there is none)."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        InertWriter(stream, ("path", "code", "reason")).write(map(asdict, rows))


def read_quarantine(file: Path) -> tuple[LeftOut, ...]:
    """Every row of the table, in its order; none where there is no such file yet."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return tuple(
                LeftOut(as_it_was(row["path"]), row["code"], as_it_was(row["reason"])) for row in csv.DictReader(stream)
            )
    except FileNotFoundError:
        return ()
