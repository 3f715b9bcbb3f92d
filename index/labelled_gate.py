"""What the gate also asks of an encoder that was fine-tuned on labels: whether it tells these apart better.

Fine-tuning gives up details by which an altered copy finds its original, and that is what it was asked for; so such a
loss alone does not keep it out. It is asked on photos that it did not learn from, so only on the catalog that it was
tuned on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalog.errors import UsageError
from catalog.manifest import CatalogPhoto, Manifest
from catalog.records import RecordFile
from catalog.store import Store
from index.blocks import projected
from index.embedder import Embedder
from index.embedding import embed_missing, open_vectors, read_vectors
from index.encoders import EncoderFiles
from index.vectors import Floats
from training.checkpoint import read_header
from training.config import Device
from training.evaluation.bootstrap import Estimate, bootstrap_difference
from training.evaluation.retrieval import find_category
from training.label_split import LabelSplit, Places, split_fingerprint, split_photos

FEWEST = 8
"""With fewer held-out photos nothing is measured."""
MOST_ASKED, MOST_SEARCHED = 2_000, 20_000
"""Held-out photos that are asked for, and labelled ones that are searched; of more an even part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelGain:
    """How much better a fine-tuned encoder tells its labels apart than another."""

    column: str
    """The labels' column."""
    photos: int
    """Held-out photos that were asked for."""
    difference: Estimate
    """Fine-tuned minus other: how often the nearest labelled photos vote for the right label."""

    @property
    def proven(self) -> bool:
        """Whether it is measurably better."""
        return self.difference.low > 0

    def __str__(self) -> str:
        return f'kNN accuracy by "{self.column}" on {self.photos} held-out photos: difference {self.difference}'

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"column": self.column, "photos": self.photos, "knn_accuracy": self.difference.to_json()}


def label_gain(
    store: Store, manifest: Manifest, encoder: EncoderFiles, other: EncoderFiles, device: Device
) -> LabelGain | None:
    """Hold a fine-tuned encoder against another one, by its labels.

    Returns:
        None where it was not fine-tuned, or twice; where photos or labels have changed since; or where too few photos
        were held out.
    """
    header = read_header(encoder.checkpoint)
    settings = header.config
    if "source" not in settings or "source" in settings["source"]:  # one tuned twice may know what is held out
        return None
    photos = manifest.distinct_photos(Path(store.read_catalog()["root"]))
    split = _same_split(manifest, [photo.sha256 for photo in photos], settings)
    if split is None or not len(split.held_out):
        return None
    asked, searched = _even_part(len(split.held_out), MOST_ASKED), _even_part(len(split.train), MOST_SEARCHED)
    places = np.concatenate([split.held_out[asked], split.train[searched]])
    labels = np.concatenate([split.held_out_labels[asked], split.train_labels[searched]])
    caches = [_filled_cache(store, files, [photos[place] for place in places], device) for files in (encoder, other)]
    known = [row for row, place in enumerate(places) if all(photos[place].sha256 in cache.rows for _, cache in caches)]
    queries = [row for row in known if row < len(asked)]
    gallery = [row for row in known if row >= len(asked)]
    new, old = (
        find_category(
            _read(cache, embedder, photos, places[queries]),
            _read(cache, embedder, photos, places[gallery]),
            labels[queries],
            labels[gallery],
        ).metrics()["knn_accuracy"]
        for embedder, cache in caches
    )
    if len(new) < FEWEST:
        return None
    return LabelGain(column=settings["labels"], photos=len(new), difference=bootstrap_difference(new, old))


def _same_split(manifest: Manifest, contents: list[str], settings: Mapping[str, Any]) -> LabelSplit | None:
    """The fine-tuning's division of the photos; None where photos or labels have changed since."""
    try:
        split = split_photos(
            manifest,
            np.array(manifest.first_rows, np.int64),
            settings["labels"],
            held_out=settings["held_out"],
            label_fraction=settings["label_fraction"],
            seed=settings["seed"],
        )
    except UsageError:  # the column is gone, or what was in it
        return None
    return split if split_fingerprint(split, contents) == settings.get("split_sha256") else None


def _even_part(count: int, most: int) -> Places:
    return np.arange(0, count, -(-count // most), dtype=np.int64)


def _filled_cache(
    store: Store, encoder: EncoderFiles, photos: list[CatalogPhoto], device: Device
) -> tuple[Embedder, RecordFile]:
    """An encoder, and its vectors by content, with those photos in it that can be read."""
    embedder, cache = open_vectors(store, encoder, device)
    embed_missing(photos, embedder, cache)
    return embedder, cache


def _read(cache: RecordFile, embedder: Embedder, photos: list[CatalogPhoto], places: Places) -> Floats:
    vectors = read_vectors(cache, [photos[place].sha256 for place in places], embedder.dimension)
    return projected(vectors, embedder.blocks)
