"""Publish a version: written whole beside the others, checked, and only then named by CURRENT.

Order: free space, files into `.tmp-…` each hashed and synced, version.json last, reopen and
verify, rename, sync the folder, CURRENT. Whatever goes wrong before the last step, the version in use stays.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from catalog import atomic
from catalog.disk import remedy_for
from catalog.errors import LookalikeError, VersionError
from catalog.hashing import file_sha256
from catalog.manifest import Manifest
from catalog.store import TEMPORARY_FOLDER, Store
from index.blocks import weigh
from index.colour_weights import DEFAULT_COLOUR
from index.config import IndexChoice
from index.embedder import open_embedder
from index.encoders import EncoderFiles
from index.engines import read_engine
from index.faiss_engine import FaissIndex
from index.kinds import FEWEST
from index.loading import load_version, probe_vector
from index.milvus import connect
from index.milvus_collections import begin_collection, point_alias, release_idle
from index.milvus_index import MilvusIndex
from index.search_index import SearchIndex
from index.vector_index import VectorIndex
from index.vectors import Blocks, Embeddings
from index.versions import (
    CHECKPOINT_FILE,
    ITEMS_FILE,
    ONNX_FILE,
    Canary,
    FileFacts,
    IndexVersion,
    current_id,
    point_to,
    version_folders,
    write_description,
)
from training.checkpoint import read_header

CANARIES = 4
CANARY_NEIGHBORS = 10
"""In Milvus 1: a server may build its index anew at any time, and find others among the next."""
GRAPH_AND_CODES = 1.25
"""Bytes of an index for each of the vectors it holds, at most."""
SPARE_BYTES = 16 * 2**20


def publish(
    store: Store,
    items: Manifest,
    embeddings: Embeddings,
    encoder: EncoderFiles,
    quality: Mapping[str, Any] | None = None,
    verdicts: Mapping[str, Any] | None = None,
    choice: IndexChoice | None = None,
) -> IndexVersion:
    """Make a new version and put it into use. To be called under the store's lock.

    Args:
        items: row i describes the photo of vector i.
        quality: what was measured of the encoder, for the record.
        verdicts: what similarities mean, see index/verdicts.py.
        choice: the kind of index and the recall that it promises; None for the defaults.

    Raises:
        PromiseError: the index finds less than promised; the version in use stays.
        EngineError: the server that is to hold the vectors does not answer; likewise.
        LookalikeError: the disk is full or fails; the version in use stays.
        VersionError: what was written does not verify; likewise.
    """
    store.versions_dir.mkdir(exist_ok=True)
    _check_space(store, embeddings, encoder)
    number = 1 + max((int(folder.name.partition("-")[0]) for folder in version_folders(store)), default=0)
    try:
        with _temporary_folder(store, number) as folder:
            choice = choice or IndexChoice()
            vectors = _begin(store, folder, items, embeddings, encoder, choice)
            description = _write_files(folder, vectors, items, embeddings, encoder, choice)
            version = replace(
                description,
                id=f"{number:04d}-{_short_hash(description)}",
                quality=dict(quality or {}),
                verdicts=dict(verdicts or {}),
                root=store.read_catalog()["root"],
            )
            write_description(folder, version)
            atomic.fsync_folder(folder)
            load_version(folder, "cpu")
            os.rename(folder, store.versions_dir / version.id)
        atomic.fsync_folder(store.versions_dir)
        atomic.fsync_folder(store.root)  # in which versions/ may be new
    except OSError as error:
        raise LookalikeError(
            f"the new version could not be written to {store.versions_dir} ({error.strerror}): "
            f'the version in use stays; {remedy_for(error)} and run "lookalike index" again'
        ) from None
    point_alias(store, version)
    try:
        point_to(store, version.id)
    except OSError as error:
        raise LookalikeError(
            f"CURRENT could not be written in {store.root} ({error.strerror}): {_in_use(store, version)}; "
            f'{remedy_for(error)} and run "lookalike index" again'
        ) from None
    return version


def _in_use(store: Store, new: IndexVersion) -> str:
    try:
        stays = current_id(store) != new.id
    except VersionError as error:
        return str(error)
    return "the version in use stays" if stays else "the new version is in use, but a power loss may undo that"


def _check_space(store: Store, embeddings: Embeddings, encoder: EncoderFiles) -> None:
    need = round(GRAPH_AND_CODES * embeddings.vectors.nbytes) + SPARE_BYTES
    need += encoder.checkpoint.stat().st_size + encoder.onnx.stat().st_size + len(embeddings) * 512  # the items' table
    free = shutil.disk_usage(store.versions_dir).free
    if need > free:
        raise LookalikeError(
            f"a version of {len(embeddings)} photos needs {need / 1e6:.0f} MB in {store.versions_dir}; "
            f'{free / 1e6:.0f} MB are free: free some, or run "lookalike prune"'
        )


@contextmanager
def _temporary_folder(store: Store, number: int) -> Iterator[Path]:
    folder = store.versions_dir / f"{TEMPORARY_FOLDER}{number}-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # after the rename there is nothing left of that name


def _begin(
    store: Store,
    folder: Path,
    items: Manifest,
    embeddings: Embeddings,
    encoder: EncoderFiles,
    choice: IndexChoice,
) -> VectorIndex:
    """Where the vectors of a new version go."""
    schema, dimension = items.table.schema, embeddings.vectors.shape[1]
    engine = read_engine(choice.engine)
    if not engine.milvus:
        return FaissIndex(folder, schema, dimension)
    server = connect(engine, new=True)  # first: without it nothing is begun
    release_idle(store)
    name = begin_collection(store, choice.engine, encoder.sha256)
    exact = choice.kind == "exact" or len(items) < FEWEST
    return MilvusIndex.create(server, name, schema, dimension, exact=exact)


def _write_files(
    folder: Path,
    vectors: VectorIndex,
    items: Manifest,
    embeddings: Embeddings,
    encoder: EncoderFiles,
    choice: IndexChoice,
) -> IndexVersion:
    """Write everything but version.json; returns its content, still without an id and the catalog's folder."""
    header = read_header(encoder.checkpoint)
    collection = vectors.collection if isinstance(vectors, MilvusIndex) else ""
    vectors.upsert(items.table, embeddings.vectors)
    built = vectors.publish(embeddings.blocks, choice)
    files = dict(vectors.files)
    items.write(folder / ITEMS_FILE)
    shutil.copyfile(encoder.onnx, folder / ONNX_FILE)
    shutil.copyfile(encoder.checkpoint, folder / CHECKPOINT_FILE)
    for name in (ITEMS_FILE, ONNX_FILE, CHECKPOINT_FILE):
        atomic.fsync_file(folder / name)
        files[name] = _facts(folder / name)
    embedder = open_embedder(header.spec, onnx=folder / ONNX_FILE, checkpoint=folder / CHECKPOINT_FILE, device="cpu")
    return IndexVersion(
        id="",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        photos=len(items),
        products=items.product_count,
        dimension=built.index.dimension,
        blocks=dict(embeddings.blocks),
        kind=built.index.kind,
        recall=built.recall,
        encoder_name=header.name,
        encoder_sha256=encoder.sha256,
        spec=header.spec,
        manifest_fingerprint=items.fingerprint,
        root="",
        files=files,
        canaries=_canaries(built.index, embeddings.blocks, 1 if collection else CANARY_NEIGHBORS),
        probe=tuple(float(value) for value in probe_vector(embedder)),
        asked_kind=choice.kind,
        engine=choice.engine,
        collection=collection,
        promised_recall=choice.recall,
        recalls=built.recalls,
        parameters=built.settings.to_json() if built.settings else {},
    )


def _facts(path: Path) -> FileFacts:
    return FileFacts(bytes=path.stat().st_size, sha256=file_sha256(path))


def _canaries(index: SearchIndex, blocks: Blocks, neighbours: int) -> tuple[Canary, ...]:
    positions = np.unique(np.linspace(0, len(index) - 1, CANARIES).astype(int))
    found = index.search(weigh(index.vectors(positions), blocks, DEFAULT_COLOUR), neighbours)
    return tuple(
        Canary(
            position=int(position),
            positions=tuple(int(value) for value in found.positions[row]),
            similarities=tuple(float(value) for value in found.similarities[row]),
        )
        for row, position in enumerate(positions)
    )


def _short_hash(version: IndexVersion) -> str:
    """Eight hexadecimal digits that change with any file of the version."""
    return hashlib.sha256("".join(version.files[name].sha256 for name in sorted(version.files)).encode()).hexdigest()[
        :8
    ]
