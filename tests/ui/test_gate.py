"""No more work at once than allowed, and no endless line."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from types import SimpleNamespace

import anyio
import pytest

from ui.gate import CALM_SECONDS, Gate, Overloaded


def test_bounds_what_runs_and_what_waits() -> None:
    gate = Gate(at_once=2, waiting=1)
    inside = threading.Semaphore(0)
    leave = threading.Event()
    most = 0
    running = 0
    lock = threading.Lock()

    def work() -> str:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
        inside.release()
        assert leave.wait(10)
        with lock:
            running -= 1
        return "done"

    answers: list[str] = []

    async def ask() -> None:
        answers.append(await gate.run(work))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ask)
            for _ in range(2):
                assert await anyio.to_thread.run_sync(lambda: inside.acquire(timeout=10))
            with pytest.raises(Overloaded, match="try again"):
                await gate.run(work)
            leave.set()
        assert await gate.run(lambda: 7) == 7

    with ThreadPoolExecutor(1) as own:  # a browser test's event loop may be running in this thread
        own.submit(anyio.run, main).result()
    assert answers == ["done"] * 3 and most == 2


def test_an_overload_is_a_short_line_until_nobody_was_turned_away_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("ui.gate.time", SimpleNamespace(monotonic=lambda: now, perf_counter=perf_counter))
    gate = Gate(at_once=1, waiting=2, waiting_overloaded=0)
    leave = threading.Event()

    async def wait() -> None:
        assert await gate.run(lambda: leave.wait(10))

    async def main() -> None:
        nonlocal now
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            for _ in range(2):
                with pytest.raises(Overloaded):  # the line is full
                    gate.check()
            leave.set()
        leave.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            now += CALM_SECONDS - 0.1
            with pytest.raises(Overloaded):  # it is not, but nobody is to wait now
                gate.check()
            now += CALM_SECONDS + 0.1
            gate.check()
            leave.set()

    with ThreadPoolExecutor(1) as own:
        own.submit(anyio.run, main).result()
    assert gate.refused == 3
