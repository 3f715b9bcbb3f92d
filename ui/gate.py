"""A bounded number of blocking calls at once, off the event loop, with a bounded number waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from catalog.errors import LookalikeError

Result = TypeVar("Result")


class Overloaded(LookalikeError):
    """More is waiting than will be answered soon; nothing was started.

    Attributes:
        retry_after: seconds after which to ask again.
    """

    retry_after = 2


class Gate:
    """Runs blocking work in threads: at most `at_once` calls together, at most `waiting` behind them."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._limiter = CapacityLimiter(at_once)
        self._room = at_once + waiting
        self._inside = 0  # only touched on the event loop

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work()` gives or raises.

        Raises:
            Overloaded: at once, when as many are waiting as may.
        """
        if self._inside >= self._room:
            raise Overloaded(f"{self._inside} requests are being answered or waiting: try again in a moment")
        self._inside += 1
        try:
            return await to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._inside -= 1
