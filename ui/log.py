"""The server's log, on stderr: lines for people, or one JSON object a line, each with the id of its request.

`RequestLog` gives every request an id, which the answer carries as X-Request-ID. Whoever logs while a request is being
answered need not know it: it is in a context variable, which threads that work for the request inherit. Nothing that
a visitor sent is logged by itself: requests by their route's template, and no path of an upload, whatever holds it.
"""

from __future__ import annotations

import io
import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.metrics import route_of
from ui.problems import ProblemResponse
from ui.uploads import PREFIX

LogForm = Literal["text", "json"]

HEADER = "X-Request-ID"
request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered; empty elsewhere."""

log = logging.getLogger(__name__)
requests = logging.getLogger(f"{__name__}.requests")
"""One line for each request, at the level INFO."""

_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_UPLOAD = re.compile(rf"[^\s'\"]*{PREFIX}[^\s'\"]*")


@contextmanager
def written(form: LogForm) -> Iterator[None]:
    """Write what is logged to stderr from here to the end of the block: warnings, and of our own more.

    Requests are written as JSON only. What a library prints to stderr becomes lines of the log, too.
    """
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.addHandler(handler)
    logging.getLogger("ui").setLevel(logging.INFO)
    requests.setLevel(logging.INFO if form == "json" else logging.WARNING)
    logging.captureWarnings(True)
    try:
        with redirect_stderr(_Printed()):
            yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)


def name_request(name: str | None) -> None:
    """Let all that is logged from now on in this task belong to a request whose id was taken before."""
    request_id.set(name or "")


class RequestLog:
    """Gives each request its id, logs it when it is answered, and answers where everything else failed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        name = given if _PLAIN.fullmatch(given) else secrets.token_hex(8)
        name_request(name)
        others = [header for header in scope["headers"] if header[0] != HEADER.lower().encode()]
        scope["headers"] = [*others, (HEADER.lower().encode(), name.encode())]  # for the page's events: see ui.page
        begun = time.perf_counter()
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = name
            await send(message)

        try:
            await self.app(scope, receive, send_named)
        except ClientDisconnect:
            pass  # nobody is there any more
        except Exception:
            if status:
                raise  # too late for another answer: the server ends the connection, and logs it
            log.exception("the request failed")
            problem = ProblemResponse(500, "failed", "the request failed: the server's log says why")
            await problem(scope, receive, send_named)
        finally:
            fields = {
                "method": scope["method"],
                "route": route_of(scope),
                "status": status,
                "seconds": round(time.perf_counter() - begun, 4),
            }
            requests.info("%(method)s %(route)s: %(status)s in %(seconds)s s", fields, extra={"fields": fields})


class _Handler(logging.StreamHandler[TextIO]):
    """A handler that is quiet where nobody reads the log any more: to say so, it would have to log."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A line could not be written."""


class _Text(logging.Formatter):
    """For people: the time, the level, the request if there is one, the message; a traceback on lines below."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(request)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        name = request_id.get()
        record.request = f"[{name}] " if name else ""
        return _without_uploads(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Its first line, which the message cannot break."""
        return super().formatMessage(record).strip().replace("\r", "\\r").replace("\n", "\\n")


class _Json(logging.Formatter):
    """For programs: one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _without_uploads(record.getMessage().strip()),
            "request_id": request_id.get() or None,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = _without_uploads(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False, default=str)


class _Printed(io.TextIOBase):
    """Takes what is printed to stderr into the log, line by line."""

    def __init__(self) -> None:
        self._begun = ""

    def write(self, text: str) -> int:
        """Log the lines that are whole."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in filter(str.strip, lines):
            logging.getLogger("stderr").warning("%s", line)
        return len(text)


def _without_uploads(text: str) -> str:
    return _UPLOAD.sub("(an upload)", text)
