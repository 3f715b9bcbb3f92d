"""`lookalike serve` as a process: it says where it is, ends when told, and loads no more than it needs."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest


@contextmanager
def serving(store: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server on any free port; gives the process and its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ui", "serve", "--store", str(store), "--port", "0", "--device", "cpu", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("told", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_says_where_it_is_and_ends_when_told(store: Path, told: signal.Signals, code: int) -> None:
    with serving(store) as (process, line):
        found = re.match(r"Open (http://127\.0\.0\.1:\d+) \(24 products, version \S+;", line)
        assert found, line
        with httpx.stream("GET", f"{found[1]}/gradio_api/heartbeat/open-page"):  # a page is open
            process.send_signal(told)
            _, errors = process.communicate(timeout=8)
    assert process.returncode == code
    assert "Traceback" not in errors


def test_a_port_in_use_is_one_line(store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "ui", "serve", "--store", str(store), "--port", port],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2 and done.stdout == ""
    assert f"--port must be free; {port} is in use" in done.stderr and done.stderr.count("\n") == 1


def test_serving_on_a_cpu_loads_no_torch(store: Path, photo: bytes, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(photo)
    code = (
        "import sys, pathlib\n"
        "from search.service import SearchService\n"
        "from ui.server import create_app\n"
        "from ui.uploads import Uploads\n"
        "with Uploads() as uploads:\n"
        "    service = SearchService.open(pathlib.Path(sys.argv[1]), device='cpu')\n"
        "    create_app(service, uploads=uploads)\n"
        "    service.search(pathlib.Path(sys.argv[2]).read_bytes())\n"
        "    print('gradio' in sys.modules, 'torch' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(store), str(tmp_path / "photo.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
