"""What a request must pass before Gradio or the API sees it, and what every response says to the browser.

Each class is one rule, as plain ASGI middleware. Order, outermost first (see `ui.server`): SecurityHeaders, the
request's id (ui/log.py), the accepted host names, the login (ui/login.py), ForeignOrigin, KnownRoutes, BodyLimit,
NoRemoteFiles, UploadRoom.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.problems import ProblemResponse
from ui.uploads import MAX_PHOTO_BYTES

UPLOAD_ROUTES = ("/api/admin/compare", "/api/search", "/gradio_api/upload")
"""Where a photo may be sent."""
MAX_UPLOAD_BODY = MAX_PHOTO_BYTES + 64 * 2**10
"""A photo with the form around it, in bytes."""
MAX_BODY = 2**20
"""Any other request, in bytes."""

_EXACT_ROUTES = frozenset(
    [
        "/",
        "/config",
        "/docs",
        "/favicon.ico",
        "/healthz",
        "/manifest.json",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/robots.txt",
        "/theme.css",
        "/gradio_api/app_id",
        "/gradio_api/cancel",
        "/gradio_api/info",
        "/gradio_api/queue/data",
        "/gradio_api/queue/join",
        "/gradio_api/reset",
        "/gradio_api/startup-events",
        "/gradio_api/upload",
        "/gradio_api/upload_progress",
    ]
)
_ROUTE_FOLDERS = ("/api/", "/assets/", "/docs/", "/media/", "/static/", "/gradio_api/heartbeat/")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Gradio needs 'unsafe-eval' for its components and inline styles and scripts; everything comes from this server.
_CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' blob: data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


class SecurityHeaders:
    """Tells the browser to load nothing from elsewhere, and to show the page in no foreign frame."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = _CONTENT_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
                headers["Referrer-Policy"] = "same-origin"
            await send(message)

        await self.app(scope, receive, send_with_headers)


class ForeignOrigin:
    """Refuses what another web site makes a visitor's browser send."""

    def __init__(self, app: ASGIApp, *, trusted: Collection[str]) -> None:
        """`trusted`: host names whose pages may send too (a proxy's, whose own name reaches the browser)."""
        self.app = app
        self.trusted = frozenset(name.lower() for name in trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS:
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and not self._own(origin, headers.get("host", "")):
                response = ProblemResponse(403, "foreign-origin", "requests from another web site are refused")
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _own(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin)
            name = parts.hostname
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and (parts.netloc == host or name in self.trusted)


class KnownRoutes:
    """Lets through only what the page and the API use: most of what Gradio could answer (files by path, proxies to
    other servers, recordings, …) does not exist here."""

    def __init__(self, app: ASGIApp, *, further: Collection[str] = ()) -> None:
        """`further`: paths that are known here and not everywhere."""
        self.app = app
        self.known = _EXACT_ROUTES | set(further)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] == "http":
            path = scope["path"]
            if path not in self.known and not path.startswith(_ROUTE_FOLDERS):
                await ProblemResponse(404, "not-found", "there is nothing here")(scope, receive, send)
                return
        await self.app(scope, receive, send)


class BodyLimit:
    """Ends a request whose body is larger than its route takes, whatever its headers say."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        if scope["type"] != "http" or scope["method"] in _SAFE_METHODS:
            await self.app(scope, receive, send)
            return
        limit = MAX_UPLOAD_BODY if scope["path"] in UPLOAD_ROUTES else MAX_BODY
        stated = Headers(scope=scope).get("content-length", "0")
        too_large = not stated.isdecimal() or len(stated) > 15 or int(stated) > limit
        received = 0
        started = False

        async def receive_within() -> Message:
            nonlocal received, too_large
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                too_large = True
                return {"type": "http.disconnect"}
            return message

        async def send_unless_refused(message: Message) -> None:
            nonlocal started
            if not too_large or started:
                started = True
                await send(message)

        if not too_large:
            try:
                await self.app(scope, receive_within, send_unless_refused)
            except Exception:
                if not too_large:
                    raise
        if too_large and not started:
            await _drain(receive, 8 * limit)
            shown = f"{limit // 2**20} MB" if scope["path"] in UPLOAD_ROUTES else f"{limit // 2**10} KB"
            await ProblemResponse(413, "too-large", f"at most {shown} may be sent here")(scope, receive, send)


async def _drain(receive: Receive, most: int) -> None:
    """Read on for a while, since most clients look for an answer only after they have sent everything."""
    while most > 0:
        message = await receive()
        most -= len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            break


class NoRemoteFiles:
    """Refuses addresses and `data:` in what the page sends to Gradio, which would fetch and store them unasked."""

    _ADDRESS = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:/|data:|file:|//|\\\\)", re.IGNORECASE)

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        if (
            scope["type"] != "http"
            or scope["method"] in _SAFE_METHODS
            or not scope["path"].startswith("/gradio_api/")
            or scope["path"] in UPLOAD_ROUTES
        ):
            await self.app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        try:
            refused = self._has_address(json.loads(body)) if body else False
        except (ValueError, RecursionError):
            await ProblemResponse(400, "not-json", "the request must be JSON")(scope, receive, send)
            return
        if refused:
            detail = "photos are uploaded, never fetched from an address"
            await ProblemResponse(422, "address-refused", detail)(scope, receive, send)
            return
        replayed = False

        async def receive_again() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, receive_again, send)

    def _has_address(self, payload: Any) -> bool:
        waiting = [payload]
        while waiting:
            value = waiting.pop()
            if isinstance(value, str):
                if self._ADDRESS.match(value):
                    return True
            elif isinstance(value, dict):
                waiting.extend(value.keys())
                waiting.extend(value.values())
            elif isinstance(value, list):
                waiting.extend(value)
        return False


class UploadRoom:
    """Makes room in the folder of uploads before each one."""

    def __init__(self, app: ASGIApp, *, sweep: Callable[[], None]) -> None:
        self.app = app
        self.sweep = sweep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        if scope["type"] == "http" and scope["path"] == "/gradio_api/upload":
            await to_thread.run_sync(self.sweep)
        await self.app(scope, receive, send)
