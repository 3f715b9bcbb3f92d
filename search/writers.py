"""Where a batch search's answers go: CSV, JSON lines, Parquet, or a table for people. One row per match."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from catalog import atomic
from catalog.csv_text import InertWriter
from catalog.errors import UsageError
from catalog.manifest import Manifest
from catalog.paths import shown
from search.results import SearchResult

Row = dict[str, Any]

ANSWER_COLUMNS: dict[str, pa.DataType] = {
    "query": pa.string(),
    "rank": pa.int32(),
    "item_id": pa.string(),
    "path": pa.string(),
    "similarity": pa.float32(),
    "verdict": pa.string(),
}
"""What every row begins with; the catalog's own columns follow."""

PARQUET_ROWS = 10_000
"""Rows in memory before a Parquet file gets another row group."""


class AnswerWriter(Protocol):
    """Takes answers one by one."""

    def write(self, answer: SearchResult) -> None:
        """Add the rows of one answer."""


@contextmanager
def open_writer(output: str, items: Manifest) -> Iterator[AnswerWriter]:
    """A writer for `--output`; a file appears, or is replaced, only when everything was written.

    Args:
        output: a file's name, "-" for CSV on stdout, "" for a table on stdout.
        items: of the version that answers: its user columns are added to every row.

    Raises:
        UsageError: the file's ending is none of .csv, .jsonl, .parquet, or its folder does not exist.
    """
    if output in ("", "-"):
        yield CSVWriter(sys.stdout, items) if output else TableWriter(sys.stdout)
        return
    path = Path(output)
    if path.suffix not in (".csv", ".jsonl", ".parquet"):
        raise UsageError(f'--output must end in .csv, .jsonl or .parquet, or be -; received "{output}": rename it')
    if not path.parent.is_dir():
        raise UsageError(f'--output must lie in a folder that exists; received "{output}": make the folder first')
    with atomic.replacing(path) as temporary:
        if path.suffix == ".parquet":
            with ParquetWriter(temporary, items) as writer:
                yield writer
        else:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                yield CSVWriter(file, items) if path.suffix == ".csv" else JSONLinesWriter(file, items)


def _rows(answer: SearchResult, columns: list[str]) -> Iterator[Row]:
    """One row per match, the user's columns last; a user's column of an answer column's name gets a prefix."""
    for match in answer.matches:
        yield {
            "query": answer.query,
            "rank": match.rank,
            "item_id": match.item.item_id,
            "path": match.item.path,
            "similarity": round(match.similarity, 6),
            "verdict": match.verdict,
            **{_column_name(name): match.item.columns[name] for name in columns},
        }


def _column_name(name: str) -> str:
    return f"catalog_{name}" if name in ANSWER_COLUMNS else name


class CSVWriter:
    """Comma-separated values with a header, which no spreadsheet runs as formulas."""

    def __init__(self, file: TextIO, items: Manifest) -> None:
        self._columns = items.user_columns
        names = [*ANSWER_COLUMNS, *(_column_name(name) for name in self._columns)]
        self._writer = InertWriter(file, names)

    def write(self, answer: SearchResult) -> None:
        """Add the rows of one answer."""
        self._writer.write(_rows(answer, self._columns))


class JSONLinesWriter:
    """One JSON object per line."""

    def __init__(self, file: TextIO, items: Manifest) -> None:
        self._file, self._columns = file, items.user_columns

    def write(self, answer: SearchResult) -> None:
        """Add the rows of one answer."""
        for row in _rows(answer, self._columns):
            self._file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


class ParquetWriter:
    """A Parquet file with the catalog's own column types, written in row groups."""

    def __init__(self, path: Path, items: Manifest) -> None:
        self._columns = items.user_columns
        own = [pa.field(_column_name(name), items.table.schema.field(name).type) for name in self._columns]
        self._schema = pa.schema([pa.field(name, kind) for name, kind in ANSWER_COLUMNS.items()] + own)
        self._writer = pq.ParquetWriter(path, self._schema)
        self._waiting: list[Row] = []

    def __enter__(self) -> ParquetWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._flush()
        self._writer.close()

    def write(self, answer: SearchResult) -> None:
        """Add the rows of one answer."""
        self._waiting.extend(_rows(answer, self._columns))
        if len(self._waiting) >= PARQUET_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
        self._waiting.clear()


class TableWriter:
    """A few aligned columns for a terminal."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, answer: SearchResult) -> None:
        """Print one answer."""
        self._file.write(f"{shown(answer.query)}{os.linesep}")
        if not answer.matches:
            self._file.write("       nothing: no product is close enough, or none meets the condition\n")
        for match in answer.matches:
            item = match.item
            told = "  ".join(map(shown, dict.fromkeys((item.item_id, item.path, item.title))))
            self._file.write(f"{match.rank:5d}  {match.similarity:.3f}  {match.verdict or '':14}  {told}\n")
