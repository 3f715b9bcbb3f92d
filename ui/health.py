"""How the server is: two words for whoever watches over it, the same in full, and figures for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from search.service import SearchService
from ui import answers
from ui.metrics import Metrics
from ui.problems import documented
from ui.watch import Readiness


def routes(service: SearchService, *, readiness: Callable[[], Readiness], metrics: Metrics) -> APIRouter:
    """The routes.

    Args:
        service: what answers.
        readiness: the word for /readyz.
        metrics: what was counted.
    """
    router = APIRouter(tags=["health"])

    @router.get("/healthz", response_class=PlainTextResponse, summary="Is the process alive? Says ok")
    async def healthz() -> str:
        return "ok"

    @router.get(
        "/readyz",
        response_class=PlainTextResponse,
        responses={503: {"description": "It does not answer yet: starting", "content": {"text/plain": {}}}},
        summary="Does it answer? ready, degraded or starting",
    )
    async def readyz(response: Response) -> str:
        word = readiness()
        response.status_code = 503 if word == "starting" else 200
        return word

    @router.get("/api/status", responses=documented(401), summary="The version that answers, and how the server is")
    async def status() -> answers.Status:
        loaded = service.pin().loaded
        return answers.status(loaded.version, readiness(), loaded.index.device)

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        responses=documented(401),
        summary="Requests, searches and the version in use, in Prometheus' text format",
    )
    async def figures() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
