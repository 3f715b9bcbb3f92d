"""The photos of a run: their decoded pixels, true shapes and labels, from a store's manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from catalog.errors import TrainingError, UsageError
from catalog.manifest import CatalogPhoto, Manifest
from catalog.store import Store
from training.pixels import Pixels, fill_pixels
from training.say import Say


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPhotos:
    """The distinct photos of a run, N of them."""

    pixels: Pixels
    aspects: npt.NDArray[np.float64]
    """Width / height of each photo, (N,)."""
    fingerprint: str
    """Of the manifest they come from."""
    rows: npt.NDArray[np.int64]
    """Row of each in the manifest, (N,)."""

    located: tuple[CatalogPhoto, ...]
    """Where each lies, N of them."""

    def __len__(self) -> int:
        return len(self.pixels)


def training_photos(store: Store, manifest: Manifest, side: int, say: Say) -> TrainingPhotos:
    """Decode what is not decoded yet; photos that vanished since the scan are counted and left out.

    Args:
        side: of the decoded squares, in pixels.

    Raises:
        TrainingError: fewer than 2 photos can be used.
        LookalikeError: the disk has too little room for the decoded pixels.
    """
    rows = manifest.first_rows
    if len(rows) < 2:
        raise TrainingError(
            f"training needs at least 2 different photos; the catalog has {len(rows)}: add photos and scan again, "
            'or search with the untrained encoder: "lookalike index --encoder imagenet"'
        )
    root = Path(store.read_catalog()["root"])
    columns = manifest.table.select(["width", "height"]).take(rows).to_pydict()
    located = manifest.distinct_photos(root)
    pixels = fill_pixels(store.pixels_dir, located, side, say)
    lost = len(rows) - len(pixels)
    if len(pixels) < 2:
        raise TrainingError(
            f'{lost} of {len(rows)} photos are gone or unreadable since the scan: run "lookalike scan" again'
        )
    if lost:
        say(
            f'{lost} of {len(rows)} photos are gone or unreadable since the scan and are left out: run "lookalike scan"'
        )
    aspects = (np.array(columns["width"]) / np.array(columns["height"]))[pixels.kept]
    return TrainingPhotos(
        pixels=pixels,
        aspects=aspects,
        fingerprint=manifest.fingerprint,
        rows=np.array(rows, np.int64)[pixels.kept],
        located=tuple(located[place] for place in pixels.kept),
    )


def column_values(manifest: Manifest, photos: TrainingPhotos, column: str, option: str) -> list[Any]:
    """A column's value for each photo of a run; "folder" is the folder a photo lies in, where no column is called so.

    Args:
        option: of the command, for the message.

    Raises:
        UsageError: the catalog has no such column; the message names those it has.
    """
    return labels_of(manifest, column, option, photos.rows.tolist())


def labels_of(manifest: Manifest, column: str, option: str, rows: list[int]) -> list[Any]:
    """A column's values at some rows of a manifest, None where a cell says nothing; see `column_values`."""
    if column in manifest.table.column_names:
        return [None if is_missing(value) else value for value in manifest.table[column].take(rows).to_pylist()]
    if column == "folder":
        return [path.rpartition("/")[0] for path in manifest.table["path"].take(rows).to_pylist()]
    there = ", ".join(["folder", "item_id", *manifest.user_columns])
    raise UsageError(f'{option} must name a column of the catalog; received "{column}"; there are: {there}')


def is_missing(value: Any) -> bool:
    """Null; NaN, which alone differs from itself; or an empty cell, which is "" in a CSV's column of text."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())
