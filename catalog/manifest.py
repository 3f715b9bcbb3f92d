"""The manifest: one row per usable photo, with the user's own columns, and the types that carry it."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog import arrow, atomic
from catalog.errors import StoreError

OWN_COLUMNS: dict[str, pa.DataType] = {
    "image_id": pa.int64(),
    "item_id": pa.string(),
    "path": pa.string(),
    "sha256": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
}
"""The columns that lookalike fills; every other column is the user's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogItem:
    """One photo of one product.

    Attributes:
        image_id: given once, never reused, kept when the file is renamed.
        item_id: the product; the photo's own path where no table names products.
        path: relative to the catalog's root, percent-encoded where it is not UTF-8.
        sha256: of the file's bytes, in hexadecimal.
        width, height: pixels, upright (after the EXIF orientation).
        columns: the user's own columns (title, category, price, …).
    """

    image_id: int
    item_id: str
    path: str
    sha256: str
    width: int
    height: int
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What to call the product: its title column, else its id."""
        return str(self.columns.get("title") or self.item_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogPhoto:
    """A photo to open: where it lies in the catalog and the SHA-256 its bytes had when it was scanned."""

    root: Path
    path: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All usable photos of a catalog, as a table of N rows in order of image_id.

    Attributes:
        table: the columns of OWN_COLUMNS with those types, then the user's own.

    Raises:
        StoreError: a column is missing, or image_ids are not ascending and unique.
    """

    table: pa.Table

    def __post_init__(self) -> None:
        for name, kind in OWN_COLUMNS.items():
            if name not in self.table.column_names or self.table.schema.field(name).type != kind:
                raise StoreError(f'a manifest needs the column "{name}" of type {kind}: run "lookalike scan" again')
        ids = self.image_ids
        if (ids[1:] <= ids[:-1]).any():
            raise StoreError('image_ids of a manifest must ascend without repeats: run "lookalike scan" again')

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def image_ids(self) -> npt.NDArray[np.int64]:
        """The image_id of every row, int64 (N,)."""
        ids: npt.NDArray[np.int64] = np.from_dlpack(self.table["image_id"].combine_chunks()).astype(np.int64)
        return ids  # pyarrow's own to_numpy would import pandas

    @property
    def user_columns(self) -> list[str]:
        """Names of the user's own columns, in the table's order."""
        return [name for name in self.table.column_names if name not in OWN_COLUMNS]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over which photo (id, content) belongs to which product: what an index depends on."""
        digest = hashlib.sha256()
        for name in ("image_id", "item_id", "path", "sha256"):
            for value in self.table[name].to_pylist():
                digest.update(f"{value}\0".encode())
        return digest.hexdigest()

    @cached_property
    def first_rows(self) -> list[int]:
        """Rows of the first photo of each distinct content: what is trained on and embedded, once each."""
        seen: set[str] = set()
        rows = []
        for row, sha256 in enumerate(self.table["sha256"].to_pylist()):
            if sha256 not in seen:
                seen.add(sha256)
                rows.append(row)
        return rows

    def distinct_photos(self, root: Path, known: Container[str] = ()) -> list[CatalogPhoto]:
        """The first photo of each distinct content, in the order of `first_rows`.

        Args:
            root: of the catalog.
            known: SHA-256s of contents that are left out.
        """
        columns = self.table.select(["path", "sha256"]).take(arrow.numbers(self.first_rows, pa.int64())).to_pydict()
        return [
            CatalogPhoto(root=root, path=path, sha256=sha256)
            for path, sha256 in zip(columns["path"], columns["sha256"], strict=True)
            if sha256 not in known
        ]

    @cached_property
    def product_count(self) -> int:
        """How many different products there are."""
        return int(pc.count_distinct(self.table["item_id"]).as_py())

    @cached_property
    def _columns(self) -> list[tuple[str, pa.ChunkedArray]]:
        return list(zip(self.table.column_names, self.table.columns, strict=True))

    def item(self, row: int) -> CatalogItem:
        """The photo at a row (0 … N-1)."""
        values = {
            name: column[row].as_py() for name, column in self._columns
        }  # 3 times as quick as a slice's to_pylist
        own = {name: values.pop(name) for name in OWN_COLUMNS}
        return CatalogItem(**own, columns=values)

    def items(self) -> Iterator[CatalogItem]:
        """Every photo, in order of image_id."""
        return (self.item(row) for row in range(len(self)))

    def write(self, path: Path) -> None:
        """Replace the Parquet file at `path`, atomically."""
        with atomic.replacing(path) as temporary:
            pq.write_table(self.table, temporary)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """The manifest in a Parquet file.

        Raises:
            StoreError: missing or unreadable.
        """
        try:
            with pq.ParquetFile(path) as file:  # pq.read_table would import pandas
                return cls(file.read())
        except FileNotFoundError:
            raise StoreError(f'there is no {path.name} in {path.parent}: run "lookalike scan CATALOG"') from None
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f'{path} cannot be read ({error}): run "lookalike scan" again') from None
