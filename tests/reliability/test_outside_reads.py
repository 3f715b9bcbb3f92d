"""Only what is the catalog's can be read: hostile requests against page, API and pictures bring nothing else out, and
the server asks nobody."""

from __future__ import annotations

import secrets
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from catalog.manifest import Manifest
from tests.conftest import draw_photo as draw_other_photo
from tests.reliability.served import Served, raw, served, small_store
from tests.ui.conftest import draw_photo

ADDRESSES = (
    *("/gradio_api/file={path}", "/file={path}", "/gradio_api/file%3D{path}", "/gradio_api/file={quoted}"),
    *("/gradio_api/file=/../..{path}", "/gradio_api/file=file://{path}", "/gradio_api/file={path}%00.png"),
    *("/gradio_api/file/{path}", "/gradio_api/proxy=file://{path}", "/gradio_api/stream{path}/playlist.m3u8"),
    *("{path}", "/{path}", "//127.0.0.1{path}", "/static/../../../../../..{path}", "/static/{quoted}"),
    *("/assets/..%2f..%2f..%2f..%2f..%2f..{quoted}", "/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e{path}"),
    *(
        "/docs/../../../../../..{path}",
        "/docs/{quoted}",
        "/docs/..%2f..%2f..%2f..%2f..%2f..{quoted}",
        "/svelte/..{path}",
    ),
    *("/media/{quoted}", "/media{path}", "/media/1/../../..{path}", "/media/..%2f..{quoted}", "/media/1?v={path}"),
    *("/media/%252e%252e%252f%252e%252e{path}", "/media/..%c0%af..{path}", "/media/1%00{path}", "/media/-1{path}"),
    *("/api/products/{quoted}", "/api/products{path}", "/api/products?q={path}", "/api/../..{path}"),
    *("/gradio_api/upload_progress?upload_id={path}", "/gradio_api/heartbeat/..{path}", "/config/..{path}"),
)
"""Where a file might be asked for, given its path."""
VALUES = (
    *("{path}", "/../..{path}", "./{path}", "file://{path}", " file:{path}", "data:text/plain,{path}", "{path}\0.png"),
    *("//127.0.0.1{path}", "\\\\127.0.0.1{path}", "{uploads}/..{path}", "{uploads}/../../../../../..{path}", "~{path}"),
    *("{trap}", " {trap}", "{trap_upper}", "/proc/self/root{path}", "/dev/fd/0{path}", "{quoted}"),
)
"""What a file might be named by in what the page sends."""


@dataclass
class Trap:
    """A port of this machine on which nobody is to call."""

    address: str
    visitors: list[object] = field(default_factory=list)


@contextmanager
def trap() -> Iterator[Trap]:
    """One that listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        laid = Trap(f"http://127.0.0.1:{listener.getsockname()[1]}/photo.jpg")

        def wait() -> None:
            while True:
                try:
                    connection, visitor = listener.accept()
                except OSError:
                    return  # it was closed
                laid.visitors.append(visitor)
                connection.close()

        thread = threading.Thread(target=wait)
        thread.start()
        yield laid
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's connections are written down."""
    return tmp_path_factory.mktemp("audit") / "connections.txt"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, with a secret beside its files and one beside the catalog's photos."""
    store = small_store(tmp_path_factory.mktemp("catalog"))
    secret = secrets.token_hex(32)
    for file in (store / "secret.txt", store.parent / "secret.txt"):
        file.write_text(secret)
    draw_other_photo(99).save(store.parent / "secret.png")
    return store


@pytest.fixture(scope="module")
def server(store: Path, tmp_path_factory: pytest.TempPathFactory, audit: Path) -> Iterator[Served]:
    """A server of that store."""
    with served(store, tmp_path_factory.mktemp("server"), audit=audit) as started:
        yield started


@pytest.fixture(scope="module")
def wanted(store: Path, server: Served) -> list[Path]:
    """Files that are there and that nobody may have: secrets, the store's, another visitor's upload."""
    photo = draw_photo(3, kind="PNG")
    stored = httpx.post(f"{server.url}/gradio_api/upload", files={"files": ("mine.png", photo)}).json()[0]
    folder = store.parent
    return [folder / "secret.txt", store / "secret.txt", folder / "secret.png", store / "catalog.json", Path(stored)]


def holds(body: bytes, file: Path) -> bool:
    """Whether a part of a file is in an answer, as it is or in base64; of its path, too, which whoever asks knows."""
    content, path = file.read_bytes(), bytes(file)
    parts = [content[start : start + 24] for start in range(0, min(len(content), 4800), 24)]
    told = [part for part in parts if len(part) == 24 and part not in path]
    return any(part in body or b64encode(part) in body for part in told)


def test_no_address_gives_a_file_away(server: Served, wanted: list[Path]) -> None:
    tried = 0
    for file in wanted:
        for address in ADDRESSES:
            path = address.format(path=quote(str(file)), quoted=quote(str(file), safe=""))
            for method in ("GET", "POST"):
                status, body = raw(server.url, method, path)
                tried += 1
                assert not holds(body, file), path
                expected = (
                    (200, 307) if path.startswith(("/media/1?", "/api/products?", "/gradio_api/upload_pro")) else ()
                )
                assert status in (400, 403, 404, 405, 422, *expected), (method, path, status)
    assert tried >= 30 * len(wanted)


def events(client: httpx.Client, function: str, session: str, body: dict[str, Any]) -> tuple[int, str]:
    """What Gradio tells about one event: the status of the request, and all that comes after it."""
    (number,) = [one["id"] for one in client.get("/config").json()["dependencies"] if one["api_name"] == function]
    sent = {"data": [], "fn_index": number, "session_hash": session, "trigger_id": 1, **body}
    joined = client.post("/gradio_api/queue/join", json=sent)
    told = joined.text
    if joined.status_code == 200:
        with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                told += line
                if "process_completed" in line:
                    break
    return joined.status_code, told


def test_no_event_of_the_page_reads_what_was_not_uploaded(server: Served, wanted: list[Path], audit: Path) -> None:
    *inside, upload = wanted
    uploads = str(upload.parent.parent)
    with httpx.Client(base_url=server.url, timeout=30) as client, trap() as laid:
        for number, file in enumerate(inside):
            for place, value in enumerate(VALUES):
                names = {"path": str(file), "quoted": quote(str(file)), "uploads": uploads}
                claimed = value.format(**names, trap=laid.address, trap_upper=laid.address.upper())
                data = {"path": claimed, "url": claimed, "orig_name": "x", "meta": {"_type": "gradio.FileData"}}
                asked = {"event_data": {"request": 1, "uploads": [claimed], "question": {}}}
                sent: dict[str, Any]
                for function, sent in (("ask", asked), ("search", {"data": [data, {}]})):
                    status, told = events(client, function, f"{function}-{number}-{place}", sent)
                    an_address = value.lstrip().startswith(("{trap", "file:", "data:", "//", "\\\\"))
                    assert status == (422 if an_address else 200), told  # refused before Gradio sees it
                    assert '"matches"' not in told and not holds(told.encode(), file), claimed
                for body in (
                    {"product": claimed[:4096]},
                    {"liked": [claimed]},
                    {"where": claimed},
                    {"product": 1, "x": claimed},
                ):
                    answer = client.post("/api/search", json=body)
                    assert answer.status_code == 422 and not holds(answer.content, file)
                assert client.post("/api/search", data={"photo": claimed}).status_code == 422
        assert laid.visitors == []
    assert audit.read_text() == "socket.getaddrinfo 127.0.0.1\n"  # its own address, to listen on


def test_an_upload_lands_where_uploads_belong_whatever_its_name(server: Served, tmp_path: Path) -> None:
    photo = draw_photo(2, kind="PNG")
    before = set(server.temporary.rglob("*"))
    for name in (f"../../../../..{tmp_path}/out.png", f"{tmp_path}/out.png", "..\\..\\out.png", "\0out.png", "..", "/"):
        answer = httpx.post(f"{server.url}/gradio_api/upload", files={"files": (name, photo)})
        if answer.status_code == 200:
            assert Path(answer.json()[0]).is_relative_to(server.temporary)
    assert not list(tmp_path.iterdir())
    assert all("lookalike-uploads-" in str(made) for made in set(server.temporary.rglob("*")) - before)


def test_a_photo_that_became_a_link_out_of_the_catalog_is_not_shown(server: Served, store: Path) -> None:
    photo = next(item for item in Manifest.read(store / "manifest.parquet").items() if item.path == "11.jpg")
    file = store.parent / "photos" / "11.jpg"
    file.unlink()
    file.symlink_to(store.parent / "secret.png")
    status, body = raw(server.url, "GET", f"/media/{photo.image_id}?w=320")
    assert status == 404 and not holds(body, store.parent / "secret.png")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "rebound.evil.example:7860", "127.0.0.1.nip.io", "127.0.0.1@evil.example", "[::ffff:127.0.0.1]"],
)
def test_a_name_that_was_pointed_at_this_machine_is_refused(server: Served, host: str) -> None:
    for path in (
        "/",
        "/config",
        "/healthz",
        "/api/status",
        "/media/1",
        "/gradio_api/queue/data?session_hash=x",
        "/metrics",
    ):
        assert raw(server.url, "GET", path, {"Host": host, "Origin": f"http://{host}"})[0] == 400
    assert raw(server.url, "POST", "/api/search", {"Host": host, "Origin": f"http://{host}"})[0] == 400
    forwarded = {"X-Forwarded-Host": "127.0.0.1", "Forwarded": "host=127.0.0.1"}
    assert raw(server.url, "GET", "/", {"Host": host, **forwarded})[0] == 400


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1.evil.example"]
)
def test_another_sites_page_can_neither_send_nor_read(server: Served, origin: str) -> None:
    for path in (
        "/api/search",
        "/gradio_api/upload",
        "/gradio_api/queue/join",
        "/gradio_api/cancel",
        "/gradio_api/reset",
    ):
        assert httpx.post(server.url + path, headers={"Origin": origin}).status_code == 403
    for path in ("/", "/config", "/api/status", "/media/1"):
        answer = httpx.get(server.url + path, headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers
