"""Equal-sized records, each keyed by the SHA-256 of a photo: append-only, so that nothing is worked out twice.

Two files beside each other: `<name>.records` holds the records one after another, `<name>.keys` their keys, 32 bytes
each, in the same order. The pixel cache and the embedding cache are such files. Keys are written once their records
are on disk: a power loss can leave a record without its key, never a key whose record is not there or is zeros.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from catalog.disk import require_room

KEY_BYTES = 32
NO_KEY = bytes(KEY_BYTES)
"""What a power loss may leave in the place of a key."""
SYNC_SECONDS = 1.0
"""How much work an interruption may lose; a sync for each record would take longer than the record."""


class RecordFile:
    """The records of one kind, and the row of each key.

    Attributes:
        file: where the records lie, one after another.
        rows: row of each key (a photo's SHA-256 in hexadecimal).

    What an interruption left half written is cut off when the file is opened, so open it under the store's lock.
    """

    def __init__(self, folder: Path, name: str, record_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / f"{name}.records"
        self._keys_file = folder / f"{name}.keys"
        self._record_bytes = record_bytes
        self.rows = {key: row for row, key in enumerate(self._read_keys())}

    def __len__(self) -> int:
        return len(self.rows)

    def _read_keys(self) -> list[str]:
        keys = self._keys_file.read_bytes() if self._keys_file.exists() else b""
        whole = self.file.stat().st_size // self._record_bytes if self.file.exists() else 0
        cut = [keys[i : i + KEY_BYTES] for i in range(0, len(keys) - KEY_BYTES + 1, KEY_BYTES)]
        count = min(cut.index(NO_KEY) if NO_KEY in cut else len(cut), whole)
        for path, size in ((self._keys_file, count * KEY_BYTES), (self.file, count * self._record_bytes)):
            if path.exists() and path.stat().st_size != size:
                os.truncate(path, size)
        return [key.hex() for key in cut[:count]]

    def check_space(self, more: int, what: str, remedy: str) -> None:
        """Refuse to begin what the disk has no room for.

        Args:
            more: records about to be appended.

        Raises:
            LookalikeError: naming what is needed and what is free.
        """
        require_room(self.file.parent, more * self._record_bytes, what, remedy)

    def appending(self) -> RecordWriter:
        """A writer; use it as a context manager."""
        return RecordWriter(self, self.file, self._keys_file, self._record_bytes)


class RecordWriter:
    """Appends records; their keys follow within SYNC_SECONDS, when the records are on disk."""

    def __init__(self, records: RecordFile, file: Path, keys_file: Path, record_bytes: int) -> None:
        self._records, self._record_bytes = records, record_bytes
        self._paths = (file, keys_file)
        self._files: list[BinaryIO] = []
        self._keys = b""
        self._synced = time.monotonic()

    def __enter__(self) -> RecordWriter:
        self._files = [path.open("ab", buffering=0) for path in self._paths]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._write_keys()
        finally:
            for file in self._files:
                file.close()

    def append(self, sha256: str, record: bytes) -> None:
        """Add one record.

        Raises:
            ValueError: it has another size than the file's records.
            OSError: the disk is full; what was written before stays usable.
        """
        if len(record) != self._record_bytes:
            raise ValueError(f"records of {self._records.file.name} have {self._record_bytes} bytes, not {len(record)}")
        _write_all(self._files[0], record)
        self._records.rows[sha256] = len(self._records.rows)
        self._keys += bytes.fromhex(sha256)
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self._write_keys()

    def _write_keys(self) -> None:
        if not self._keys:
            return
        keys, self._keys = self._keys, b""  # where the sync fails, their records are lost
        os.fsync(self._files[0].fileno())
        _write_all(self._files[1], keys)
        os.fsync(self._files[1].fileno())
        self._synced = time.monotonic()


def _write_all(file: BinaryIO, content: bytes) -> None:
    view = memoryview(content)
    while view:  # a raw write may take only a part
        view = view[file.write(view) :]
