"""`index`: embed what is not embedded yet, build the index, publish it as a new version."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog.errors import BadImage, LookalikeError, VersionError
from catalog.image import decode_photo, read_photo
from catalog.manifest import Manifest
from catalog.parallel import default_workers, map_in_order
from catalog.paths import catalog_photo_path
from catalog.progress import progress
from catalog.records import RecordFile
from catalog.store import Store
from index.batches import batches
from index.config import IndexConfig
from index.embedder import Embedder, Pixels, open_embedder
from index.publish import EncoderFiles, publish
from index.vectors import Embeddings, Floats
from index.versions import IndexVersion, prune
from training.checkpoint import read_header
from training.runs import find_run, newest_finished

Say = Callable[[str], None]

BATCH = 32
"""Photos that are encoded together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSummary:
    """What a build did."""

    version: IndexVersion
    embedded: int
    """Photos encoded now."""
    reused: int
    """Photos whose vectors were there already."""
    unreadable: int
    """Photos of the manifest that are gone or damaged since the scan, and are left out."""
    removed: tuple[str, ...]
    """Old versions that were removed."""
    seconds: float

    @property
    def exit_code(self) -> int:
        """3 where photos had to be left out, else 0."""
        return 3 if self.unreadable else 0

    def __str__(self) -> str:
        lost = f', {self.unreadable} unreadable since the scan (run "lookalike scan")' if self.unreadable else ""
        return (
            f"version {self.version.id} in use: {self.version.photos} photos of {self.version.products} products by "
            f"{self.version.encoder_name}; {self.embedded} embedded, {self.reused} reused{lost}, "
            f"in {self.seconds:.1f} s"
        )


def build_version(config: IndexConfig) -> IndexSummary:
    """Embed, build and publish.

    Raises:
        UsageError: no such run.
        LookalikeError: no photo can be read, or the disk is full; the version in use stays.
    """
    begun = time.monotonic()
    store = Store.open(config.store)
    with store.writing("lookalike index"):
        manifest = Manifest.read(store.manifest_file)
        encoder = _encoder_files(store, config)
        spec = read_header(encoder.checkpoint).spec
        embedder = open_embedder(spec, onnx=encoder.onnx, checkpoint=encoder.checkpoint, device=config.device)
        cache = RecordFile(encoder.onnx.parent, "vectors", embedder.dimension * 4)
        embedded = _embed_missing(manifest, Path(store.read_catalog()["root"]), embedder, cache)
        keys = manifest.table["sha256"].to_pylist()
        rows = [row for row, key in enumerate(keys) if key in cache.rows]
        if not rows:
            raise LookalikeError(
                f'none of the {len(manifest)} photos can be read any more: run "lookalike scan" to see why'
            )
        items = Manifest(manifest.table.take(pa.array(rows)))
        vectors = _read_vectors(cache, [keys[row] for row in rows], embedder.dimension)
        embeddings = Embeddings(items.image_ids, vectors)
        version = publish(store, items, embeddings, encoder)
        removed = prune(store, config.keep)
    distinct = len({keys[row] for row in rows})
    return IndexSummary(
        version=version,
        embedded=embedded,
        reused=distinct - embedded,
        unreadable=len(manifest) - len(rows),
        removed=tuple(removed),
        seconds=time.monotonic() - begun,
    )


def _encoder_files(store: Store, config: IndexConfig) -> EncoderFiles:
    """The encoder to use, with its ONNX graph, in `embeddings/<sha256>/`; exported once."""
    with _chosen_checkpoint(store, config) as checkpoint:
        with checkpoint.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        folder = store.embeddings_dir / sha256
        files = EncoderFiles(checkpoint=folder / "encoder.safetensors", onnx=folder / "encoder.onnx", sha256=sha256)
        if not files.onnx.exists():
            from index.encoder_files import export_onnx  # imports torch

            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(checkpoint, files.checkpoint)
            export_onnx(files.checkpoint, files.onnx)
    return files


@contextmanager
def _chosen_checkpoint(store: Store, config: IndexConfig) -> Iterator[Path]:
    """The checkpoint file of the run that was asked for, or of the untrained start."""
    if config.encoder == "imagenet":
        from training.checkpoint import save_checkpoint
        from training.start import untrained  # imports torch

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "imagenet.safetensors"
            save_checkpoint(untrained(), path)
            yield path
        return
    run = find_run(store, config.run) if config.run else newest_finished(store)
    if run is None:
        raise LookalikeError(
            'there is no finished training run to index with: run "lookalike train", '
            'or search with the untrained encoder: "lookalike index --encoder imagenet"'
        )
    if not run.checkpoint_file.exists():
        raise VersionError(f'the run "{run.name}" has no checkpoint yet: go on with it by "lookalike train --resume"')
    yield run.checkpoint_file


def _embed_missing(manifest: Manifest, root: Path, embedder: Embedder, cache: RecordFile) -> int:
    """Embed each distinct photo that has no vector yet; returns how many were.

    An interruption keeps the vectors made so far. A photo that cannot be read is left out; its rows are counted later.
    """
    columns = manifest.table.select(["path", "sha256"]).take(pa.array(manifest.first_rows)).to_pydict()
    missing = [
        (path, key) for path, key in zip(columns["path"], columns["sha256"], strict=True) if key not in cache.rows
    ]
    cache.check_space(len(missing), "vectors", "free some, or put the store elsewhere")
    embedded = 0

    def prepare(photo: tuple[str, str]) -> tuple[str, Pixels] | None:
        path, key = photo
        try:
            data = read_photo(catalog_photo_path(root, path))
            if hashlib.sha256(data).hexdigest() != key:
                return None  # another picture than the one scanned: its vector would be filed under the wrong content
            return key, embedder.prepare(decode_photo(data, fit=embedder.decode_size).image)
        except BadImage:
            return None

    prepared = map_in_order(prepare, missing, workers=default_workers())
    readable = (photo for photo in progress(prepared, total=len(missing), description="embedding") if photo is not None)
    with cache.appending() as writer:
        for batch in batches(readable, BATCH):
            vectors = embedder.embed([pixels for _, pixels in batch])
            for (key, _), vector in zip(batch, vectors, strict=True):
                writer.append(key, vector.tobytes())
            embedded += len(batch)
    return embedded


def _read_vectors(cache: RecordFile, keys: list[str], dimension: int) -> Floats:
    """The cached vectors of some photos: float32 (N, D)."""
    stored = np.memmap(cache.file, np.float32, "r", shape=(len(cache), dimension))
    return np.ascontiguousarray(stored[[cache.rows[key] for key in keys]])
