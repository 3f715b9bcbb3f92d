"""Versions on disk: what each says of itself, which one is in use, and choosing another."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from catalog import atomic
from catalog.errors import UsageError, VersionError
from catalog.store import TEMPORARY_FOLDER, Store
from index.config import AskedKind
from index.settings import Settings
from training.spec import EncoderSpec

VERSION_FORMAT = 1
INDEX_FILE, ITEMS_FILE = "index.faiss", "items.parquet"
VECTORS_FILE = "vectors.faiss"
"""Only of kinds that keep their vectors apart from the index."""
ONNX_FILE, CHECKPOINT_FILE = "encoder.onnx", "encoder.safetensors"
DESCRIPTION_FILE = "version.json"
CONTENT_FILES = (INDEX_FILE, ITEMS_FILE, ONNX_FILE, CHECKPOINT_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a file of a version must be."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A vector of the index and what it must find: shown again when a version is loaded."""

    position: int
    """The row whose vector is searched for."""
    positions: tuple[int, ...]
    """What it found."""
    similarities: tuple[float, ...]
    """How similar those are, descending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexVersion:
    """What a version says of itself (version.json)."""

    id: str
    """<number>-<hash>."""
    created: str
    """ISO 8601, UTC."""
    photos: int
    """Vectors in the index, N."""
    products: int
    """Different products among them."""
    dimension: int
    """D, the width of a vector."""
    blocks: Mapping[str, int]
    """Parts of a vector in their order, each of unit norm, and their widths."""
    kind: str
    """Kind of index, such as "exact"."""
    recall: float
    """Measured part of the true 10 nearest that it finds, for the worst set of queries; 1 for an exact index."""
    encoder_name: str
    """The run that trained the encoder, or "imagenet"."""
    encoder_sha256: str
    """SHA-256 of encoder.safetensors."""
    spec: EncoderSpec
    """How photos are prepared and encoded."""
    manifest_fingerprint: str
    """Of the manifest it was built from."""
    root: str
    """The catalog's folder when it was built."""
    files: Mapping[str, FileFacts]
    """Every other file of the version."""
    canaries: tuple[Canary, ...]
    """Searches with known answers."""
    probe: tuple[float, ...]
    """The vector of the probe picture (index/probe.py): shows that the encoder still does what it did."""
    quality: Mapping[str, Any] = field(default_factory=dict)
    """What the gate measured of the encoder (index/gate.py), and which layer was chosen; empty where nothing was."""
    verdicts: Mapping[str, Any] = field(default_factory=dict)
    """What similarities mean on this catalog (index/verdicts.py); empty where it was too small to tell."""
    asked_kind: AskedKind = "auto"
    """The kind of index that was asked for: a sync keeps to it."""
    promised_recall: float = 0.99
    """What `recall` must not be below: a sync keeps to it, too."""
    recalls: Mapping[str, float] = field(default_factory=dict)
    """Recall for each set of held-back queries by its name; empty for an exact index."""
    engine: str = "faiss"
    """Where its vectors lie (index/engines.py): a sync keeps to it."""
    collection: str = ""
    """Of Milvus, with its vectors; empty where they lie in the version's folder."""
    parameters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """How far a search looks, as tuned after the build, by the weight of the second block; empty for an exact index."""

    @property
    def needed_files(self) -> tuple[str, ...]:
        """The files that it must have."""
        return tuple(name for name in CONTENT_FILES if name != INDEX_FILE or not self.collection)

    @property
    def settings(self) -> Settings | None:
        """The parameters, for the index; None for an exact one.

        Raises:
            ValueError, TypeError: they are none.
        """
        return Settings.from_json(self.parameters, next(iter(self.blocks.values()))) if self.parameters else None

    def to_json(self) -> dict[str, Any]:
        """As plain values, for version.json."""
        return {"format": VERSION_FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> IndexVersion:
        """From the plain values of `to_json`; KeyError, TypeError or ValueError where they are not."""
        fields = {name: value for name, value in values.items() if name != "format"}
        canaries = tuple(
            Canary(
                position=canary["position"],
                positions=tuple(canary["positions"]),
                similarities=tuple(canary["similarities"]),
            )
            for canary in fields["canaries"]
        )
        files = {name: FileFacts(**facts) for name, facts in fields["files"].items()}
        spec = EncoderSpec.from_json(fields["spec"])
        version = cls(**{**fields, "canaries": canaries, "files": files, "spec": spec, "probe": tuple(fields["probe"])})
        _ = version.settings  # or it is none
        return version


def read_version(folder: Path) -> IndexVersion:
    """What the version in a folder says of itself; its files are not looked at.

    Raises:
        VersionError: version.json is missing, damaged, or of another format.
    """
    remedy = 'run "lookalike rollback", or build a new one by "lookalike index"'
    try:
        text = (folder / DESCRIPTION_FILE).read_bytes().decode()
        values = json.loads(text)
        told = values.pop("sha256", None)  # versions from before have none
        if told is not None and told != (found := _own_sha256(text, told)):
            raise VersionError(
                f"version {folder.name} is refused: {DESCRIPTION_FILE} must have the SHA-256 {told!s:.12}…; "
                f"it has {found[:12]}…: {remedy}"
            )
        if values["format"] != VERSION_FORMAT:
            raise VersionError(
                f"a version's format must be {VERSION_FORMAT}; {folder.name} has {values['format']!r}: {remedy}"
            )
        return IndexVersion.from_json(values)
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise VersionError(f"version {folder.name} has no readable {DESCRIPTION_FILE} ({error!r}): {remedy}") from None


def write_description(folder: Path, version: IndexVersion) -> None:
    """Write version.json, which begins with its own SHA-256."""
    text = json.dumps({"sha256": "", **version.to_json()}, indent=2, ensure_ascii=False) + "\n"
    own = f'"{_own_sha256(text, "")}"'
    atomic.write_bytes(folder / DESCRIPTION_FILE, text.replace('""', own, 1).encode())


def _own_sha256(text: str, told: str) -> str:
    """SHA-256 of a version.json's text, without what it tells of that itself."""
    return hashlib.sha256(text.replace(f'"{told}"', '""', 1).encode()).hexdigest()


def current_id(store: Store) -> str:
    """Id of the version in use.

    Raises:
        VersionError: there is none yet.
    """
    try:
        version_id = store.current_file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise VersionError(f'the store {store.root} has no version to search yet: run "lookalike index"') from None
    except (OSError, ValueError) as error:
        raise VersionError(
            f'CURRENT of the store {store.root} cannot be read ({error}): run "lookalike rollback"'
        ) from None
    if not version_id or "/" in version_id or version_id.startswith("."):
        raise VersionError(
            f'CURRENT of the store {store.root} names no version ({version_id!r}): run "lookalike rollback"'
        )
    return version_id


def version_folders(store: Store) -> list[Path]:
    """The folders of all versions, oldest first."""
    if not store.versions_dir.is_dir():
        return []
    numbered = [
        (int(folder.name.partition("-")[0]), folder)
        for folder in store.versions_dir.iterdir()
        if folder.name.partition("-")[0].isdigit()
    ]
    return [folder for _, folder in sorted(numbered)]


def point_to(store: Store, version_id: str) -> None:
    """Put a version into use: readers see the old one or this one, never neither."""
    atomic.write_bytes(store.current_file, f"{version_id}\n".encode())


def prune(store: Store, keep: int) -> list[str]:
    """Remove the oldest versions beyond `keep`, never the one in use; returns their ids.

    To be called under the store's lock.
    """
    in_use = current_id(store)
    others = [folder for folder in version_folders(store) if folder.name != in_use]
    removed = others[: max(0, len(others) - (keep - 1))]
    for folder in removed:
        going = folder.with_name(f"{TEMPORARY_FOLDER}{folder.name}")
        folder.rename(going)  # for as long as it has its name, it is whole
        atomic.fsync_folder(store.versions_dir)
        shutil.rmtree(going)
    return [folder.name for folder in removed]


def rollback_targets(store: Store, version_id: str) -> list[str]:
    """The versions to go back to, the first choice first: the one named, or all before the one in use, newest first.

    Raises:
        UsageError: there is no such version.
    """
    ids = [folder.name for folder in version_folders(store)]
    if version_id:
        if version_id not in ids:
            raise UsageError(f'there is no version "{version_id}"; there are: {", ".join(ids) or "none"}')
        return [version_id]
    in_use = current_id(store)
    before = ids[: ids.index(in_use)] if in_use in ids else ids
    if not before:
        raise UsageError(f"there is no version before {in_use}; there are: {', '.join(ids) or 'none'}")
    return before[::-1]


def rollback_target(store: Store, version_id: str) -> str:
    """The version named, or the newest before the one in use.

    Raises:
        UsageError: there is no such version.
    """
    return rollback_targets(store, version_id)[0]
