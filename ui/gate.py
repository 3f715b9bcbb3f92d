"""A bounded number of blocking calls at once, off the event loop, with a bounded number waiting.

A burst may wait: everyone in it is answered soon. Overload may not, since a line that never ends makes everyone wait
for nothing: from the first call that finds no room, until none has been turned away for a while, only few may wait, and
who gets in is answered almost as quickly as if nobody else were there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from catalog.errors import LookalikeError

Result = TypeVar("Result")

CALM_SECONDS = 2.0
"""Without a refusal, after which an overload is over."""


class Overloaded(LookalikeError):
    """More is waiting than will be answered soon; nothing was started.

    Attributes:
        retry_after: seconds after which to ask again.
    """

    remedy = "ask again after the seconds that Retry-After names"
    retry_after = 2


class Gate:
    """Runs blocking work in threads: at most `at_once` calls together, at most `waiting` behind them.

    Attributes:
        refused: calls that were turned away so far.
    """

    def __init__(
        self,
        *,
        at_once: int,
        waiting: int,
        waiting_overloaded: int | None = None,
        answered: Callable[[float], object] = lambda seconds: None,
    ) -> None:
        """Open.

        Args:
            at_once: calls that run together.
            waiting: calls behind them.
            waiting_overloaded: the same while there is an overload; None: as many as ever.
            answered: is told how long each call took that raised nothing, in seconds, the wait included.
        """
        self._limiter = CapacityLimiter(at_once)
        self._at_once = at_once
        self._waiting = waiting
        self._waiting_overloaded = waiting if waiting_overloaded is None else waiting_overloaded
        self._answered = answered
        self._inside = 0  # only touched on the event loop, as `refused` is
        self._refused_at = -math.inf
        self.refused = 0

    @property
    def running(self) -> int:
        """Calls that are being worked on."""
        return min(self._inside, self._at_once)

    @property
    def waiting(self) -> int:
        """Calls that wait for others to end."""
        return self._inside - self.running

    def check(self) -> None:
        """Find out whether there is room, before work is made ready that would be refused.

        Raises:
            Overloaded: there is none.
        """
        overloaded = time.monotonic() - self._refused_at < CALM_SECONDS
        if self._inside >= self._at_once + (self._waiting_overloaded if overloaded else self._waiting):
            self.refused += 1
            self._refused_at = time.monotonic()
            raise Overloaded("more people are searching than can be answered at once: try again in a moment")

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work()` gives or raises.

        Raises:
            Overloaded: at once, when as many are waiting as may.
        """
        self.check()
        self._inside += 1
        begun = time.perf_counter()
        try:
            result = await to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._inside -= 1
        self._answered(time.perf_counter() - begun)
        return result
