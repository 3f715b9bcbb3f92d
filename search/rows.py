"""Rows of a CSV file, written whole or not at all: what `duplicates` and `tag` give out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from catalog import atomic
from catalog.csv_text import InertWriter
from catalog.errors import UsageError
from catalog.paths import shown


def check_output(output: str, ending: str = ".csv", option: str = "--output") -> None:
    """Refuse a file that could not be written, before any work is done. "" and "-" are always well.

    Raises:
        UsageError: another ending, or a folder that does not exist.
    """
    if output in ("", "-"):
        return
    path = Path(output)
    if path.suffix.lower() != ending:
        raise UsageError(f'{option} must end in {ending}; received "{shown(output)}": rename it')
    if not path.parent.is_dir():
        raise UsageError(
            f'{option} must lie in a folder that exists; received "{shown(output)}": make the folder first'
        )


def write_rows(output: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV with a header.

    Args:
        output: a file's name, "-" for stdout, "" for nowhere.
    """
    if output == "":
        return
    if output == "-":
        _write(sys.stdout, columns, rows)
        return
    with atomic.replacing(Path(output)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        _write(file, columns, rows)


def _write(file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    InertWriter(file, columns).write(rows)
