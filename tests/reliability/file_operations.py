"""What this process does to the files of a folder, call by call: recorded, refused at one call, or undone by a power
loss.

`Watch` sees what Python does (`os`, `open`); what native code does by itself (pyarrow writes Parquet files) it sees
at the next call, as a file that has changed. `Disk` replays what was seen and knows what POSIX promises: a file's
content is durable once the file was synced, a name (new, renamed or removed) once its folder was.
"""

from __future__ import annotations

import builtins
import fcntl
import io
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from unittest.mock import patch

Kind = Literal["open", "create", "write", "truncate", "fsync", "mkdir", "rename", "unlink", "rmdir"]
Fate = Literal["kept", "dropped", "halved", "zeroed", "mixed"]
"""What becomes of all that is not durable. "kept" is a killed process: the system has everything. "mixed" draws for
each name whether it is there, and for each content one of the others."""
FATES: tuple[Fate, ...] = ("kept", "dropped", "halved", "zeroed", "mixed")
LARGE = 2**20
"""Bytes from which a file is linked rather than copied: an encoder, which is never written in place."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One change, or an `open` that changed nothing. Paths are relative to the watched folder."""

    kind: Kind
    path: str
    to: str = ""
    offset: int = 0
    data: bytes = b""


class Watch:
    """Within it, every call on a file in a folder is told to `before`, which may raise, then done and recorded."""

    def __init__(self, folder: Path, before: Callable[[Operation], None] = lambda operation: None) -> None:
        self._root = os.path.realpath(folder)
        self._before = before
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._lock = threading.RLock()
        self._patches = ExitStack()
        self.operations: list[Operation] = []

    def __enter__(self) -> Watch:
        self._stamps = dict(self._walk())
        names = "open write pwrite sendfile ftruncate truncate fsync mkdir rename replace unlink remove rmdir"
        real = {name: getattr(os, name) for name in names.split() if hasattr(os, name)}
        replaced = {"replace": "rename", "remove": "unlink"}
        for name, function in real.items():
            ours = getattr(self, f"_{replaced.get(name, name)}")
            self._patches.enter_context(patch.object(os, name, _bound(ours, function)))
        ours = _bound(self._open_file, builtins.open)
        self._patches.enter_context(patch.object(builtins, "open", ours))
        self._patches.enter_context(patch.object(io, "open", ours))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patches.close()
        self._notice()

    def done(self, operation: Operation) -> None:
        """Record a call that has been made."""
        with self._lock:
            self.operations.append(operation)
            for path in filter(None, (operation.path, operation.to)):
                self._stamps.pop(path, None)
                full = os.path.join(self._root, path)
                if os.path.lexists(full):
                    self._stamps[path] = _stamp(full)

    def about_to(self, operation: Operation) -> None:
        """Before a call: what native code did in the meantime is recorded first."""
        with self._lock:
            self._notice()
            self._before(operation)

    def relative(self, path: Any, dir_fd: int | None = None) -> str | None:
        """Of a path or a file descriptor in the watched folder; None of any other."""
        if isinstance(path, int):
            full = _path_of(path)
        else:
            full = os.path.join(_path_of(dir_fd) if dir_fd is not None else os.getcwd(), os.fsdecode(path))
            full = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        return os.path.relpath(full, self._root) if full == self._root or full.startswith(self._root + "/") else None

    def _walk(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        for folder, _, files in os.walk(self._root):
            for path in [folder, *(os.path.join(folder, name) for name in files)]:
                yield os.path.relpath(path, self._root), _stamp(path)

    def _notice(self) -> None:
        """Record what has changed without a call of Python's."""
        found = dict(self._walk())
        for path in sorted(self._stamps.keys() - found.keys(), reverse=True):
            self.done(Operation("unlink", path))
        for path, stamp in sorted(found.items()):
            full, before = os.path.join(self._root, path), self._stamps.get(path)
            if stamp == before:
                continue
            if os.path.isdir(full):
                self.done(Operation("mkdir", path))
                continue
            self.done(Operation("create" if before is None else "truncate", path))
            self.done(Operation("write", path, data=Path(full).read_bytes() if stamp[0] else b""))

    def _simple(self, operation: Operation, call: Callable[[], Any]) -> Any:
        self.about_to(operation)
        result = call()
        self.done(operation)
        return result

    def _open(self, real: Any, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        name = self.relative(path, dir_fd)
        if name is None:
            return int(real(path, flags, mode, dir_fd=dir_fd))
        there = os.path.lexists(os.path.join(self._root, name))
        kind: Kind = "create" if flags & os.O_CREAT and not there else "truncate" if flags & os.O_TRUNC else "open"
        return int(self._simple(Operation(kind, name), lambda: real(path, flags, mode, dir_fd=dir_fd)))

    def _open_file(self, real: Any, file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
        name = None if isinstance(file, int) else self.relative(file)
        if name is None:
            return real(file, mode, buffering, *args, **kwargs)
        if not set(mode) & set("wax+"):
            return self._simple(Operation("open", name), lambda: real(file, mode, buffering, *args, **kwargs))
        raw = _WatchedFile(self, os.path.join(self._root, name), name, mode.replace("b", "").replace("t", ""))
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *args, **kwargs)

    def _write(self, real: Any, descriptor: int, data: Any) -> int:
        return self._pwrite(lambda *given: real(*given[:2]), descriptor, data, -1)

    def _pwrite(self, real: Any, descriptor: int, data: Any, offset: int) -> int:
        name = self.relative(descriptor)
        if name is None:
            return int(real(descriptor, data, offset))
        place = os.lseek(descriptor, 0, os.SEEK_CUR) if offset < 0 else offset
        self.about_to(Operation("write", name, offset=place))
        written = int(real(descriptor, data, offset))
        self.done(Operation("write", name, offset=place, data=bytes(data)[:written]))
        return written

    def _sendfile(self, real: Any, to: int, *args: Any, **kwargs: Any) -> int:
        name = self.relative(to)
        if name is None:
            return int(real(to, *args, **kwargs))
        place = os.lseek(to, 0, os.SEEK_CUR)
        self.about_to(Operation("write", name, offset=place))
        count = int(real(to, *args, **kwargs))
        if count:
            with io.FileIO(os.path.join(self._root, name)) as file:
                self.done(Operation("write", name, offset=place, data=os.pread(file.fileno(), count, place)))
        return count

    def _ftruncate(self, real: Any, descriptor: int, length: int) -> None:
        self._truncate(real, descriptor, length)

    def _truncate(self, real: Any, path: Any, length: int) -> None:
        name = self.relative(path)
        if name is None:
            real(path, length)
        else:
            self._simple(Operation("truncate", name, offset=length), lambda: real(path, length))

    def _fsync(self, real: Any, descriptor: int) -> None:
        name = self.relative(descriptor)
        if name is None:
            real(descriptor)
        else:
            self._simple(Operation("fsync", name), lambda: real(descriptor))

    def _mkdir(self, real: Any, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        self._on_name("mkdir", real, path, mode, dir_fd=dir_fd)

    def _unlink(self, real: Any, path: Any, *, dir_fd: int | None = None) -> None:
        self._on_name("unlink", real, path, dir_fd=dir_fd)

    def _rmdir(self, real: Any, path: Any, *, dir_fd: int | None = None) -> None:
        self._on_name("rmdir", real, path, dir_fd=dir_fd)

    def _on_name(self, kind: Kind, real: Any, path: Any, *args: Any, dir_fd: int | None) -> None:
        name = self.relative(path, dir_fd)
        if name is None:
            real(path, *args, dir_fd=dir_fd)
        else:
            self._simple(Operation(kind, name), lambda: real(path, *args, dir_fd=dir_fd))

    def _rename(self, real: Any, source: Any, target: Any) -> None:
        name, to = self.relative(source), self.relative(target)
        if name is None or to is None:
            real(source, target)
        else:
            self._simple(Operation("rename", name, to=to), lambda: real(source, target))
            if os.path.isdir(target):  # the names in it have moved along
                self._stamps = dict(self._walk())


def _bound(ours: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    """A function in the place of the real one, which it is given first."""
    return lambda *args, **kwargs: ours(real, *args, **kwargs)


def _path_of(descriptor: int) -> str:
    if os.path.isdir("/proc/self/fd"):
        return os.readlink(f"/proc/self/fd/{descriptor}")
    f_getpath = fcntl.F_GETPATH  # type: ignore[attr-defined]  # macOS
    return os.fsdecode(fcntl.fcntl(descriptor, f_getpath, bytes(1024)).rstrip(b"\0"))


def _stamp(path: str) -> tuple[int, ...]:
    """Differs when a file's content has changed; of a folder always the same."""
    status = os.lstat(path)
    return (0,) if os.path.isdir(path) else (status.st_size, status.st_mtime_ns, status.st_ino)


class _WatchedFile(io.FileIO):
    """A file opened for writing."""

    def __init__(self, watch: Watch, path: str, name: str, mode: str) -> None:
        self._watch, self._name = watch, name
        kind: Kind = "create" if not os.path.lexists(path) else "truncate" if "w" in mode else "open"
        watch.about_to(Operation(kind, name))
        super().__init__(path, mode)
        watch.done(Operation(kind, name))
        self._appends = "a" in mode

    def write(self, data: Any) -> int:
        place = os.fstat(self.fileno()).st_size if self._appends else self.tell()
        self._watch.about_to(Operation("write", self._name, offset=place))
        written = super().write(data) or 0
        self._watch.done(Operation("write", self._name, offset=place, data=bytes(memoryview(data).cast("B")[:written])))
        return written


@dataclass(eq=False)
class _File:
    content: bytearray
    durable: bytes
    least: int
    """The smallest size since the last sync."""
    unsynced: list[tuple[int, int]] = field(default_factory=list)
    """From where to where was written since then."""

    def after(self, fate: Fate) -> bytes:
        synced = not self.unsynced and self.least == len(self.durable)
        if fate == "dropped" or synced:
            return self.durable
        if fate == "kept":
            return bytes(self.content)
        left = bytearray(self.durable[: self.least])
        total = sum(end - start for start, end in self.unsynced)
        room = total if fate == "zeroed" else total // 2
        for start, end in self.unsynced:
            end = min(end, start + room)
            room -= end - start
            left.extend(bytes(max(0, end - len(left))))
            left[start:end] = bytes(end - start) if fate == "zeroed" else self.content[start:end]
        return bytes(left)


@dataclass(eq=False)
class _Folder:
    names: dict[str, _File | _Folder] = field(default_factory=dict)
    durable: dict[str, _File | _Folder] = field(default_factory=dict)
    unsynced: list[tuple[str, str, _File | _Folder | None]] = field(default_factory=list)
    """Changes since the last sync: a name that went, a name that came, and what it names."""

    def change(self, gone: str, come: str, node: _File | _Folder | None = None) -> None:
        _change(self.names, gone, come, node)
        self.unsynced.append((gone, come, node))


def _change(names: dict[str, _File | _Folder], gone: str, come: str, node: _File | _Folder | None) -> None:
    names.pop(gone, None)
    if node is not None:
        names[come] = node


class Disk:
    """A folder's files while operations come in: as programs see them, and what a power loss would leave.

    All that lies in the folder at the beginning is durable.
    """

    def __init__(self, folder: Path, large: Path) -> None:
        """
        Args:
            large: a folder for the content of large files, on the same file system as what is written.
        """
        self._large = large
        self._kept: dict[int, tuple[bytes, Path]] = {}
        self._root = self._read(folder)

    def _read(self, folder: Path) -> _Folder:
        read = _Folder()
        for path in folder.iterdir():
            if path.is_dir():
                read.durable[path.name] = self._read(path)
            else:
                content = path.read_bytes()
                read.durable[path.name] = _File(bytearray(content), content, len(content))
        read.names = dict(read.durable)
        return read

    def _folder(self, path: str) -> tuple[_Folder, str]:
        """The folder that a path lies in, and its name there."""
        folder, (*parents, name) = self._root, path.split("/")
        for parent in parents:
            folder = folder.names[parent]  # type: ignore[assignment]
        return folder, name

    def do(self, operation: Operation) -> None:
        """Take in what was done."""
        folder, name = self._folder(operation.path)
        node = self._root if operation.path == "." else folder.names.get(name)
        match operation.kind:
            case "create":
                folder.change("", name, _File(bytearray(), b"", 0))
            case "mkdir":
                folder.change("", name, _Folder())
            case "unlink" | "rmdir":
                folder.change(name, "")
            case "rename":
                to, new = self._folder(operation.to)
                assert node is not None and to is folder
                folder.change(name, new, node)
            case "write":
                assert isinstance(node, _File)
                end = operation.offset + len(operation.data)
                node.content[operation.offset : end] = operation.data
                node.unsynced.append((operation.offset, end))
            case "truncate":
                assert isinstance(node, _File)
                del node.content[operation.offset :]
                node.least = min(node.least, operation.offset)
                node.unsynced = [(start, min(end, node.least)) for start, end in node.unsynced if start < node.least]
            case "fsync" if isinstance(node, _File):
                if node.unsynced or node.durable != node.content:
                    node.durable = bytes(node.content)
                node.least, node.unsynced = len(node.durable), []
            case "fsync":
                assert isinstance(node, _Folder)
                node.durable, node.unsynced = dict(node.names), []

    def leave(self, target: Path, fate: Fate, seed: int = 0) -> None:
        """Write what is left after a crash now."""
        self._leave(self._root, target, fate, random.Random(seed))

    def _leave(self, folder: _Folder, target: Path, fate: Fate, drawn: random.Random) -> None:
        target.mkdir()
        names = dict(folder.durable)
        for gone, come, node in folder.unsynced:
            if drawn.random() < 0.5 if fate == "mixed" else fate != "dropped":
                _change(names, gone, come, node)
        for name, node in sorted(names.items()):
            if isinstance(node, _Folder):
                self._leave(node, target / name, fate, drawn)
            else:
                content = node.after(drawn.choice(FATES[:4]) if fate == "mixed" else fate)
                if content is node.durable and len(content) >= LARGE:
                    self._link(content, target / name)
                else:
                    (target / name).write_bytes(content)

    def _link(self, content: bytes, path: Path) -> None:
        if id(content) not in self._kept:
            kept = self._large / str(len(self._kept))
            kept.write_bytes(content)
            self._kept[id(content)] = (content, kept)
        path.hardlink_to(self._kept[id(content)][1])
