"""A real `lookalike serve` in a process of its own, and what it and its workers hold: memory, files, handles."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from catalog.config import ScanConfig
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from tests.small_run import leave_run, leave_start
from tests.ui.conftest import draw_photo

AUDIT = """
import sys
def heard(event, arguments, out=open({file!r}, "a", buffering=1)):
    if event in ("socket.connect", "socket.sendto", "socket.gethostbyname", "socket.getaddrinfo"):
        print(event, *arguments[-1:] if event == "socket.connect" else arguments[:1], file=out)
sys.addaudithook(heard)
"""
ROOT = Path(__file__).parents[2]
PRODUCTS = 24
OPEN = ("01", "08")
"""States of a socket in /proc/net/tcp: established, and closed by the other side only."""


def small_store(folder: Path, *, encoder: str = "imagenet") -> Path:
    """A store of 24 products, and one version of it.

    Args:
        encoder: "imagenet", or "small" for a quick one; then there are two runs, "one" and "two", and "one" is in use.
    """
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for number in range(PRODUCTS):
        (photos / f"{number:02}.jpg").write_bytes(draw_photo(number))
    root = folder / "store"
    scan(ScanConfig(catalog=photos, store=root))
    if encoder == "imagenet":
        leave_start(Store.open(root))
        build_version(IndexConfig(store=root, encoder="imagenet", device="cpu"))
    else:
        leave_run(Store.open(root), "one")
        leave_run(Store.open(root), "two", seed=1)
        build_version(IndexConfig(store=root, run="one", device="cpu"))
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that answers.

    Attributes:
        url: where it is.
        process: it.
        log: what it writes to stderr.
        temporary: its folder for temporary files, in which nobody else writes.
    """

    url: str
    process: subprocess.Popen[str]
    log: Path
    temporary: Path

    def memory(self) -> int:
        """Bytes that the process and its workers hold for themselves; what they share is counted by its part."""
        return sum(_memory(process) for process in self.family())

    def handles(self) -> int:
        """Open files, sockets and pipes of the process and its workers."""
        return sum(len(os.listdir(f"/proc/{process}/fd")) for process in self.family())

    def connections(self) -> int:
        """Connections that somebody holds to it."""
        port = f":{int(self.url.rpartition(':')[2]):04X}"
        lines = Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]
        return sum(line.split()[1].endswith(port) and line.split()[3] in OPEN for line in lines)

    def temporary_files(self) -> int:
        """Files and folders in the folder for temporary ones."""
        return sum(1 for _ in self.temporary.rglob("*"))

    def family(self) -> Sequence[int]:
        """The process and its children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]


def _memory(process: int) -> int:
    text = Path(f"/proc/{process}/smaps_rollup").read_text()
    found = re.search(r"^Pss_Anon:\s+(\d+) kB", text, re.MULTILINE)
    assert found
    return 1024 * int(found[1])


@contextmanager
def served(store: Path, folder: Path, *options: str, audit: Path | None = None) -> Iterator[Served]:
    """A server on any free port, ready to answer; ended afterwards.

    Args:
        folder: for its log and its temporary files.
        options: further ones of the command.
        audit: where to write every address that the process connects to or looks up, a line each.
    """
    run = "import runpy, sys; sys.argv[0] = 'ui'; runpy.run_module('ui', run_name='__main__')"
    temporary = folder / "temporary"
    temporary.mkdir()
    log = folder / "log.txt"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                (AUDIT.format(file=str(audit)) if audit else "") + run,
                "serve",
                "--store",
                str(store),
                "--port",
                "0",
                "--device",
                "cpu",
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
    assert process.stdout
    try:
        said = process.stdout.readline()
        found = re.match(r"Open (http://\S+)", said)
        assert found, said + log.read_text()
        wait_until(lambda: httpx.get(f"{found[1]}/readyz").text == "ready")
        yield Served(url=found[1], process=process, log=log, temporary=temporary)
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_until(true: Callable[[], bool], *, seconds: float = 60) -> float:
    """Ask again and again until it is so; returns the seconds that it took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, "it never came to be"
        time.sleep(0.02)
    return time.monotonic() - begun


def raw(url: str, method: str, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """The status and the body of an answer to a request whose path is sent as it is."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=bool(headers and "Host" in headers))
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
