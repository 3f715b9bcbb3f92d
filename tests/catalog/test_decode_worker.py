"""Decoding in processes of their own: whatever a photo does to its worker, it costs one answer."""

from __future__ import annotations

import gc
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import catalog.decode_worker as module
from catalog.decode_worker import DecodeWorkers
from catalog.errors import BadImage
from catalog.image import ImageLimits, decode_upload


def photo(width: int = 640, height: int = 480, image_format: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    stream = BytesIO()
    image = Image.linear_gradient("L").resize((width, height)).convert(mode)
    if mode.endswith("A"):
        image.putalpha(image.getchannel(0))
    image.save(stream, image_format, **options)
    return stream.getvalue()


GOOD = photo()


@pytest.fixture
def workers() -> Iterator[DecodeWorkers]:
    with DecodeWorkers(1) as pool:
        yield pool


def refusal(pool: DecodeWorkers, data: bytes) -> str:
    with pytest.raises(BadImage) as caught:
        pool.decode(data)
    assert caught.value.reason.isprintable() and "/" not in caught.value.reason
    return caught.value.code


def works_again_at_once(pool: DecodeWorkers) -> None:
    started = time.monotonic()
    assert pool.decode(GOOD).size == (640, 480)
    assert time.monotonic() - started < 3  # 0.2 s on an idle machine


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_the_pixels_are_those_of_the_decoder(workers: DecodeWorkers) -> None:
    for data in (GOOD, photo(image_format="PNG", mode="LA"), photo(33, 77, "WEBP")):
        for fit in (None, 100):
            assert workers.decode(data, fit).tobytes() == decode_upload(data, fit).tobytes()


def test_a_bad_photo_is_refused_by_the_same_process(workers: DecodeWorkers) -> None:
    processes = workers.processes
    assert refusal(workers, GOOD[:3000]) == "truncated"
    assert refusal(workers, b"<html>") == "unsupported-format"
    assert refusal(workers, b"") == "empty"
    assert refusal(workers, bytes(20 * 2**20 + 1)) == "too-large"
    works_again_at_once(workers)
    assert workers.processes == processes


def test_the_largest_upload_goes_through(workers: DecodeWorkers) -> None:
    data = GOOD + bytes(20 * 2**20 - len(GOOD))
    assert workers.decode(data).size == (640, 480)


@pytest.mark.parametrize(
    "options",
    [
        {"image_format": "WEBP", "mode": "RGBA", "quality": 10, "method": 1},
        {"image_format": "JPEG", "progressive": True},
        {"image_format": "PNG", "mode": "RGBA", "compress_level": 1},
    ],
)
def test_photos_of_25_million_pixels_fit_into_the_memory(options: dict[str, Any]) -> None:
    with DecodeWorkers(1) as pool:
        assert pool.decode(photo(5000, 5000, **options)).size == (5000, 5000)


def test_starting_takes_less_than_half_a_second_of_work() -> None:
    with DecodeWorkers(1) as pool:
        pool.decode(GOOD)
        fields = Path(f"/proc/{pool.processes[0]}/stat").read_text().rpartition(")")[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    assert used < 0.5


def test_a_worker_that_dies_while_it_decodes(workers: DecodeWorkers) -> None:
    os.kill(workers.processes[0], signal.SIGSTOP)  # so that it surely has not answered yet
    victim = workers.processes[0]
    killer = threading.Timer(0.2, os.kill, (victim, signal.SIGKILL))
    killer.start()
    assert refusal(workers, GOOD) == "decoder-failed"
    killer.join()
    works_again_at_once(workers)
    assert workers.processes[0] != victim and not is_running(victim)


def test_a_worker_that_dies_while_it_waits_costs_nothing(workers: DecodeWorkers) -> None:
    victim = workers.processes[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not is_running(victim))
    works_again_at_once(workers)


def test_a_worker_that_hangs() -> None:
    with DecodeWorkers(1, timeout_s=0.5) as pool:
        pool.decode(GOOD)
        victim = pool.processes[0]
        os.kill(victim, signal.SIGSTOP)
        started = time.monotonic()
        assert refusal(pool, GOOD) == "decoder-timeout"
        assert time.monotonic() - started < 1.5
        assert not is_running(victim)
    with DecodeWorkers(1, timeout_s=0.5) as pool:
        pool.decode(GOOD)
        os.kill(pool.processes[0], signal.SIGSTOP)
        assert refusal(pool, GOOD + bytes(10 * 2**20)) == "decoder-timeout"  # more than the pipe holds


def test_a_photo_that_takes_too_much_memory() -> None:
    big = photo(5000, 5000, "PNG", compress_level=1)
    with DecodeWorkers(1, memory_bytes=100_000_000) as pool:
        pool.decode(GOOD)
        victim = pool.processes[0]
        assert refusal(pool, big) == "out-of-memory"
        works_again_at_once(pool)
        assert pool.processes[0] != victim


def start_liars(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    """From now on, workers answer with the given bytes, whatever they are asked."""
    code = (
        "import socket, time; s = socket.socket(fileno=0); s.recv(10);"
        f"s.sendall({answer!r}); s.shutdown(socket.SHUT_WR); time.sleep(60)"
    )
    real = subprocess.Popen

    def lie(command: list[str], **options: Any) -> Any:
        return real([sys.executable, "-S", "-c", code], **options)

    monkeypatch.setattr(subprocess, "Popen", lie)


REPLY = struct.Struct(">BIIQ")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0",
        b"HTTP/1.1 200 OK\r\n\r\n whatever it says",
        REPLY.pack(0, 10, 10, 299) + bytes(299),
        REPLY.pack(0, 10, 10, 300) + bytes(200),
        REPLY.pack(0, 0, 0, 0),
        REPLY.pack(0, 2**31, 2**31, 3 * 2**62),
        REPLY.pack(0, 5001, 5000, 3 * 5001 * 5000),
        REPLY.pack(1, 0, 0, 2**60),
        REPLY.pack(1, 0, 0, 9) + b"Not\x1b[a code",
        REPLY.pack(1, 0, 0, 14) + b"code\nline\nline",
        REPLY.pack(7, 10, 10, 300) + bytes(300),
    ],
)
def test_nothing_that_a_worker_says_is_believed(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    with DecodeWorkers(1, timeout_s=5) as pool:
        start_liars(monkeypatch, answer)
        os.kill(pool.processes[0], signal.SIGKILL)
        wait_until(lambda: not is_running(pool.processes[0]))
        assert refusal(pool, GOOD) == "decoder-failed"
        monkeypatch.undo()
        assert refusal(pool, GOOD) == "decoder-failed"  # the next liar, which was started meanwhile
        works_again_at_once(pool)


def test_many_threads_share_a_few_workers() -> None:
    with DecodeWorkers(2) as pool, ThreadPoolExecutor(8) as threads:
        sizes = [(40 + n, 30 + n) for n in range(60)]
        found = threads.map(lambda size: pool.decode(photo(*size)).size, sizes)
        assert list(found) == sizes


def test_one_bad_photo_does_not_disturb_the_others() -> None:
    with DecodeWorkers(2) as pool, ThreadPoolExecutor(4) as threads:
        jobs = [GOOD, GOOD[:2000]] * 20

        def decode(data: bytes) -> str:
            try:
                return str(pool.decode(data).size)
            except BadImage as error:
                return error.code

        assert list(threads.map(decode, jobs)) == ["(640, 480)", "truncated"] * 20


def test_limits_are_passed_on() -> None:
    with DecodeWorkers(1, limits=ImageLimits(max_bytes=2**20, min_side=500)) as pool:
        assert refusal(pool, GOOD) == "too-small"


def test_closing_ends_the_processes_and_those_who_wait() -> None:
    pool = DecodeWorkers(1)
    pool.decode(GOOD)
    processes = pool.processes
    os.kill(processes[0], signal.SIGSTOP)
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(refusal, pool, GOOD) for _ in range(3)]
        wait_until(lambda: not pool._free)
        pool.close()
        assert [job.result(timeout=5) for job in waiting] == ["decoder-failed"] * 3
    assert not any(map(is_running, (*processes, *pool.processes)))
    assert refusal(pool, GOOD) == "decoder-failed"
    pool.close()


def test_no_process_and_no_file_handle_is_left() -> None:
    with DecodeWorkers(1):
        pass
    gc.collect()  # what earlier tests left open is not counted
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with DecodeWorkers(2) as pool:
            os.kill(pool.processes[0], signal.SIGKILL)
            for _ in range(3):
                pool.decode(GOOD)
    assert len(os.listdir("/proc/self/fd")) == before


def test_workers_end_when_their_parent_is_killed() -> None:
    code = (
        "import time; from catalog.decode_worker import DecodeWorkers\n"
        "print(*DecodeWorkers(2).processes, flush=True); time.sleep(60)"
    )
    folder = str(Path(module.__file__).parent.parent)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": folder}
    ) as parent:
        assert parent.stdout is not None
        pids = [int(text) for text in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    wait_until(lambda: not any(map(is_running, pids)))


def test_there_must_be_a_worker() -> None:
    with pytest.raises(ValueError, match="count"):
        DecodeWorkers(0)
