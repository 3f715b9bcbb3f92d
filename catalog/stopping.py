"""Stop where it does no harm: Ctrl+C and SIGTERM are noted, what is at hand is finished, then it ends.

Between the steps of training and fine-tuning, and around imports in the middle of a command.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from catalog.errors import Terminated

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def imports() -> Iterator[None]:
    """Around imports of large libraries: within one, a library could take a signal for a failure of its own.

    NumPy, interrupted while it loads a part of itself, goes on without that part; the signal is lost.
    """
    with StopRequest() as stop:
        yield
        stop.end()


class StopRequest:
    """While entered, the first SIGINT or SIGTERM is only noted; a second one interrupts at once.

    Outside the main thread, where Python allows no signal handlers, it notes nothing.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}
        self._at_once = False

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """While entered, a signal interrupts at once: around long work that the run begins anew when it goes on."""
        self.end()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        second = self.received is not None
        self.received = self.received or signal.Signals(number)
        if second or self._at_once:
            self.end()

    def end(self) -> None:
        """Raise what the noted signal stands for: KeyboardInterrupt or Terminated; nothing if none came."""
        if self.received is signal.SIGINT:
            raise KeyboardInterrupt
        if self.received is signal.SIGTERM:
            raise Terminated
