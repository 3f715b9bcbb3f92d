"""Decoding is bounded: at most 500 MB above the start for any upload, and a fault costs one answer.

Real workers with the server's own limits; their memory is what the kernel says of them.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from catalog.decode_worker import DecodeWorkers
from catalog.errors import BadImage
from catalog.image import UPLOAD_LIMITS
from tests.catalog.test_image import encoded
from tests.conftest import draw_photo
from tests.reliability.hostile_photos import costly_uploads, slow_upload

GOOD = encoded(draw_photo(0), "JPEG")
MOST = 500_000_000


def memory(process: int) -> tuple[int, int]:
    """Bytes of address space and of memory that a process has had at most; zeros where it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    values = {line.partition(":")[0]: line.split()[1] for line in lines if line.endswith(" kB")}
    return 1024 * int(values.get("VmPeak", 0)), 1024 * int(values.get("VmHWM", 0))


class Watched:
    """What a worker takes above its start, from now until the end of the `with` statement."""

    def __init__(self, pool: DecodeWorkers) -> None:
        pool.decode(GOOD)
        (self._process,) = pool.processes
        self._start = memory(self._process)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.address_space = self.resident = 0

    def _watch(self) -> None:
        while not self._over.wait(0.003):  # the kernel keeps the peak, but not beyond the process's end
            self._look()

    def _look(self) -> None:
        found = memory(self._process)
        self.address_space = max(self.address_space, found[0] - self._start[0])
        self.resident = max(self.resident, found[1] - self._start[1])

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()


def answer(pool: DecodeWorkers, upload: bytes) -> str:
    """The size of the picture, or the refusal's code."""
    try:
        return "{} x {}".format(*pool.decode(upload).size)
    except BadImage as error:
        return error.code


def seconds_to_next(pool: DecodeWorkers) -> float:
    begun = time.monotonic()
    assert answer(pool, GOOD) == "96 x 72"
    return time.monotonic() - begun


def test_no_upload_takes_more_than_500_mb(long: bool, record_figures: Callable[[str, dict[str, Any]], None]) -> None:
    figures: dict[str, dict[str, Any]] = {}
    for name, upload in islice(costly_uploads(), None if long else 7):
        assert len(upload) <= UPLOAD_LIMITS.max_bytes, name
        with DecodeWorkers(1) as pool:
            with Watched(pool) as watched:
                found = answer(pool, upload)
            assert watched.address_space <= MOST, name
            assert watched.resident <= MOST, name
            assert "failed" not in found, name
            figures[name] = {
                "mib": round(len(upload) / 2**20, 1),
                "answer": found,
                "megabytes_above_start": round(watched.resident / 1e6),
                "seconds_to_next_answer": round(seconds_to_next(pool), 2),
            }
    assert max(figure["megabytes_above_start"] for figure in figures.values()) > 150  # or nothing was measured
    record_figures("decode-bounds", figures)


@contextmanager
def killed_while_decoding(pool: DecodeWorkers) -> Iterator[None]:
    """Kill the worker as soon as it has the photo."""
    (process,) = pool.processes
    start = memory(process)[1]

    def kill() -> None:
        while memory(process)[1] < start + 15_000_000:  # it has received most of the photo
            time.sleep(0.001)
        os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    killer.join()


def test_a_worker_that_dies_hangs_or_is_out_of_memory_costs_one_answer(
    long: bool, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    """The next photo is answered within a second: the best of three, since other tests may run beside this one."""
    slow, large = slow_upload(), encoded(Image.new("RGB", (4000, 4000)), "PNG")
    times: dict[str, list[float]] = {}
    for _ in range(30 if long else 3):
        with DecodeWorkers(1) as pool:
            pool.decode(GOOD)
            with killed_while_decoding(pool):
                assert answer(pool, slow) == "decoder-failed"
            times.setdefault("died", []).append(seconds_to_next(pool))
        with DecodeWorkers(1, timeout_s=1) as pool:
            pool.decode(GOOD)
            begun = time.monotonic()
            assert answer(pool, slow) == "decoder-timeout"
            assert 1 <= time.monotonic() - begun < 2
            times.setdefault("hung", []).append(seconds_to_next(pool))
        with DecodeWorkers(1, memory_bytes=20_000_000) as pool:
            pool.decode(GOOD)
            assert answer(pool, large) == "out-of-memory"
            times.setdefault("out of memory", []).append(seconds_to_next(pool))
    assert all(min(found) < 1 for found in times.values()), times
    figures = {name: {"median": sorted(found)[len(found) // 2], "longest": max(found)} for name, found in times.items()}
    record_figures("decode-faults", figures)


def test_others_are_answered_while_one_worker_hangs() -> None:
    slow = slow_upload()
    with DecodeWorkers(2, timeout_s=2) as pool, ThreadPoolExecutor(1) as threads:
        hostile = threads.submit(answer, pool, slow)
        meanwhile = 0
        while not hostile.done():
            assert answer(pool, GOOD) == "96 x 72"
            meanwhile += 1
        assert hostile.result() == "decoder-timeout"
    assert meanwhile > 20
