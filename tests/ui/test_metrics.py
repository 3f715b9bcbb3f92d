"""What Prometheus is told, read by its own parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import cast

import anyio
import httpx
import pytest
from anyio import to_thread
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from search.service import SearchService
from ui.gate import Gate, Overloaded
from ui.metrics import CountRequests, Metrics

Figures = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def client(service: SearchService, serving: Callable[[SearchService], str]) -> Iterator[httpx.Client]:
    """Asks a server of its own, which has counted nothing yet."""
    with httpx.Client(base_url=serving(service), timeout=30) as opened:
        yield opened


def figures(text: str) -> Figures:
    """Value by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(read: Figures, name: str, **labels: str) -> float:
    """One of them; 0 where there is none."""
    return read.get((f"lookalike_{name}", frozenset(labels.items())), 0.0)


def test_requests_are_counted_by_route_and_status_and_searches_timed(
    client: httpx.Client, photo: bytes, service: SearchService
) -> None:
    for _ in range(3):
        assert client.post("/api/search", files={"photo": photo}).status_code == 200
    client.post("/api/search", files={"photo": b"private-words"})
    for path in ("/api/products/private-words", "/media/77777777", "/private-words", "/api/private-words"):
        assert client.get(path, params={"q": "private-words"}).status_code == 404
    client.request("PRIVATEWORDS", "/healthz")
    client.get("/", headers={"Host": "private-words.example"})
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    read = figures(response.text)
    assert value(read, "http_requests_total", route="/api/search", status="200") == 3
    assert value(read, "http_requests_total", route="/api/search", status="422") == 1
    assert value(read, "http_requests_total", route="/api/products/{item_id}", status="404") == 1
    assert value(read, "http_requests_total", route="/media/{image_id}", status="404") == 1
    assert value(read, "http_requests_total", route="/healthz", status="405") == 1
    assert value(read, "http_requests_total", route="none", status="404") == 2
    assert value(read, "http_requests_total", route="none", status="400") == 1
    assert value(read, "search_seconds_count") == value(read, "search_seconds_bucket", le="+Inf") == 3
    assert 0 < value(read, "search_seconds_sum") < 60
    assert "private" not in response.text.lower() and "77777777" not in response.text


def test_the_version_and_how_it_is(client: httpx.Client, service: SearchService, store: Path) -> None:
    text = client.get("/metrics").text
    read = figures(text)
    version = service.version
    assert value(read, "version_info", version=version.id, kind="exact", encoder="imagenet") == 1
    assert value(read, "products") == value(read, "photos") == 24
    states = {state: value(read, "readiness", state=state) for state in ("starting", "ready", "degraded")}
    assert sum(states.values()) == 1 and states["degraded"] == 0
    assert (
        value(read, "searches_running") == value(read, "searches_waiting") == value(read, "searches_refused_total") == 0
    )
    assert str(store) not in text


def test_what_runs_what_waits_and_what_was_turned_away() -> None:
    metrics = Metrics()
    gate = Gate(at_once=1, waiting=1, answered=metrics.search_seconds.observe)
    version = SimpleNamespace(id="1-a", kind="exact", encoder_name="imagenet", products=1, photos=2)
    metrics.watch(cast(SearchService, SimpleNamespace(version=version)), gate, lambda: "degraded")
    leave, begun, seen = Event(), Event(), []

    def work() -> None:
        begun.set()
        assert leave.wait(10)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(gate.run, work)
            assert await to_thread.run_sync(begun.wait, 10)
            with pytest.raises(Overloaded):
                await gate.run(work)
            seen.append(figures(metrics.text().decode()))
            leave.set()
        with pytest.raises(ZeroDivisionError):
            await gate.run(lambda: 1 // 0)
        seen.append(figures(metrics.text().decode()))

    with ThreadPoolExecutor(1) as own:  # a browser test's event loop may be running in this thread
        own.submit(anyio.run, main).result()
    names = ("searches_running", "searches_waiting", "searches_refused_total", "search_seconds_count")
    assert [[value(read, name) for name in names] for read in seen] == [[1, 1, 1, 0], [0, 0, 1, 2]]
    assert value(seen[0], "readiness", state="degraded") == 1


def test_what_breaks_is_counted() -> None:
    async def broken(request: Request) -> Response:
        raise RuntimeError("broken")

    metrics = Metrics()
    app = Starlette(routes=[Route("/broken", broken)], middleware=[Middleware(CountRequests, metrics=metrics)])
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/broken").status_code == 500
    assert value(figures(metrics.text().decode()), "http_requests_total", route="/broken", status="500") == 1


def test_nothing_is_counted_for_the_whole_process() -> None:
    Metrics()
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("lookalike")]
