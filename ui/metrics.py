"""What Prometheus is told: requests, searches, and the version in use. Labels hold nothing that a visitor sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.service import SearchService
from ui.gate import Gate
from ui.watch import Readiness

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges of the histogram of searches."""
NO_ROUTE = "none"
"""The route of requests that were answered before any was found."""


def route_of(scope: Scope) -> str:
    """The template of the route that took a request: nothing that a visitor sent."""
    return str(getattr(scope.get("route"), "path_format", NO_ROUTE))  # Starlette writes it into the scope


class Metrics:
    """Counts of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "lookalike_http_requests",
            "Requests, by the route's template and the status.",
            ["route", "status"],
            registry=self._registry,
        )
        self.search_seconds = Histogram(
            "lookalike_search_seconds",
            "Seconds from a search's arrival to its answer, the wait for others included.",
            buckets=SECONDS,
            registry=self._registry,
        )

    def watch(self, service: SearchService, searches: Gate, readiness: Callable[[], Readiness]) -> None:
        """Tell of these, too, as they are whenever someone asks."""
        self._registry.register(_Present(service, searches, readiness))

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)


class CountRequests:
    """Counts every response by its route; the outermost middleware, so that none is missed."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        counted = False

        def count(status: int) -> None:
            nonlocal counted
            counted = True
            self.metrics.requests.labels(route=route_of(scope), status=str(status)).inc()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        except Exception:
            if not counted:
                count(500)  # Starlette answers it, outside of all middleware
            raise


class _Present(Collector):
    """What is so at the moment of asking."""

    def __init__(self, service: SearchService, searches: Gate, readiness: Callable[[], Readiness]) -> None:
        self._service, self._searches, self._readiness = service, searches, readiness

    def collect(self) -> Iterable[Metric]:
        """Read everything (called by prometheus_client)."""
        version, word = self._service.version, self._readiness()
        yield GaugeMetricFamily("lookalike_searches_running", "Searches in progress.", self._searches.running)
        yield GaugeMetricFamily("lookalike_searches_waiting", "Searches that wait.", self._searches.waiting)
        yield CounterMetricFamily(
            "lookalike_searches_refused", "Searches turned away, as too many waited.", self._searches.refused
        )
        yield InfoMetricFamily(
            "lookalike_version",
            "The version in use.",
            {"version": version.id, "kind": version.kind, "encoder": version.encoder_name},
        )
        yield GaugeMetricFamily("lookalike_products", "Products of the version in use.", version.products)
        yield GaugeMetricFamily("lookalike_photos", "Photos of the version in use.", version.photos)
        readiness = GaugeMetricFamily("lookalike_readiness", "1 for how it is, as /readyz says.", labels=["state"])
        for state in get_args(Readiness):
            readiness.add_metric([state], float(state == word))
        yield readiness
