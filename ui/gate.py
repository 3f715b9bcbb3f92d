"""A bounded number of blocking calls at once, off the event loop, with a bounded number waiting."""

from __future__ import annotations

import time
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
    """Runs blocking work in threads: at most `at_once` calls together, at most `waiting` behind them.

    Attributes:
        refused: calls that were turned away so far.
    """

    def __init__(
        self, *, at_once: int, waiting: int, answered: Callable[[float], object] = lambda seconds: None
    ) -> None:
        """`answered` is told how long each call took that raised nothing, in seconds, the wait included."""
        self._limiter = CapacityLimiter(at_once)
        self._at_once = at_once
        self._room = at_once + waiting
        self._answered = answered
        self._inside = 0  # only touched on the event loop, as `refused` is
        self.refused = 0

    @property
    def running(self) -> int:
        """Calls that are being worked on."""
        return min(self._inside, self._at_once)

    @property
    def waiting(self) -> int:
        """Calls that wait for others to end."""
        return self._inside - self.running

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work()` gives or raises.

        Raises:
            Overloaded: at once, when as many are waiting as may.
        """
        if self._inside >= self._room:
            self.refused += 1
            raise Overloaded(f"{self._inside} requests are being answered or waiting: try again in a moment")
        self._inside += 1
        begun = time.perf_counter()
        try:
            result = await to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._inside -= 1
        self._answered(time.perf_counter() - begun)
        return result
