"""The login: which files are taken, who is let in, and that nothing but two words is told to anyone else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from playwright.sync_api import Browser, expect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from catalog.errors import UsageError
from search.service import SearchService
from tests.reliability.served import raw
from tests.ui.conftest import ServerThread
from ui.config import ServeConfig
from ui.login import OPEN_ROUTES, Credentials, Login
from ui.server import create_app
from ui.uploads import Uploads

PASSWORD = "correct horse"
TOKEN = "abc-DEF_123~+/="
GOOD = f"""
[people]
anna = "{PASSWORD}"
"Zoë 張" = "pässwörd ✓ : ok"

[programs]
nightly = "{TOKEN}"
"""


def write(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    """A file for --login."""
    path = folder / "login.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def basic(name: str, password: str) -> str:
    """What a browser sends."""
    return f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names nobody"),
        ("[people]\n[programs]", "names nobody"),
        ('anna = "secret-secret"', 'has "anna" as well'),
        ('people = "secret-secret"', 'has "people" as well'),
        ('[persons]\nanna = "secret-secret"', 'has "persons" as well'),
        ('[people]\nanna = "secret-secret"\n[groups]\n', 'has "groups" as well'),
        ('[people]\nanna = "secret-"', '7 characters for "anna" in [people]'),
        ('[programs]\nci = "secret-"', '7 characters for "ci" in [programs]'),
        ("[people]\nanna = 1234567890", 'no text for "anna"'),
        ('[people]\nanna = ["secret-secret"]', 'no text for "anna"'),
        ('[people.anna]\npassword = "secret-secret"', 'no text for "anna"'),
        ('[people]\n"an:na" = "secret-secret"', 'has "an:na" in [people]'),
        ('[people]\n"" = "secret-secret"', 'has "" in [people]'),
        ('[people]\n"an\\nna" = "secret-"', '"an\\nna"'),
        ('[programs]\nci = "secret secret"', "ASCII"),
        ('[programs]\nci = "secret-sécret"', "ASCII"),
        ('[people]\nanna = "secret-secret', "none (at end of document)"),
        ("[people]\nanna = secret-secret", "none (at line 2, column 8)"),
        (b'[people]\nanna = "secret-\xff-secret"', "TOML"),
    ],
)
def test_a_file_that_cannot_work_is_refused_without_saying_a_password(
    tmp_path: Path, text: str | bytes, told: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        Credentials.read(path)
    said = str(caught.value)
    assert told in said and str(path) in said and "\n" not in said and "--login" in said
    assert "secret" not in said and "1234567890" not in said


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(UsageError, match=f"mode {mode:04o}: run chmod 600"):
        Credentials.read(write(tmp_path, GOOD, mode))
    Credentials.read(write(tmp_path, GOOD, 0o400))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        Credentials.read(tmp_path / "none.toml")
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    with pytest.raises(UsageError, match="Is a directory"):
        Credentials.read(folder)


def test_no_password_is_kept(tmp_path: Path) -> None:
    held = repr(vars(Credentials.read(write(tmp_path, GOOD))))
    assert PASSWORD not in held and TOKEN not in held


def test_every_entry_is_compared_whoever_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = Credentials.read(write(tmp_path, GOOD))
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("ui.login.hmac.compare_digest", compare)
    for sent in (basic("anna", PASSWORD), basic("anna", "x"), basic("nobody", "x" * 1000), "Basic ?"):
        compared.clear()
        credentials.include(sent.encode())
        assert compared == [(32, 32)] * 2


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[TestClient]:
    """A small application behind the login."""

    async def anything(request: Request) -> Response:
        return PlainTextResponse("inside")

    async def socket(connected: WebSocket) -> None:
        await connected.accept()
        await connected.close()

    credentials = Credentials.read(write(tmp_path, GOOD))
    app = Starlette(
        routes=[Route("/{page:path}", anything, methods=["GET", "POST"]), WebSocketRoute("/healthz", socket)],
        middleware=[Middleware(Login, credentials=credentials)],
    )
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize(
    "sent",
    [
        basic("anna", PASSWORD),
        basic("anna", PASSWORD).replace("Basic", "bAsIc"),
        basic("Zoë 張", "pässwörd ✓ : ok"),
        basic("Zoe\u0308 張", "pa\u0308sswo\u0308rd ✓ : ok"),  # the same, as some keyboards write it
        f"Bearer {TOKEN}",
        f"bearer  {TOKEN} ",
    ],
)
def test_who_is_named_is_let_in(guarded: TestClient, sent: str) -> None:
    assert guarded.get("/x", headers={"Authorization": sent}).text == "inside"


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Bearer ",
        "Basic ????",
        f"Basic {b64encode(b'anna').decode()}",
        f"Basic {b64encode(b'anna:' + bytes([255, 254])).decode()}",
        basic("anna", ""),
        basic("anna", PASSWORD + " "),
        basic("anna", PASSWORD.upper()),
        basic("Anna", PASSWORD),
        basic("", PASSWORD),
        basic("bert", PASSWORD),
        basic("anna", "pässwörd ✓ : ok"),
        basic("nightly", TOKEN),
        f"Bearer {PASSWORD}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Digest {TOKEN}",
        TOKEN,
        basic("anna", PASSWORD) + ", " + basic("anna", PASSWORD),
    ],
)
def test_nobody_else_is(guarded: TestClient, sent: str | None) -> None:
    for method in ("GET", "POST"):
        response = guarded.request(method, "/x", headers={} if sent is None else {"Authorization": sent})
        assert response.status_code == 401 and response.headers["content-type"] == "application/problem+json"
        assert response.headers["www-authenticate"] == 'Basic realm="Lookalike", charset="UTF-8"'
        assert response.json()["code"] == "login-needed"


def test_two_headers_are_none(guarded: TestClient) -> None:
    good = ("Authorization", basic("anna", PASSWORD))
    assert guarded.get("/x", headers=[good, ("Authorization", "Bearer x")]).status_code == 401
    assert guarded.get("/x", headers=[good, good]).status_code == 401


def test_only_the_words_of_health_are_open(guarded: TestClient) -> None:
    assert guarded.get("/healthz").text == guarded.get("/readyz").text == "inside"
    for path in ("/healthz/", "/healthz/x", "/Healthz", "//healthz", "/readyz;", "/healthz%2F..", "/healthz%00"):
        assert guarded.get(path).status_code == 401
    with pytest.raises(WebSocketDenialResponse) as refused, guarded.websocket_connect("/healthz"):
        pass
    assert refused.value.status_code == 401
    with guarded.websocket_connect("/healthz", headers={"Authorization": basic("anna", PASSWORD)}):
        pass


@pytest.fixture
def app(service: SearchService, tmp_path: Path) -> Iterator[FastAPI]:
    """The whole application with a login."""
    with Uploads(parent=tmp_path) as uploads:
        config = ServeConfig(login=write(tmp_path, GOOD), admin=True, poll_seconds=0.1)
        yield create_app(service, uploads=uploads, config=config)


def addresses(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Every method and path that routes answer, Gradio's included; with a 1 for every part that may be anything."""
    for route in iter_route_contexts(routes):
        if isinstance(route.original_route, Mount):
            for method, path in addresses(route.original_route.routes):
                yield method, (route.path or "") + path
        elif route.path is not None:
            path = re.sub(r"{[^}]*}", "1", route.path)
            yield from ((method, path) for method in route.methods or {"GET"})


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")
SPELLINGS = (
    "{path}/",
    "/{path}",
    "{path}?x=1",
    "{path}%00",
    "{path}%2f",
    "{upper}",
    "{path};x",
    "/x/..{path}",
    "{path}#x",
)
REFUSED: tuple[dict[str, str], ...] = (
    {},
    {"Authorization": basic("anna", "wrong")},
    {"Authorization": "Bearer wrong"},
    {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"},
    {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x" * 22 + "==",
    },
    {"Accept": "text/event-stream", "X-Forwarded-For": "127.0.0.1", "X-Original-URL": "/healthz"},
)
"""Headers that let nobody in."""


def test_every_route_wants_the_login_but_two(app: FastAPI) -> None:
    listed = {path for _, path in addresses(app.routes)}
    assert {
        "/",
        "/api/search",
        "/api/products/1",
        "/media/1",
        "/docs",
        "/docs/1",
        "/metrics",
        "/openapi.json",
    } <= listed
    assert {"/config", "/gradio_api/upload", "/gradio_api/queue/join", "/assets/1", "/theme.css"} <= listed
    assert {"/admin", "/api/admin/status", "/gradio_api/queue/data", "/gradio_api/heartbeat/1", "/static/1"} <= listed
    closed = sorted({*listed, "/nowhere", "/api/nowhere", "/gradio_api/file=/etc/passwd"} - OPEN_ROUTES)
    with ServerThread(app) as url:
        for path in closed:
            for method in METHODS:
                refused(url, method, path)
            for headers in REFUSED:
                refused(url, "GET", path, headers)
                refused(url, "OPTIONS", path, headers)  # as browsers ask before the first
        for path in (*OPEN_ROUTES, "/", "/api/status"):
            for spelling in SPELLINGS:
                spelled = spelling.format(path=path, upper=path.upper())
                if spelled.partition("?")[0] not in OPEN_ROUTES:
                    refused(url, "GET", spelled)
        assert [raw(url, "GET", path)[1] for path in ("/healthz", "/readyz")] == [b"ok", b"ready"]
        for path in OPEN_ROUTES:
            assert raw(url, "HEAD", path)[1] == b""
            for method in set(METHODS) - {"GET", "HEAD"}:
                refused(url, method, path)
        with httpx.Client(base_url=url, headers={"Authorization": basic("anna", PASSWORD)}) as client:
            for path in ("/", "/config", "/theme.css", "/docs", "/metrics", "/openapi.json", "/api/status", "/admin"):
                assert client.get(path).status_code == 200, path


def refused(url: str, method: str, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
    """Nothing but 401 is told."""
    status, body = raw(url, method, path, headers)
    assert status == 401, f"{method} {path} {headers}"
    assert method == "HEAD" or json.loads(body)["code"] == "login-needed"


def test_a_login_file_that_is_wrong_ends_the_start(service: SearchService, tmp_path: Path) -> None:
    with Uploads(parent=tmp_path) as uploads, pytest.raises(UsageError, match="chmod 600"):
        create_app(service, uploads=uploads, config=ServeConfig(login=write(tmp_path, GOOD, 0o644)))


def test_serving_every_network_without_a_login_is_said(tmp_path: Path) -> None:
    def said(*options: str) -> str:
        place = ["--store", str(tmp_path / "none"), "--port", "0", "--host", "0.0.0.0", "--allowed-hosts", "shop"]
        done = subprocess.run([sys.executable, "-m", "ui", "serve", *place, *options], capture_output=True, text=True)
        assert done.returncode == 1
        return done.stderr

    assert said().count("everyone who can reach this machine can search: --login FILE") == 1
    assert "everyone" not in said("--login", str(write(tmp_path, GOOD)))


def test_the_page_and_the_docs_work_behind_it_in_a_browser(store: Path, tmp_path: Path, browser: Browser) -> None:
    login = ["--login", str(write(tmp_path, GOOD))]
    command = [sys.executable, "-m", "ui", "serve", "--store", str(store), "--port", "0", "--device", "cpu", *login]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().split()[1]
            assert httpx.get(url).status_code == 401
            known = browser.new_context(http_credentials={"username": "Zoë 張", "password": "pässwörd ✓ : ok"})
            page = known.new_page()
            page.set_default_timeout(20_000)
            page.goto(url)
            page.locator("html[data-ready]").wait_for()
            page.locator("#status", has_text="version").wait_for()
            page.goto(f"{url}/docs")
            expect(page.locator(".opblock-summary-path", has_text="/api/facets")).to_be_visible()
            known.close()
        finally:
            process.kill()
