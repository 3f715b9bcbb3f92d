"""Load a version: only one that is whole, and whose encoder still does what it did when the vectors were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.errors import LookalikeError, StoreError, VersionError
from catalog.hashing import file_sha256
from catalog.manifest import Manifest
from catalog.store import Store
from index.blocks import weigh
from index.colour_weights import DEFAULT_COLOUR
from index.embedder import Embedder, open_embedder
from index.engines import read_engine
from index.kinds import read_index
from index.probe import LEAST_COSINE, probe_picture
from index.search_index import SearchIndex
from index.vectors import block_products
from index.versions import (
    CHECKPOINT_FILE,
    ITEMS_FILE,
    ONNX_FILE,
    IndexVersion,
    current_id,
    read_version,
)
from training.checkpoint import read_header
from training.config import Device

SIMILARITY_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version ready to search. Does not change; a request keeps the one it began with.

    Attributes:
        version: what it says of itself.
        items: row i describes the photo at position i of the index.
        index: the vectors.
        embedder: the encoder that made them.
    """

    version: IndexVersion
    items: Manifest
    index: SearchIndex
    embedder: Embedder


def load_current(store: Store, device: Device = "auto") -> LoadedVersion:
    """The version in use.

    Raises:
        VersionError: there is none, or it is refused.
    """
    return load_version(store.versions_dir / current_id(store), device)


def load_version(folder: Path, device: Device = "auto") -> LoadedVersion:
    """The version in a folder, checked: files, counts, encoder, canaries.

    Raises:
        VersionError: what does not match, and what to do.
        DeviceError: "gpu" was asked for and there is none.
    """
    try:
        return _load(folder, device)
    except LookalikeError:
        raise
    except Exception as error:  # its files may say anything, which then fits nothing
        raise VersionError(
            f"version {folder.name} is refused: what its files say cannot be used ({error!r}): "
            'run "lookalike rollback" or "lookalike index"'
        ) from error


def _load(folder: Path, device: Device) -> LoadedVersion:
    version = read_version(folder)
    check_files(folder, version)
    _check_encoder(folder, version)
    try:
        items = Manifest.read(folder / ITEMS_FILE)
    except StoreError as error:
        raise VersionError(f"version {version.id}: {error}") from None
    index = _open_index(folder, version, items, device)
    embedder = open_embedder(version.spec, onnx=folder / ONNX_FILE, checkpoint=folder / CHECKPOINT_FILE, device=device)
    loaded = LoadedVersion(version, items, index, embedder)
    _check_counts(loaded)
    _check_canaries(loaded)
    _check_probe(loaded)
    return loaded


def _open_index(folder: Path, version: IndexVersion, items: Manifest, device: Device) -> SearchIndex:
    if not version.collection:
        return read_index(folder, version.kind, version.settings, device)
    from index.milvus import connect
    from index.milvus_photos import open_photos

    server = connect(read_engine(version.engine))
    return open_photos(server, version.collection, items.table, version.dimension, version.settings)


def _refused(version: IndexVersion, rule: str, found: str) -> VersionError:
    return VersionError(
        f'version {version.id} is refused: {rule}; {found}: run "lookalike rollback" or "lookalike index"'
    )


def check_files(folder: Path, version: IndexVersion, names: Sequence[str] = ()) -> None:
    """Hold files of a version against their hashes; without names, all that it has and all that it must have.

    Raises:
        VersionError: one is missing, or has another content than it was published with.
    """
    for name in names or sorted({*version.needed_files, *version.files}):
        facts = version.files.get(name)
        if facts is None:
            raise _refused(version, f"version.json must name {name}", "it does not")
        try:
            found = file_sha256(folder / name)
        except OSError as error:
            raise _refused(version, f"{name} must be readable", error.strerror or "it is not") from None
        if found != facts.sha256:
            raise _refused(version, f"{name} must have the SHA-256 {facts.sha256[:12]}…", f"it has {found[:12]}…")


def _check_encoder(folder: Path, version: IndexVersion) -> None:
    """The encoder in the folder is the one that made the vectors: same file, same preprocessing."""
    held = version.files[CHECKPOINT_FILE].sha256
    if held != version.encoder_sha256:
        raise _refused(
            version, f"its vectors were made by the encoder {version.encoder_sha256[:12]}…", f"it holds {held[:12]}…"
        )
    header = read_header(folder / CHECKPOINT_FILE)
    if header.spec != version.spec:
        raise _refused(version, f"its vectors were made with {version.spec}", f"its encoder has {header.spec}")


def _check_counts(loaded: LoadedVersion) -> None:
    version, vectors, rows = loaded.version, len(loaded.index), len(loaded.items)
    if not vectors == rows == version.photos:
        raise _refused(version, f"it must hold {version.photos} photos", f"{vectors} vectors and {rows} rows")
    if list(version.blocks.items()) != list(loaded.embedder.blocks.items()):
        raise _refused(
            version,
            f"its vectors must have the blocks {dict(loaded.embedder.blocks)}",
            f"they have {dict(version.blocks)}",
        )
    widths = (sum(version.blocks.values()), loaded.index.dimension)
    if any(width != version.dimension for width in widths):
        raise _refused(
            version,
            f"its vectors must have {version.dimension} numbers",
            "its blocks have {}, its index {}".format(*widths),
        )


def _check_canaries(loaded: LoadedVersion) -> None:
    for canary in loaded.version.canaries:
        if not 0 <= canary.position < len(loaded.index):
            raise _refused(loaded.version, "canaries must be photos of it", f"position {canary.position}")
        query = weigh(loaded.index.vector(canary.position)[None], loaded.version.blocks, DEFAULT_COLOUR)
        found = loaded.index.search(query, len(canary.positions)).similarities[0]
        if not np.allclose(found, canary.similarities, atol=SIMILARITY_TOLERANCE):
            raise _refused(
                loaded.version, "a search with a known answer must give it", f"position {canary.position} does not"
            )


def _check_probe(loaded: LoadedVersion) -> None:
    probe = np.array(loaded.version.probe, np.float32)
    cosine = block_products(probe_vector(loaded.embedder)[None], probe[None], loaded.version.blocks).min()
    if not cosine >= LEAST_COSINE:
        raise _refused(
            loaded.version, "its encoder must encode the probe picture as it did", f"the cosine is {cosine:.4f}"
        )


def probe_vector(embedder: Embedder) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The probe picture's vector by an encoder: float32 (D,)."""
    vector: np.ndarray[tuple[int], np.dtype[np.float32]] = embedder.embed([embedder.prepare(probe_picture())])[0]
    return vector
