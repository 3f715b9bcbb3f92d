"""Decode strangers' photos in separate processes, each with a limit on memory and time: a fault there costs one answer.

The parent (`DecodeWorkers`, in the server) and a worker (`serve`, a process that imports Pillow and nothing heavier)
speak over one socket. A request is `_REQUEST` (length of the file, `fit` or 0) and the file; a reply is `_REPLY`
(0, width, height, length of the pixels) and the RGB pixels, or (1, 0, 0, length) and "code\\nreason". The parent
believes no number in a reply before it has checked it, kills a worker that is late or talks nonsense, and starts
another at once. A worker ends when its parent does, since the socket then closes.
"""

from __future__ import annotations

import math
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from PIL import Image

from catalog.errors import BadImage
from catalog.image import UPLOAD_LIMITS, ImageLimits, decode_photo
from catalog.memory_bound import address_space

MEMORY_LIMIT = 480_000_000
"""Bytes of address space that a worker may take above what it has after starting. What it then reads of its libraries
for the first time comes on top of that in memory: 500 MB in all."""

_REQUEST = struct.Struct(">QI")
_REPLY = struct.Struct(">BIIQ")
_MAX_MESSAGE = 2000
_CODE = re.compile(r"[a-z][a-z-]{0,40}")
_START = "import sys; sys.path.insert(0, sys.argv[1]); from catalog.decode_worker import serve; serve(sys.argv[2:])"
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ")


class DecodeWorkers:
    """A pool of decoding processes, for uploads.

    Safe to use from many threads; a call waits for a free worker. Close it, or use it in a `with` statement.

    Args:
        count: how many processes.
        limits: what a photo may cost before it is decoded.
        timeout_s: seconds from the moment a worker has the photo to its answer.
        memory_bytes: address space that a worker may take above its start.
    """

    def __init__(
        self,
        count: int = 2,
        limits: ImageLimits = UPLOAD_LIMITS,
        timeout_s: float = 10.0,
        memory_bytes: int = MEMORY_LIMIT,
    ) -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1; it is {count}")
        self._limits = limits
        self._timeout_s = timeout_s
        self._closed = False
        self._changed = threading.Condition()
        self._workers = [_Worker(limits, timeout_s, memory_bytes) for _ in range(count)]
        self._free = list(self._workers)

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the workers that run now."""
        return tuple(worker.process.pid for worker in self._workers)

    def decode(self, data: bytes, fit: int | None = None) -> Image.Image:
        """The RGB picture in an upload; see `catalog.image.decode_photo`.

        Raises:
            BadImage: whatever is wrong with the photo, or "decoder-failed", "decoder-timeout", "out-of-memory".
        """
        if len(data) > self._limits.max_bytes:
            decode_photo(data, limits=self._limits)  # refuses it, in the usual words
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._closed)
            if self._closed:
                raise BadImage("decoder-failed", "photos can no longer be decoded: the server is closing")
            worker = self._free.pop()
        try:
            return worker.decode(data, fit, self._timeout_s)
        finally:
            if worker.broken:
                with suppress(OSError):  # no process to be had just now: tried again with the next photo
                    worker.restart()
            with self._changed:
                if self._closed:
                    worker.stop()
                self._free.append(worker)
                self._changed.notify()

    def close(self) -> None:
        """End all workers; a photo that is being decoded is given up."""
        with self._changed:
            self._closed = True
            for worker in self._workers:
                worker.stop()
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Worker:
    """The parent's side of one worker; used by one thread at a time."""

    def __init__(self, limits: ImageLimits, timeout_s: float, memory_bytes: int) -> None:
        self._max_pixels = limits.max_decoded_pixels
        names = (
            "max_bytes",
            "max_header_pixels",
            "max_decoded_pixels",
            "max_progressive_pixels",
            "max_side",
            "min_side",
        )
        settings = [math.ceil(timeout_s), memory_bytes, *(getattr(limits, name) for name in names)]
        package_folder = str(Path(__file__).resolve().parent.parent)
        self._command = [sys.executable, "-I", "-c", _START, package_folder, *map(str, settings)]
        self._start()

    def _start(self) -> None:
        """Start a process; takes a tenth of a second until it answers, during which nobody waits."""
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                self._command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl+C at the terminal is for the server to handle
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            )
        self._socket = ours
        self.broken = False

    def stop(self) -> None:
        """End the process, whatever state it is in, and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        self._socket.close()

    def restart(self) -> None:
        """Put a fresh process in place of this one."""
        self.stop()
        self._start()

    def decode(self, data: bytes, fit: int | None, timeout_s: float) -> Image.Image:
        """Send one photo, wait for its pixels; sets `broken` when this process must not be used again."""
        self.broken = True
        try:
            if self.process.poll() is not None:
                self.restart()  # it died while it had nothing to do: no reason to lose this photo
                self.broken = True
            deadline = time.monotonic() + timeout_s
            self._socket.settimeout(timeout_s)
            self._socket.sendall(_REQUEST.pack(len(data), fit or 0))
            self._socket.sendall(data)
            status, width, height, length = _REPLY.unpack(self._receive(_REPLY.size, deadline))
            pixels = width * height
            if status == 0 and 0 < pixels <= self._max_pixels and length == 3 * pixels:
                picture = Image.frombytes("RGB", (width, height), self._receive(length, deadline))
                self.broken = False
                return picture
            if status == 1 and length <= _MAX_MESSAGE:
                code, _, reason = self._receive(length, deadline).decode("utf-8", "replace").partition("\n")
                if _CODE.fullmatch(code) and reason.isprintable():
                    self.broken = code == "out-of-memory"  # its memory may be in pieces
                    raise BadImage(code, reason)
        except TimeoutError:
            raise BadImage(
                "decoder-timeout", f"decoding took longer than {timeout_s:g} s: save the photo smaller or anew"
            ) from None
        except OSError:
            pass
        raise BadImage("decoder-failed", "the photo made its decoder fail: save it anew as JPEG or PNG")

    def _receive(self, length: int, deadline: float) -> bytearray:
        """Exactly so many bytes from the worker.

        Raises:
            OSError: the worker closed the connection; TimeoutError: the deadline passed.
        """
        received = bytearray(length)
        view = memoryview(received)
        while view:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            count = self._socket.recv_into(view)
            if count == 0:
                raise ConnectionResetError
            view = view[count:]
        return received


def serve(settings: list[str]) -> None:
    """A worker's whole life: limit itself, then answer requests on standard input until it is closed.

    Args:
        settings: the time limit in seconds, the memory limit in bytes, and the fields of `ImageLimits`, in order.
    """
    timeout_s, memory_bytes, *numbers = (int(text) for text in settings)
    max_bytes, max_header_pixels, max_decoded_pixels, max_progressive_pixels, max_side, min_side = numbers
    limits = ImageLimits(
        max_bytes=max_bytes,
        max_header_pixels=max_header_pixels,
        max_decoded_pixels=max_decoded_pixels,
        max_progressive_pixels=max_progressive_pixels,
        max_side=max_side,
        min_side=min_side,
    )
    _limit_self(memory_bytes)
    connection = socket.socket(fileno=0)
    while True:
        header = connection.recv(_REQUEST.size, socket.MSG_WAITALL)
        if len(header) < _REQUEST.size:
            return  # the parent is gone
        length, fit = _REQUEST.unpack(header)
        signal.alarm(2 * timeout_s + 1)  # in case the parent dies meanwhile and so cannot end this process
        try:
            status, width, height, body = _answer(connection, length, fit, limits)
        except MemoryError:
            status, width, height = 1, 0, 0
            body = b"out-of-memory\nthe photo takes more memory to decode than it may: save it smaller"
        signal.alarm(0)
        connection.sendall(_REPLY.pack(status, width, height, len(body)))
        connection.sendall(body)
        del body


def _answer(connection: socket.socket, length: int, fit: int, limits: ImageLimits) -> tuple[int, int, int, bytes]:
    """Receive one photo and decode it: status, width, height and the reply's body."""
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            raise SystemExit  # the parent is gone
        view = view[count:]
    view.release()
    try:
        image = decode_photo(bytes(data), fit=fit or None, limits=limits).image
    except BadImage as error:
        return 1, 0, 0, f"{error.code}\n{error.reason}".encode()[:_MAX_MESSAGE]
    return 0, image.width, image.height, image.tobytes()


def _limit_self(memory_bytes: int) -> None:
    """Bound what this process may do from now on: memory, no new files, no core dumps with photos in them."""
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + memory_bytes,) * 2)  # from zero where it is not known
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
