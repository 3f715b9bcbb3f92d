"""The log of `lookalike serve`: lines for people or for programs, every request with an id, and nothing of photos."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from search.service import SearchService
from tests.ui.conftest import ServerThread
from tests.ui.test_middleware import ask
from ui.log import RequestLog, written
from ui.server import create_app
from ui.uploads import Uploads


@contextmanager
def logged(store: Path, log: Path, form: str) -> Iterator[httpx.Client]:
    """A client of a real server that writes its log into a file."""
    options = ["--store", str(store), "--port", "0", "--device", "cpu", "--poll-seconds", "0.1", "--log", form]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "ui", "serve", *options], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout
    try:
        with httpx.Client(base_url=process.stdout.readline().split()[1], timeout=30) as client:
            yield client
    finally:
        process.terminate()
        process.wait(timeout=20)


def use(client: httpx.Client, photo: bytes) -> list[httpx.Response]:
    """A visit with all that may go wrong: answers, bad photos, and paths where none belong."""
    stored = client.post("/gradio_api/upload", files={"files": ("secret-name.png", photo)}).json()[0]
    ask(client, "one", request=1, uploads=[stored], question={}, name="secret-name.png")
    ask(client, "two", request=1, uploads=[stored + "x"], question={}, name="secret-name.png")
    hostile = {"data": [{"path": stored, "meta": {"_type": "gradio.FileData"}}, {}], "session_hash": "three"}
    names = {entry["api_name"]: entry["id"] for entry in client.get("/config").json()["dependencies"]}
    client.post("/gradio_api/queue/join", json={**hostile, "fn_index": names["search"], "trigger_id": 1})
    elsewhere = {"data": [{"path": "/etc/hostname"}, {}], "fn_index": names["search"], "session_hash": "four"}
    client.post("/gradio_api/queue/join", json=elsewhere)
    answered = [
        client.post("/api/search", files={"photo": ("secret-name.png", photo)}, headers={"X-Request-ID": "shop-7.a_b"}),
        client.post("/api/search", files={"photo": ("secret-name.png", photo[:100])}),
        client.get("/api/products/secret-name", headers={"X-Request-ID": "x" * 65}),
        client.get("/secret-name", headers={"X-Request-ID": 'a"} {"level": "INFO"'}),
        client.get("/healthz", headers={"Host": "secret-name.example"}),
    ]
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "four"}) as events:
        for line in events.iter_lines():
            if "process_completed" in line:
                break
    return answered


def test_json_is_one_object_a_line_and_names_the_request(own_store: Path, photo: bytes, tmp_path: Path) -> None:
    with logged(own_store, tmp_path / "log", "json") as client:
        answered = use(client, photo)
        assert client.get("/api/status", headers={"X-Request-ID": "last"}).status_code == 200
    *lines, end = (tmp_path / "log").read_text().splitlines()
    assert end == "python -m ui: terminated; what was done is kept"  # the command's own word, after the server's
    entries = [json.loads(line) for line in lines]
    for entry in entries:
        assert {"time", "level", "message", "request_id"} <= entry.keys() and "\n" not in entry["message"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", entry["time"])
    requests = {entry["request_id"]: entry for entry in entries if "route" in entry}
    ids = [response.headers["X-Request-ID"] for response in answered]
    assert ids[0] == "shop-7.a_b" and all(re.fullmatch("[0-9a-f]{16}", name) for name in ids[1:]) and len(set(ids)) == 5
    told = [(requests[name]["method"], requests[name]["route"], requests[name]["status"]) for name in ids]
    assert told == [
        ("POST", "/api/search", 200),
        ("POST", "/api/search", 422),
        ("GET", "/api/products/{item_id}", 404),
        ("GET", "none", 404),
        ("GET", "none", 400),
    ]
    assert 0 < requests[ids[0]]["seconds"] < 60 and "last" in requests


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_of_a_photo_is_logged(own_store: Path, photo: bytes, tmp_path: Path, form: str) -> None:
    with logged(own_store, tmp_path / "log", form) as client:
        use(client, photo)
    text = (tmp_path / "log").read_text()
    assert "secret-name" not in text and "lookalike-uploads" not in text
    for start in range(0, len(photo) - 24, 24):
        part = photo[start : start + 24]
        assert b64encode(part).decode() not in text and repr(part)[2:-1] not in text
    if form == "text":
        assert "/api/search" not in text  # requests are for programs


def test_what_fails_is_logged_with_the_id_that_the_visitor_was_told(
    store: Path, photo: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(data: bytes, fit: int | None) -> Image.Image:
        raise RuntimeError("the decoder broke")

    with written("json"), Uploads(parent=tmp_path) as uploads:
        service = SearchService.open(store, device="cpu", decode=broken)
        with (
            ServerThread(create_app(service, uploads=uploads)) as url,
            httpx.Client(base_url=url, timeout=30) as client,
        ):
            told = client.post("/api/search", files={"photo": photo})
            assert told.status_code == 500 and told.json()["detail"] == "the request failed: the server's log says why"
            stored = client.post("/gradio_api/upload", files={"files": ("a.png", photo)}).json()[0]
            client.headers["X-Request-ID"] = "of-the-page"
            page = ask(client, "broken", request=1, uploads=[stored], question={})
            assert page["output"]["data"][0]["problem"]["code"] == "failed"
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    failures = [(line["request_id"], line["message"]) for line in lines if "decoder broke" in line.get("traceback", "")]
    assert failures == [
        (told.headers["X-Request-ID"], "the request failed"),
        ("of-the-page", "the page could not be answered"),
    ]


def _app() -> Starlette:
    async def broken(request: Request) -> Response:
        logging.getLogger("ui.test").error("just before\nINFO: not a line of its own")
        raise RuntimeError("broken")

    async def half(request: Request) -> Response:
        print("a library's words", file=sys.stderr)
        return Response("fine")

    return Starlette(routes=[Route("/broken", broken), Route("/half", half)], middleware=[Middleware(RequestLog)])


def test_a_fault_is_answered_with_the_id_under_which_the_log_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    with written("json"), TestClient(_app()) as client:
        response = client.get("/broken")
        client.get("/half", headers={"X-Request-ID": "printed"})
    assert response.status_code == 500 and response.json()["code"] == "failed"
    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    own = [line for line in lines if line["request_id"] == response.headers["X-Request-ID"]]
    assert [line["message"].split("\n")[0] for line in own][:2] == ["just before", "the request failed"]
    assert "RuntimeError: broken" in own[1]["traceback"]
    assert next(line["message"] for line in lines if line["request_id"] == "printed") == "a library's words"


def test_a_message_for_people_is_one_line_and_names_no_upload(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Uploads(parent=tmp_path) as uploads, written("text"), TestClient(_app()) as client:
        name = client.get("/broken").headers["X-Request-ID"]
        logging.getLogger("ui.test").warning("cannot read %s: gone", uploads.folder / "ab" / "secret.png")
        print(f"FileNotFoundError: '{uploads.folder / 'secret.png'}'", file=sys.stderr)
    said = capsys.readouterr().err
    assert f"ERROR [{name}] just before\\nINFO: not a line of its own\n" in said
    assert "WARNING cannot read (an upload)" in said and "secret" not in said
    assert said.rstrip().endswith("FileNotFoundError: '(an upload)'")


def test_the_log_is_text_again_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    with written("json"):
        logging.getLogger("ui.test").warning("inside")
    logging.getLogger("ui.test").warning("outside")
    assert capsys.readouterr().err.count("side") == 1
