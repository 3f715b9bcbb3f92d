"""Settings of the commands that build and choose versions. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catalog.errors import UsageError
from catalog.paths import shown
from catalog.store import DEFAULT_STORE
from index.engines import read_engine
from training.config import Device, require

Kind = Literal["exact", "ivf", "hnsw", "ivf-pq"]
AskedKind = Literal["auto", "exact", "ivf", "hnsw", "ivf-pq"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexChoice:
    """What is asked of an index."""

    kind: AskedKind = "auto"
    """Kind of index; auto: by size (index/kinds.py)."""
    recall: float = 0.99
    """Part of the true 10 nearest that it must find."""
    engine: str = "faiss"
    """Where the vectors lie (index/engines.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexConfig:
    """Settings of one build."""

    store: Path = DEFAULT_STORE
    """The store whose photos to index."""
    run: str = ""
    """The training run whose encoder to use; empty: the newest finished one."""
    encoder: Literal["trained", "imagenet"] = "trained"
    """"trained", or "imagenet" to search before any training."""
    keep: int = 3
    """How many versions stay; the oldest ones beyond that are removed, never the one in use."""
    force: bool = False
    """Put the encoder into use even if it is measurably worse than the one in use."""
    kind: AskedKind = "auto"
    """Kind of index; auto: by size (index/kinds.py). Under 1,000 photos always exact."""
    recall: float = 0.99
    """Part of the true 10 nearest that the index must find, else it is not put into use; exact finds all."""
    engine: str = ""
    """Where the vectors lie: faiss, in the version's folder; milvus:http://HOST:PORT, a server; milvus:FILE.db, Milvus
    Lite. Empty: where those of the version in use lie, faiss for the first. A sync keeps to it."""
    device: Device = "auto"
    """Where to embed."""

    def __post_init__(self) -> None:
        _check_keep(self.keep)
        if self.engine:
            engine = read_engine(self.engine)
            require(
                not engine.milvus or self.kind in ("auto", "exact", "hnsw"),
                "--kind must be auto, exact or hnsw in Milvus",
                self.kind,
                "leave it out",
            )
        require(0 < self.recall <= 1, "--recall must lie above 0 and not above 1", self.recall, "try 0.99")
        _check_encoder(self.encoder, self.run)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedConfig:
    """Settings of embedding alone, before a build."""

    store: Path = DEFAULT_STORE
    """The store whose photos to embed."""
    run: str = ""
    """The training run whose encoder to use; empty: the newest finished one."""
    encoder: Literal["trained", "imagenet"] = "trained"
    """"trained", or "imagenet" to search before any training."""
    part: int = 1024
    """Photos whose vectors a process writes to the disk at once: the most that it loses by a kill."""
    device: Device = "auto"
    """Where to embed."""

    def __post_init__(self) -> None:
        require(self.part >= 1, "--part must be at least 1", self.part, "try 1024")
        _check_encoder(self.encoder, self.run)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncConfig:
    """Settings of taking in what changed in the catalog."""

    store: Path = DEFAULT_STORE
    """The store whose catalog to look at again."""
    reopen: bool = False
    """Open every photo, also those whose size and time of change are as they were at the last scan."""
    accept_unreadable: bool = False
    """Take photos out of the catalog whose folder may not be looked into any more; otherwise the sync is refused."""
    keep: int = 3
    """How many versions stay; the oldest ones beyond that are removed, never the one in use."""
    device: Device = "auto"
    """Where to embed."""

    def __post_init__(self) -> None:
        _check_keep(self.keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """Settings of one export.

    Raises:
        UsageError: a value that cannot work, in one line.
    """

    store: Path = DEFAULT_STORE
    """The store whose run to export, and with whose photos to check the file."""
    run: str = ""
    """The training run whose encoder to export; empty: the newest finished one."""
    output: Path | None = None
    """The file to write, NAME.onnx, with NAME.json beside it; without it the run's name in the working folder."""
    photos: int = 200
    """Most photos of the catalog to check with that the file gives PyTorch's vectors (cosine at least 0.9999)."""
    force: bool = False
    """Overwrite files of these names; without it they are left alone and nothing is written."""

    def __post_init__(self) -> None:
        require(self.photos >= 1, "--photos must be at least 1", self.photos, "try 200")
        if self.output is not None and self.output.suffix != ".onnx":
            raise UsageError(f'--output must end in .onnx; received "{shown(str(self.output))}": rename it')


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Which store to look at."""

    store: Path = DEFAULT_STORE
    """The store."""
    device: Device = "auto"
    """The device whose presence to check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackConfig:
    """Which version to put back into use."""

    store: Path = DEFAULT_STORE
    """The store."""
    to: str = ""
    """Id of the version; empty: the newest one before the one in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneConfig:
    """How many versions to keep."""

    store: Path = DEFAULT_STORE
    """The store."""
    keep: int = 3
    """Versions that stay, the one in use among them."""

    def __post_init__(self) -> None:
        _check_keep(self.keep)


def _check_keep(keep: int) -> None:
    require(keep >= 1, "--keep must be at least 1", keep, "choose 1 or more")


def _check_encoder(encoder: str, run: str) -> None:
    if encoder == "imagenet" and run:
        raise UsageError(f'--encoder imagenet takes no --run; received --run "{run}": leave one of them out')
