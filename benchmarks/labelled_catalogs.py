"""The labelled data sets of benchmarks/gate_trust.py: a catalog to search, photos to ask with, and what is right."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.config import ScanConfig
from catalog.files import find_photos
from catalog.sample.catalog import SampleConfig, draw_sample
from catalog.scan import scan
from catalog.store import Store

SAMPLE_PRODUCTS = 432
"""As many as `lookalike demo` draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A catalog to search and photos to ask with, each in a store of its own."""

    name: str
    gallery: Store
    queries: Store
    key: str
    """The column whose equal values make an answer right."""
    measure: str
    """The labelled measure that says which of two checkpoints is better."""


def clothing(folder: Path, photos: int) -> DataSet:
    """Photos of clothes in ten categories. mAP@R judges, which looks at all photos of the category."""
    source = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "clothing" / "images"
    stores = {}
    for part in ("train", "val"):
        root, store = source / part, folder / "clothing" / part
        paths = find_photos(root).paths
        kept = np.linspace(0, len(paths) - 1, min(photos, len(paths))).astype(int)  # of each category its part
        store.parent.mkdir(parents=True, exist_ok=True)
        table = store.with_suffix(".csv")
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "category"])
            writer.writerows((paths[row], Path(paths[row]).parent.name) for row in kept)
        stores[part] = _scanned(table, store, root)
    return DataSet(name="clothing", gallery=stores["train"], queries=stores["val"], key="category", measure="map@r")


def sample(folder: Path, photos: int) -> DataSet:
    """The drawn catalog, one photo a product. The reciprocal rank judges: it tells by how far a query missed, so its
    intervals are narrower than those of recall@1, and more pairs are told apart."""
    drawn = draw_sample(SampleConfig(folder=folder / "sample" / "drawn", products=min(photos, SAMPLE_PRODUCTS)))
    return DataSet(
        name="sample",
        gallery=_scanned(drawn.table, folder / "sample" / "gallery"),
        queries=_scanned(drawn.answers, folder / "sample" / "queries"),
        key="item_id",
        measure="reciprocal_rank",
    )


def _scanned(table: Path, store: Path, root: Path | None = None) -> Store:
    print(scan(ScanConfig(catalog=table, store=store, root=root)), flush=True)
    return Store.open(store)


DATA_SETS = {"clothing": clothing, "sample": sample}
