"""Between the application's own routes and Gradio's, which is mounted at / and would answer whatever they do not."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match, Router
from starlette.types import Receive, Scope, Send

OWN_FOLDERS = ("/api/", "/docs/", "/media/")
"""Below these Gradio has nothing."""


class OwnRoutes(BaseRoute):
    """Takes what is meant for an own route that does not take it: 405 where the method is another, 404 where there is
    no such route below `OWN_FOLDERS`."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        """`routes`: the application's own."""
        self._router = Router(routes, redirect_slashes=False)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is for this one (Starlette's routing)."""
        if scope["type"] != "http":
            return Match.NONE, {}
        own = scope["path"].startswith(OWN_FOLDERS) or any(
            route.matches(scope)[0] is Match.PARTIAL for route in self._router.routes
        )
        return (Match.FULL if own else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the right error (ASGI)."""
        await self._router(scope, receive, send)
