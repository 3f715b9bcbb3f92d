"""Read a catalog that is a table: a CSV or Parquet file with a `path` column and whatever else the user keeps."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from catalog.errors import UsageError
from catalog.manifest import OWN_COLUMNS
from catalog.memory_bound import bounded_memory
from catalog.paths import shown

TABLE_EXTENSIONS = (".csv", ".parquet")
"""The kinds of table that can be read."""

_DELIMITERS = (",", ";", "\t")
_MOST_ROWS, _MOST_ROWS_PER_BYTE = 100_000, 16
_MOST_BYTES, _MOST_BYTES_PER_BYTE = 500_000_000, 64
"""What a Parquet file may unpack to, and what more for each of its own bytes: catalogs, whose every row names a file,
stay far below it. Repetitions are packed so well that a kilobyte can hold more than any memory."""


def read_table(file: Path) -> pa.Table:
    """The rows of a catalog's table.

    A CSV is UTF-8 with a header, separated by commas, semicolons or tabs; the types of its columns are inferred,
    except that `path` and `item_id` are text ("00123" stays), as is every column of numbers with leading zeros.
    A column without a name (a row number that a program left there) is dropped.

    Returns:
        A table whose `path` and, where there is one, `item_id` are of type string, with nulls for missing cells.

    Raises:
        UsageError: not readable, no `path` column, a column name that lookalike needs itself, or one twice.
    """
    is_csv = file.suffix.lower() == ".csv"
    try:
        table = _read_csv(file) if is_csv else _read_parquet(file)
        _check_columns(file, table.column_names)
        if is_csv:
            table = _keep_leading_zeros(file, table)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        remedy = "save it as CSV in UTF-8, with one header line" if is_csv else "write it anew"
        raise UsageError(f"the table {file} cannot be read ({shown(first_line)}): {remedy}") from None
    for name in ("path", "item_id"):
        if name in table.column_names:
            position = table.column_names.index(name)
            table = table.set_column(position, name, _as_text(file, name, table.column(name)))
    return table


def _read_csv(file: Path) -> pa.Table:
    """A CSV with inferred types, without unnamed columns."""
    convert = pa_csv.ConvertOptions(column_types={"path": pa.string(), "item_id": pa.string()})
    table = pa_csv.read_csv(file, parse_options=_parse_options(file), convert_options=convert)
    for field in table.schema:
        if pa.types.is_binary(field.type):
            raise pa.ArrowInvalid(f'the column "{field.name}" is not UTF-8')
    return table.select([position for position, name in enumerate(table.column_names) if name])


def _read_parquet(file: Path) -> pa.Table:
    """A Parquet file that unpacks to no more than a catalog can."""
    size, usual = file.stat().st_size, pa.default_memory_pool()
    too_much = UsageError(
        f"the table {file} unpacks to far more than {size:,} bytes can say of photos: write it anew, one row per photo"
    )
    if pq.read_metadata(file).num_rows > _MOST_ROWS + _MOST_ROWS_PER_BYTE * size:
        raise too_much
    pa.set_memory_pool(pa.system_memory_pool())  # the usual one, and threads, hold address space in reserve
    try:
        with bounded_memory(_MOST_BYTES + _MOST_BYTES_PER_BYTE * size):
            return pq.read_table(file, use_threads=False, pre_buffer=False)
    except MemoryError:
        raise too_much from None
    finally:
        pa.set_memory_pool(usual)


def _parse_options(file: Path) -> pa_csv.ParseOptions:
    """How the CSV is laid out: the delimiter is the one that its header has most of."""
    with file.open("rb") as stream:
        header = stream.readline(1_000_000).decode("utf-8-sig", errors="replace")
    return pa_csv.ParseOptions(delimiter=max(_DELIMITERS, key=header.count), newlines_in_values=True)


def _keep_leading_zeros(file: Path, table: pa.Table) -> pa.Table:
    """The table with columns such as 00123 as the text that they are, not as numbers."""
    numbers = [
        field.name for field in table.schema if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    ]
    if not numbers:
        return table
    convert = pa_csv.ConvertOptions(column_types={name: pa.string() for name in numbers}, include_columns=numbers)
    as_written = pa_csv.read_csv(file, parse_options=_parse_options(file), convert_options=convert)
    for name in numbers:
        if pc.any(pc.match_substring_regex(as_written[name], r"^[+-]?0[0-9]")).as_py():
            table = table.set_column(table.column_names.index(name), name, as_written[name])
    return table


def _check_columns(file: Path, names: list[str]) -> None:
    """Refuse a table that has no paths, or columns whose meaning would be unclear."""
    if "path" not in names:
        there_are = ", ".join(shown(name) for name in names) or "none"
        raise UsageError(
            f'a table must have the column "path"; {file} has: {there_are}: rename the one with the photos'
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f'the columns of a table must differ; {file} has "{shown(twice[0])}" twice: rename one')
    taken = [name for name in names if name in OWN_COLUMNS and name not in ("path", "item_id")]
    if taken:
        raise UsageError(f'the column "{taken[0]}" is filled by lookalike itself; {file} has one: rename or drop it')


def _as_text(file: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as strings; whole numbers that were stored as floating point (pandas does so) without ".0"."""
    try:
        if pa.types.is_floating(column.type) and not pc.any(pc.not_equal(pc.floor(column), column)).as_py():
            column = column.cast(pa.int64())
        return column.cast(pa.string())
    except pa.ArrowException:
        raise UsageError(f'the column "{name}" must be text; in {file} it is {column.type}: write it as text') from None
