"""Embed photos into an encoder's cache, and read the vectors back: nothing is embedded twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from catalog import atomic
from catalog.arrow import numbers
from catalog.errors import BadImage, LookalikeError, VersionError
from catalog.image import decode_photo, read_photo
from catalog.manifest import CatalogPhoto, Manifest
from catalog.parallel import map_in_order, own_workers
from catalog.paths import catalog_photo_path
from catalog.progress import progress
from catalog.records import RecordFile
from catalog.store import Store
from index import colour
from index.batches import batches
from index.embedder import Embedder, Prepared, open_embedder
from index.encoders import EncoderFiles
from index.loading import probe_vector
from index.parts import join_parts
from index.probe import LEAST_COSINE
from index.vectors import Blocks, Embeddings, Floats, block_products
from training.checkpoint import read_header
from training.config import Device

BATCH = 32
"""Photos that are encoded together."""


@dataclass(frozen=True, slots=True)
class EmbeddedCatalog:
    """The photos of a manifest that have vectors.

    Attributes:
        items: row i describes the photo of vector i.
        embeddings: their vectors.
        embedder: what made them.
        embedded: photos, distinct in content, encoded now.
        reused: those whose vectors were there already.
        unreadable: rows of the manifest whose photos are gone or damaged since the scan, and are left out.
    """

    items: Manifest
    embeddings: Embeddings
    embedder: Embedder
    embedded: int
    reused: int
    unreadable: int


def embed_catalog(store: Store, manifest: Manifest, encoder: EncoderFiles, device: Device) -> EmbeddedCatalog:
    """Embed what has no vector yet, and read all vectors. To be called under the store's lock.

    Raises:
        LookalikeError: no photo can be read, or the disk is full; what was embedded is kept.
    """
    embedder, cache = open_vectors(store, encoder, device)
    missing = manifest.distinct_photos(Path(store.read_catalog()["root"]), known=cache.rows)
    embedded = embed_missing(missing, embedder, cache)
    keys = manifest.table["sha256"].to_pylist()
    rows = [row for row, key in enumerate(keys) if key in cache.rows]
    require_readable(len(rows), len(manifest))
    items = Manifest(manifest.table.take(numbers(rows, pa.int64())))
    vectors = read_vectors(cache, [keys[row] for row in rows], embedder.dimension)
    return EmbeddedCatalog(
        items=items,
        embeddings=Embeddings(items.image_ids, vectors, embedder.blocks),
        embedder=embedder,
        embedded=embedded,
        reused=len({keys[row] for row in rows}) - embedded,
        unreadable=len(manifest) - len(rows),
    )


def open_vectors(store: Store, encoder: EncoderFiles, device: Device) -> tuple[Embedder, RecordFile]:
    """An encoder, ready to embed, and its vectors in the store by content: float32 records of its dimension.

    The file is named after the colour descriptor, too: vectors with another one are other vectors. Whatever an
    interrupted `embed` has left in part files is among them. To be called under the store's lock.

    Raises:
        VersionError: the encoder's files are damaged, or another's than those that made the vectors.
    """
    embedder = checked_embedder(store, encoder, device)
    return embedder, open_cache(store, encoder, embedder.blocks)


def open_cache(store: Store, encoder: EncoderFiles, blocks: Blocks) -> RecordFile:
    """An encoder's vectors in the store; see `open_vectors`."""
    cache = RecordFile(store.embeddings_dir / encoder.sha256, f"vectors-{colour.NAME}", sum(blocks.values()) * 4)
    join_parts(parts_folder(store, encoder), cache, blocks)
    return cache


def checked_embedder(store: Store, encoder: EncoderFiles, device: Device) -> Embedder:
    """An encoder, ready to embed, and the one that made its vectors in the store, if there are any.

    Raises:
        VersionError: its files are damaged, or another's.
    """
    spec = read_header(encoder.checkpoint).spec
    embedder = open_embedder(spec, onnx=encoder.onnx, checkpoint=encoder.checkpoint, device=device)
    folder = store.embeddings_dir / encoder.sha256
    folder.mkdir(parents=True, exist_ok=True)
    _check_probe(folder / f"probe-{colour.NAME}.json", embedder)
    return embedder


def parts_folder(store: Store, encoder: EncoderFiles) -> Path:
    """Where the processes of `embed` leave the vectors by an encoder (index/parts.py)."""
    return store.embeddings_dir / encoder.sha256 / f"vectors-{colour.NAME}.parts"


def _check_probe(file: Path, embedder: Embedder) -> None:
    """The encoder is the one that made the vectors beside the file, which tells how that encodes the probe picture."""
    probe = probe_vector(embedder)
    if not file.exists():
        atomic.write_json(file, [float(value) for value in probe])
        return
    try:
        kept = np.array(json.loads(file.read_text(encoding="utf-8")), np.float32)
        cosine = block_products(probe[None], kept[None], embedder.blocks).min()
    except (ValueError, TypeError, RecursionError):
        cosine = np.nan
    if not cosine >= LEAST_COSINE:
        raise VersionError(
            f"an encoder must encode the probe picture as when the vectors in {file.parent} were made; the cosine is "
            f'{cosine:.4f}: remove that folder and run "lookalike index"'
        )


class VectorWriter(Protocol):
    """Takes the vectors of photos: a cache's, or one of part files."""

    def append(self, sha256: str, record: bytes, /) -> None:
        """Add the vector of a photo."""


def embed_missing(photos: Sequence[CatalogPhoto], embedder: Embedder, cache: RecordFile) -> int:
    """Embed each photo that has no vector yet; returns how many were, as `embed_photos` does.

    Raises:
        LookalikeError: the disk has too little room.
    """
    missing = [photo for photo in photos if photo.sha256 not in cache.rows]
    require_room_for(len(missing), cache)
    with cache.appending() as writer:
        return embed_photos(missing, embedder, writer, total=len(missing))


def require_room_for(count: int, cache: RecordFile) -> None:
    """Refuse to embed so many photos where the disk has too little room for their vectors.

    Raises:
        LookalikeError: it has.
    """
    cache.check_space(count, "vectors", "free some, or put the store elsewhere")


def require_readable(readable: int, photos: int) -> None:
    """Refuse a catalog of which nothing is left.

    Raises:
        LookalikeError: none of its photos could be embedded.
    """
    if not readable:
        raise LookalikeError(f'none of the {photos} photos can be read any more: run "lookalike scan" to see why')


def embed_photos(
    photos: Iterable[CatalogPhoto], embedder: Embedder, writer: VectorWriter, *, total: int, shown: bool = True
) -> int:
    """Embed photos; returns how many were.

    An interruption keeps the vectors made so far. A photo that cannot be read, or is another than the one scanned, is
    left out.

    Args:
        photos: distinct in content.
        total: how many they are.
        shown: whether to show how far it is.
    """

    def prepare(photo: CatalogPhoto) -> tuple[str, Prepared] | None:
        try:
            data = read_photo(catalog_photo_path(photo.root, photo.path))
            if hashlib.sha256(data).hexdigest() != photo.sha256:
                return None  # another picture than the one scanned: its vector would be filed under the wrong content
            return photo.sha256, embedder.prepare(decode_photo(data, fit=embedder.decode_size).image)
        except BadImage:
            return None

    prepared = map_in_order(prepare, photos, workers=own_workers(), ahead=BATCH)
    if shown:
        prepared = progress(prepared, total=total, description="embedding")
    embedded = 0
    for batch in batches((photo for photo in prepared if photo is not None), BATCH):
        vectors = embedder.embed([photo for _, photo in batch])
        for (key, _), vector in zip(batch, vectors, strict=True):
            writer.append(key, vector.tobytes())
        embedded += len(batch)
    return embedded


def read_vectors(cache: RecordFile, keys: Sequence[str], dimension: int) -> Floats:
    """The cached vectors of some photos: float32 (N, D)."""
    stored = np.memmap(cache.file, np.float32, "r", shape=(len(cache), dimension))
    return np.ascontiguousarray(stored[[cache.rows[key] for key in keys]])
