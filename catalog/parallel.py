"""Work on many things in several threads with bounded memory; Pillow and hashing let the threads run side by side."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def default_workers() -> int:
    """One worker per core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def own_workers() -> int:
    """As many, divided by the processes that torchrun has started on this machine: for work that each has a part of."""
    return max(1, default_workers() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def map_in_order(function: Callable[[A], B], items: Iterable[A], *, workers: int, ahead: int = 4) -> Iterator[B]:
    """The function's results in the order of the items, worked out by a pool of threads.

    At most `ahead` items per worker are ahead of the reader, so memory does not grow with the number of items. When the
    reader stops (or is interrupted), what has not begun is dropped; an error of the function is raised in its turn.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="photos")
    waiting: deque[Future[B]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
