"""Part files: vectors that a process of `embed` has made, on their way into an encoder's cache (index/embed.py).

A part holds vectors and whose they are: the SHA-256 of the rest, the SHA-256s of N photos, N vectors. So it is good
for something whoever made it, and whenever it is found. It is written whole or not at all, and removed once its vectors
are in the cache.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from catalog import atomic
from catalog.records import KEY_BYTES, RecordFile
from index.vectors import Blocks, Floats, is_of_unit_norm

SUFFIX = ".part"


@dataclass(frozen=True, slots=True)
class Part:
    """The vectors of N photos."""

    keys: list[str]
    """Their SHA-256s, in hexadecimal."""
    vectors: Floats
    """(N, D)."""


class PartWriter:
    """Puts vectors into part files: one for each so many, and one for what is left at the end, however that comes.

    Args:
        folder: of the parts.
        name: how their names begin; no other writer's do, and names are in the order of those of all writers.
        count: vectors in a part.
    """

    def __init__(self, folder: Path, name: str, count: int) -> None:
        self._folder, self._name, self._count = folder, name, count
        self._keys: list[bytes] = []
        self._vectors: list[bytes] = []
        self._written = 0

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()

    def append(self, sha256: str, vector: bytes) -> None:
        """Add the vector of a photo."""
        self._keys.append(bytes.fromhex(sha256))
        self._vectors.append(vector)
        if len(self._keys) == self._count:
            self._write()

    def _write(self) -> None:
        if not self._keys:
            return
        self._folder.mkdir(exist_ok=True)
        content = b"".join([*self._keys, *self._vectors])
        file = self._folder / f"{self._name}-{self._written:08d}{SUFFIX}"
        atomic.write_bytes(file, hashlib.sha256(content).digest() + content)
        self._written += 1
        self._keys.clear()
        self._vectors.clear()


def read_part(file: Path, blocks: Blocks) -> Part | None:
    """What a part file holds; None where it is damaged, or its vectors are none of these blocks."""
    data = file.read_bytes()
    digest, content = data[:KEY_BYTES], data[KEY_BYTES:]
    width = sum(blocks.values())
    count, rest = divmod(len(content), KEY_BYTES + 4 * width)
    if rest or hashlib.sha256(content).digest() != digest:
        return None
    vectors = np.frombuffer(content, np.float32, offset=count * KEY_BYTES).reshape(count, width)
    if not is_of_unit_norm(vectors, blocks):
        return None
    return Part([content[i : i + KEY_BYTES].hex() for i in range(0, count * KEY_BYTES, KEY_BYTES)], vectors)


def join_parts(folder: Path, cache: RecordFile, blocks: Blocks) -> None:
    """Move what all parts in a folder hold into the cache. To be called under the store's lock.

    A part is removed when its vectors are on the disk; a damaged one is removed, so that its photos count as not
    embedded. A kill between the two leaves a part whose vectors are in the cache already.
    """
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        part = read_part(file, blocks)
        if part is not None:
            with cache.appending() as writer:
                for key, vector in zip(part.keys, part.vectors, strict=True):
                    if key not in cache.rows:
                        writer.append(key, vector.tobytes())
        file.unlink()
    with suppress(OSError):  # there is none; or a process that outlived its run has just written another part
        folder.rmdir()
