"""Notice a new version while serving: a thread that asks the service to look, and knows how the last look went."""

from __future__ import annotations

import logging
import threading
from typing import Literal

from catalog.errors import LookalikeError
from search.service import SearchService
from ui.memory import let_go

Readiness = Literal["starting", "ready", "degraded"]

log = logging.getLogger(__name__)


class VersionWatch:
    """Calls `service.refresh()` every so many seconds, from `start()` until `stop()`.

    A version that is refused changes nothing but `readiness`: the one before goes on answering.
    """

    def __init__(self, service: SearchService, *, every: float) -> None:
        self._service = service
        self._every = every
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._refused = ""
        self.readiness: Readiness = "starting"

    def start(self) -> None:
        """Begin, with a first look at once."""
        self._thread = threading.Thread(target=self._run, name="version-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; returns when a look in progress is done, after 5 seconds at the latest."""
        self._stopped.set()
        if self._thread:
            self._thread.join(timeout=5)

    def look(self) -> None:
        """Look once. Never raises."""
        try:
            if self._service.refresh():
                log.info("now serving version %s", self._service.version.id)
                let_go()
        except Exception as error:
            self.readiness = "degraded"
            if str(error) != self._refused:  # say it once, not every second
                self._refused = str(error)
                trace = None if isinstance(error, LookalikeError) else error
                log.error("still serving version %s: %s", self._service.version.id, error, exc_info=trace)
        else:
            if self._refused:
                log.info("version %s is in order again", self._service.version.id)
            self._refused = ""
            self.readiness = "ready"

    def _run(self) -> None:
        self.look()
        while not self._stopped.wait(self._every):
            self.look()
