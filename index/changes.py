"""What is different between two states of a catalog, photo by photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.manifest import Manifest
from index.vectors import Ids

_BY_FILE = ("image_id", "path", "sha256", "width", "height")
"""Columns that follow from the file; the others are a product's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogChanges:
    """Numbers of photos, matched by image_id: a photo keeps its number when its file is renamed or moved."""

    added: int = 0
    changed: int = 0
    """Other bytes under the same name."""
    deleted: int = 0
    renamed: int = 0
    """The same bytes under another name, or in another folder."""
    edited: int = 0
    """Another product, or other values in the table's columns."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.deleted or self.renamed or self.edited)

    def __str__(self) -> str:
        parts = [f"+{self.added}", f"~{self.changed}", f"-{self.deleted}"]
        parts += [f"renamed {self.renamed}"] if self.renamed else []
        parts += [f"edited {self.edited}"] if self.edited else []
        return ", ".join(parts)


def changes_between(before: Manifest, after: Manifest) -> CatalogChanges:
    """What led from one manifest to another."""
    _, old, new = np.intersect1d(before.image_ids, after.image_ids, assume_unique=True, return_indices=True)
    changed = _differs(before, after, "sha256", old, new)
    edited = np.zeros(len(old), bool)
    names = {*before.table.column_names, *after.table.column_names} - set(_BY_FILE)
    for name in names:
        edited |= _differs(before, after, name, old, new)
    return CatalogChanges(
        added=len(after) - len(new),
        changed=int(changed.sum()),
        deleted=len(before) - len(old),
        renamed=int(_differs(before, after, "path", old, new).sum()),
        edited=int(edited.sum()),
    )


def _differs(before: Manifest, after: Manifest, name: str, old: Ids, new: Ids) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether a column's values are different, photo by photo; all are where only one manifest has the column."""
    if (name in before.table.column_names) != (name in after.table.column_names):
        return np.ones(len(old), bool)
    one, other = (table[name].take(rows).combine_chunks() for table, rows in ((before.table, old), (after.table, new)))
    if one.equals(other):
        return np.zeros(len(old), bool)
    pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
    return np.array([not (a == b or (a != a and b != b)) for a, b in pairs], bool)  # NaN is what it was
