"""The store: the one folder that holds everything lookalike knows about one catalog, and its writer's lock."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog import atomic
from catalog.errors import StoreBusy, StoreError

STORE_FORMAT = 1
DEFAULT_STORE = Path(".lookalike")
TEMPORARY_FOLDER = ".tmp-"
"""How the names of versions begin that are not whole yet, or no longer."""


@dataclass(frozen=True, slots=True)
class Store:
    """Names of everything in a store. Holds no state: two processes may look at the same store.

    Make one with `Store.open` (a store that exists) or `Store.create` (one that may not).
    """

    root: Path

    @property
    def catalog_file(self) -> Path:
        """catalog.json: format, where the photos are, how they were scanned."""
        return self.root / "catalog.json"

    @property
    def manifest_file(self) -> Path:
        """manifest.parquet: one row per usable photo."""
        return self.root / "manifest.parquet"

    @property
    def quarantine_file(self) -> Path:
        """quarantine.csv: one row per file left out."""
        return self.root / "quarantine.csv"

    @property
    def known_files_file(self) -> Path:
        """files.parquet: what each photo's file was when it was last opened, see catalog/known_files.py."""
        return self.root / "files.parquet"

    @property
    def pixels_dir(self) -> Path:
        """pixels/: decoded pixels for training."""
        return self.root / "pixels"

    @property
    def runs_dir(self) -> Path:
        """runs/: one folder per training run."""
        return self.root / "runs"

    @property
    def embeddings_dir(self) -> Path:
        """embeddings/: vectors by encoder and photo content."""
        return self.root / "embeddings"

    @property
    def versions_dir(self) -> Path:
        """versions/: the published indexes."""
        return self.root / "versions"

    @property
    def current_file(self) -> Path:
        """CURRENT: the id of the version in use."""
        return self.root / "CURRENT"

    @property
    def lock_file(self) -> Path:
        """LOCK: held by the one process that writes; names it."""
        return self.root / "LOCK"

    @classmethod
    def open(cls, root: Path) -> Store:
        """A store that a scan has filled.

        Raises:
            StoreError: there is none at `root`, or it has another format.
        """
        store = cls(root)
        store.read_catalog()
        return store

    @classmethod
    def create(cls, root: Path) -> Store:
        """A store at `root`, which may be new, empty, or an existing store of this format.

        Nothing is written yet but the folder itself, and that only by `writing()`.

        Raises:
            StoreError: `root` is a file, a folder with other things in it, or a store of another format.
        """
        store = cls(root)
        if root.is_dir():
            if store.catalog_file.exists():
                store.read_catalog()
            elif _holds_other_files(root):
                raise StoreError(
                    f"--store must be a lookalike store or an empty or new folder; {root} holds other files: "
                    "name another folder"
                )
        elif root.exists():
            raise StoreError(f"--store must be a folder; {root} is a file: name another place")
        return store

    def read_catalog(self) -> dict[str, Any]:
        """The content of catalog.json.

        Raises:
            StoreError: missing, unreadable, or of another format.
        """
        try:
            content = json.loads(self.catalog_file.read_text(encoding="utf-8"))
        except NotADirectoryError:
            raise StoreError(f"--store must be a folder; {self.root} is a file: name another place") from None
        except FileNotFoundError:
            if self.root.is_dir() and _holds_other_files(self.root):
                raise StoreError(
                    f"--store must be a lookalike store; {self.root} holds other files: name the store's folder"
                ) from None
            raise StoreError(f'no store at {self.root}: run "lookalike scan CATALOG --store {self.root}"') from None
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(
                f"catalog.json of the store {self.root} cannot be read ({error}): "
                "restore the folder from a backup, or scan into a new store"
            ) from None
        found = content.get("format") if isinstance(content, dict) else None
        if found != STORE_FORMAT:
            raise StoreError(
                f"the store's format must be {STORE_FORMAT}; {self.root} has {found!r}: "
                "use the lookalike release that wrote it, or scan into a new store"
            )
        return dict(content)

    @contextmanager
    def writing(self, command: str) -> Iterator[None]:
        """Hold the store's only writer's lock; freed when the process ends, however it ends.

        Raises:
            StoreBusy: another process holds it; the message names its command, process and host.
            StoreError: the file system has no locks.
        """
        existed = self.root.exists()
        descriptor = self._open_lock()
        while not self._lock(descriptor):
            os.close(descriptor)
            descriptor = self._open_lock()
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f'"{command}" (process {os.getpid()} on {socket.gethostname()})'.encode(), 0)
            self._clear_leftovers()
            yield
        finally:
            if not existed and not self.catalog_file.exists():
                self._remove_if_new()
            os.close(descriptor)

    def _open_lock(self) -> int:
        self.root.mkdir(parents=True, exist_ok=True)
        return os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o644)

    def _lock(self, descriptor: int) -> bool:
        """Lock the open lock file; False where it is LOCK no more: another process's first command has failed, and
        removed it with its store."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(descriptor), self.lock_file.stat())
        except FileNotFoundError:
            return False
        except BlockingIOError:
            holder = os.pread(descriptor, 500, 0).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise StoreBusy(
                f"one process at a time may write to the store {self.root}; {holder} does: wait for it or end it"
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise StoreError(
                f"a store must lie where files can be locked; {self.root} does not ({error.strerror}): "
                "put it on a local disk"
            ) from None

    def _clear_leftovers(self) -> None:
        """Remove what a writer that was killed left half done; there is no other writer now."""
        for folder in self.versions_dir.glob(f"{TEMPORARY_FOLDER}*"):
            shutil.rmtree(folder)
        for file in self.root.rglob(".*.tmp"):
            file.unlink()

    def _remove_if_new(self) -> None:
        """Leave no trace of a store whose first command failed."""
        self.lock_file.unlink(missing_ok=True)
        with suppress(OSError):  # someone else put something there: not ours to remove
            self.root.rmdir()

    def write_catalog(self, content: dict[str, Any]) -> None:
        """Replace catalog.json; the format number is added here."""
        atomic.write_json(self.catalog_file, {"format": STORE_FORMAT, **content})


def _holds_other_files(folder: Path) -> bool:
    return any(not _left_by_a_first_scan(entry.name) for entry in folder.iterdir())


def _left_by_a_first_scan(name: str) -> bool:
    """Whether a scan that was killed before it wrote catalog.json may have left this: not a reason to refuse."""
    return name in ("LOCK", "manifest.parquet", "quarantine.csv", "files.parquet") or (
        name.startswith(".") and name.endswith(".tmp")
    )
