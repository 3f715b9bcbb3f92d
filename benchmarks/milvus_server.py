"""Milvus servers in processes of their own, which can be killed and started again on what they have written.

"milvus-lite" is Milvus Lite's own server. "milvus" is the real one, from the wheel milvus==2.3.5: the newest that the
package index has, and so a stand-in for a current release; `make test-milvus` installs it and names its Python.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pymilvus import MilvusClient, MilvusException

PYTHON = os.environ.get("LOOKALIKE_MILVUS_PYTHON", "")
"""The Python of an environment with the wheel; empty: there is none."""
KINDS = ("milvus-lite", *(["milvus"] if PYTHON else []))
RUN = """
import socket
import sys
from milvus import MilvusServer, MilvusServerConfig
def bound(config, port):
    try:
        return socket.create_server(("", port))
    except OSError:
        return None
MilvusServerConfig.try_bind_port = bound
server = MilvusServer()
server.set_base_dir(sys.argv[1])
server.listen_port = int(sys.argv[2])
server.start()
print(server.server_proc.pid, flush=True)
server.server_proc.wait()
"""
"""The wheel's own way to try a port takes another where the one before was killed a moment ago."""


class MilvusServer:
    """A server.

    Attributes:
        url: where it is, when it runs.
        folder: where it keeps everything.
        processes: its own, when it runs.
    """

    def __init__(self, kind: str, folder: Path, python: str = PYTHON) -> None:
        """`kind`: one of the KINDS."""
        self._kind, self.folder, self._python = kind, folder, python
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.processes: list[int] = []
        self._running: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        port, folder = str(self._port), str(self.folder)
        lite = [str(Path(sys.executable).with_name("milvus-lite")), "server", "--data-dir", folder, "--port", port]
        command = [self._python, "-c", RUN, folder, port] if self._kind == "milvus" else [*lite, "--host", "127.0.0.1"]
        with (self.folder / "said.txt").open("a") as said:
            self._running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
        self.processes = [self._running.pid]
        if self._kind == "milvus":
            assert self._running.stdout
            started = self._running.stdout.readline()
            assert started, (self.folder / "said.txt").read_text()[-3000:]
            self.processes.insert(0, int(started))
        self._wait()

    def _wait(self) -> None:
        """Until it does what it is asked: the real one answers for a while before it does."""
        limit = time.monotonic() + 120
        while True:
            try:
                client = MilvusClient(self.url, timeout=60)
                client.create_collection("started", dimension=2, timeout=60)
                client.drop_collection("started", timeout=60)
                client.close()
                return
            except MilvusException as error:
                assert time.monotonic() < limit, f"{error}: {(self.folder / 'said.txt').read_text()[-3000:]}"
                time.sleep(0.2)

    def kill(self) -> None:
        """End it by kill -9."""
        for process in self.processes:
            os.kill(process, signal.SIGKILL)
        assert self._running
        self._running.wait()
        self.processes = []


@contextmanager
def milvus_server(kind: str, folder: Path) -> Iterator[MilvusServer]:
    """A server that runs; ended afterwards."""
    server = MilvusServer(kind, folder)
    server.start()
    try:
        yield server
    finally:
        if server.processes:
            server.kill()
