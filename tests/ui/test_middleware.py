"""What strangers may not do: every rule of ui.middleware, against the whole application on a real port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    """Asks the server."""
    with httpx.Client(base_url=url, timeout=30) as opened:
        yield opened


@pytest.fixture
def trap() -> Iterator[tuple[str, list[object]]]:
    """An address that nobody must open, and who did."""
    visitors: list[object] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    ended = threading.Event()

    def wait() -> None:
        while not ended.is_set():
            try:
                connection, visitor = listener.accept()
            except TimeoutError:
                continue
            visitors.append(visitor)
            connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/photo.jpg", visitors
    ended.set()
    thread.join()
    listener.close()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:7860", ""])
def test_another_host_name_is_refused(client: httpx.Client, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("path", ["/api/search", "/gradio_api/queue/join", "/gradio_api/upload"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://", "http://[", ""])
def test_another_site_may_not_send(client: httpx.Client, photo: bytes, path: str, origin: str) -> None:
    response = client.post(path, files={"photo": photo}, headers={"Origin": origin})
    assert response.status_code == 403
    assert response.json()["code"] == "foreign-origin"


def test_another_site_may_not_read(client: httpx.Client, url: str) -> None:
    for path in ("/", "/config", "/healthz", "/media/1"):
        response = client.get(path, headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in response.headers
    preflight = client.options(
        "/api/search", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert preflight.status_code == 400 and "access-control-allow-origin" not in preflight.headers


def test_the_page_itself_may_send(client: httpx.Client, url: str, photo: bytes) -> None:
    assert client.post("/api/search", files={"photo": photo}, headers={"Origin": url}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1/",
        "/gradio_api/stream/a/b/c/playlist.m3u8",
        "/gradio_api/process_recording",
        "/gradio_api/vibe-code",
        "/gradio_api/deep_link",
        "/gradio_api/runs",
        "/gradio_api/component_server",
        "/gradio_api/custom_component/a/b/c/d",
        "/gradio_api/mcp/",
        "/monitoring",
        "/login",
        "/svelte/x",
        "/redoc",
        "/docs/redoc.standalone.js",
        "/docs/../server.py",
        "/docs/%2e%2e/core.py",
        "/admin",
        "/static/../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_the_page_does_not_use_does_not_exist(client: httpx.Client, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code in (403, 404, 405)
    assert "root:" not in response.text


def event(**data: object) -> dict[str, Any]:
    """What the page sends when a photo was uploaded."""
    return {"data": [], "event_data": data, "fn_index": 1, "session_hash": "s", "trigger_id": 1}


@pytest.mark.parametrize("prefix", ["", "  ", "\t"])
def test_addresses_are_never_fetched(client: httpx.Client, trap: tuple[str, list[object]], prefix: str) -> None:
    address, visitors = trap
    nested = {"deep": [{"path": prefix + address, "meta": {"_type": "gradio.FileData"}}]}
    for body in (
        event(path=prefix + address),
        event(path="/x", url=address.upper()),
        event(**nested),
        {"data": [nested], "fn_index": 1, "session_hash": "s"},
        event(path="data:image/png;base64,AAAA"),
        event(path="//evil.example/x.png"),
        event(path="file:///etc/passwd"),
        event(path="ftp://evil.example/x"),
    ):
        response = client.post("/gradio_api/queue/join", json=body)
        assert response.status_code == 422 and response.json()["code"] == "address-refused"
    assert visitors == []


def test_what_is_not_json_is_refused(client: httpx.Client) -> None:
    for body in (b"{", b"\xff\xfe", b"[" * 200_000):
        assert client.post("/gradio_api/queue/join", content=body).status_code == 400


def test_large_requests_are_refused_everywhere(client: httpx.Client) -> None:
    for path, size in (("/gradio_api/queue/join", 2**20 + 1), ("/gradio_api/upload", 21 * 2**20)):
        response = client.post(path, content=bytes(size))
        assert response.status_code == 413 and response.json()["code"] == "too-large"


def ask(client: httpx.Client, session: str, **data: object) -> dict[str, Any]:
    """What the page would be told, for an event with this data."""
    config = client.get("/config").json()
    index = next(entry["id"] for entry in config["dependencies"] if entry["api_name"] == "ask")
    body = {"data": [], "event_data": data, "fn_index": index, "session_hash": session, "trigger_id": 1}
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as events:
        for line in events.iter_lines():
            if line.startswith("data:") and "process_completed" in line:
                return dict(httpx.Response(200, text=line.removeprefix("data:")).json())
    raise AssertionError("no answer")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/dev/zero",
        "../../etc/passwd",
        "",
        "\0",
        "a" * 5000,
        ".",
        "/",
        7,
        None,
        ["/etc/passwd"],
        {"a": 1},
    ],
)
def test_only_uploads_are_searched_with(client: httpx.Client, path: object) -> None:
    told = ask(client, "hostile", request=1, uploads=[path], question={}, name="x")
    value = told["output"]["data"][0]
    assert value["answer"] is None and value["problem"]["code"] == "expired"
    assert "/etc" not in str(value["problem"])


@pytest.mark.parametrize(
    ("uploads", "question"),
    [
        ("/etc/passwd", {}),
        (None, {}),
        ({}, {}),
        (["x"] * 17, {}),
        ([], {"product": "/etc/passwd"}),
        ([], {"product": 10**30}),
        ([], {"product": [1]}),
        ([], {"place": "/etc/passwd"}),
        ([], {"k": 10**9}),
        ([], None),
        ([], []),
    ],
)
def test_only_questions_are_answered(client: httpx.Client, uploads: object, question: object) -> None:
    told = ask(client, "hostile-question", request=1, uploads=uploads, question=question)
    value = told["output"]["data"][0]
    assert value["answer"] is None and value["problem"]["status"] == 422
    assert "Traceback" not in str(told)


def test_an_uploaded_photo_cannot_be_fetched_back(client: httpx.Client, photo: bytes) -> None:
    stored = client.post("/gradio_api/upload", files={"files": ("a.png", photo)}).json()[0]
    assert Path(stored).read_bytes() == photo
    assert client.get(f"/gradio_api/file={stored}").status_code == 404
    told = ask(client, "own", request=1, uploads=[stored], question={}, name="a.png")
    assert told["output"]["data"][0]["answer"]["matches"][0]["title"] == "Product 5"


def test_the_browser_is_told_to_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    for path in ("/", "/healthz", "/media/1", "/nowhere", "/docs", "/metrics", "/api/nowhere"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "http" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
