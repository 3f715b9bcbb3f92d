"""A day of use leaks nothing: searches, pages opened again, uploads that break off and new versions, and afterwards the
server holds as much memory, as many handles and as many temporary files as it did after the first of them."""

from __future__ import annotations

import os
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import httpx

from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig, RollbackConfig
from index.status import rollback
from index.versions import current_id
from tests.reliability.served import PRODUCTS, Served, served, small_store, wait_until
from tests.ui.conftest import draw_photo
from ui.uploads import MAX_AGE_SECONDS

CLIENTS = 4
PHOTOS = [draw_photo(number, kind="PNG") for number in range(PRODUCTS)]
USES = {"product": 50, "photo": 30, "picture": 10, "page": 5, "abort": 5}
"""How often each is drawn, in percent."""


class Visitor:
    """Uses a server in the ways in which it is used, drawn by a seed."""

    def __init__(self, url: str, seed: int) -> None:
        self.url = url
        self.draw = random.Random(seed)
        self.name = f"visitor-{seed}"
        self.count = 0

    def visit(self, times: int) -> Counter[str]:
        """Use it so often; how often in which way."""
        ways = self.draw.choices(list(USES), list(USES.values()), k=times)
        with httpx.Client(base_url=self.url, timeout=60) as client:
            for way in ways:
                self.count += 1
                getattr(self, way)(client)
        return Counter(ways)

    def product(self, client: httpx.Client) -> None:
        """A search by a product."""
        answer = client.post("/api/search", json={"product": f"{self.draw.randrange(PRODUCTS):02}.jpg", "colour": 0.5})
        assert answer.status_code == 200, answer.text

    def photo(self, client: httpx.Client) -> None:
        """A search by a photo, sometimes one that is none."""
        good = self.draw.random() < 0.9
        photo = self.draw.choice(PHOTOS)
        answer = client.post("/api/search", files={"photo": photo if good else photo[:200]})
        assert answer.status_code == (200 if good else 422), answer.text

    def picture(self, client: httpx.Client) -> None:
        """A catalog photo's picture, as a grid asks for it."""
        answer = client.get(f"/media/{1 + self.draw.randrange(PRODUCTS)}", params={"w": self.draw.choice((160, 320))})
        assert answer.status_code in (200, 404)

    def page(self, client: httpx.Client) -> None:
        """The page opened anew, a photo uploaded and asked with, the page closed."""
        session = f"{self.name}-{self.count}"
        assert client.get("/").status_code == 200
        (number,) = [one["id"] for one in client.get("/config").json()["dependencies"] if one["api_name"] == "ask"]
        with client.stream("GET", f"/gradio_api/heartbeat/{session}"):
            photo = self.draw.choice(PHOTOS) + session.encode()  # another file each time
            stored = client.post("/gradio_api/upload", files={"files": ("photo.png", photo)}).json()
            event = {"request": 1, "uploads": stored, "question": {}}
            sent = {"data": [], "event_data": event, "fn_index": number, "session_hash": session, "trigger_id": 1}
            assert client.post("/gradio_api/queue/join", json=sent).status_code == 200
            with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as events:
                assert any('"matches"' in line for line in events.iter_lines())

    def abort(self, client: httpx.Client) -> None:
        """A photo of which a part is sent before the connection breaks."""
        host = urlsplit(self.url)
        path = self.draw.choice(("/gradio_api/upload", "/api/search"))
        field = "files" if "upload" in path else "photo"
        start = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="a.png"\r\n\r\n'.encode()
        with socket.create_connection((host.hostname or "", host.port or 0)) as connection:
            connection.sendall(
                f"POST {path} HTTP/1.1\r\nHost: {host.netloc}\r\nContent-Length: 3000000\r\n"
                "Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode()
                + start
                + self.draw.randbytes(self.draw.randrange(300_000))
            )


def test_what_is_held_after_a_day_is_what_was_held_after_the_first_hour(
    tmp_path: Path, long: bool, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    rounds, a_round, swaps = (20, 2500, 5) if long else (5, 60, 1)
    store = small_store(tmp_path / "catalog")
    build_version(IndexConfig(store=store, encoder="imagenet", device="cpu", force=True))
    versions = sorted(path.name for path in (store / "versions").iterdir())
    uses: Counter[str] = Counter()
    held: list[dict[str, int]] = []
    begun = time.monotonic()
    with served(store, tmp_path, "--poll-seconds", "0.2") as server, ThreadPoolExecutor(CLIENTS) as pool:
        visitors = [Visitor(server.url, seed) for seed in range(CLIENTS)]
        for number in range(rounds):
            visiting = [pool.submit(visitor.visit, a_round // CLIENTS) for visitor in visitors]
            for _ in range(swaps):  # while they are at it
                other = next(name for name in versions if name != current_id(Store.open(store)))
                rollback(RollbackConfig(store=store, to=other))
                wait_until(partial(_answers_with, server.url, other))
            for visit in visiting:
                uses += visit.result()
            held.append(_held(server))
            print(f"{number + 1}/{rounds} {time.monotonic() - begun:.0f} s {held[-1]}", flush=True)
        assert "Traceback" not in server.log.read_text()
    first, last = _median(held[: max(2, rounds // 5)]), _median(held[-max(2, rounds // 5) :])
    figures = {
        "seconds": round(time.monotonic() - begun),
        "uses": sum(uses.values()),
        **{f"of_them_{way}": uses[way] for way in USES},
        "swaps": rounds * swaps,
        "in_the_first_fifth": first,
        "in_the_last_fifth": last,
        "memory_mb": [one["memory_mb"] for one in held],
    }
    record_figures("soak", figures)
    print(figures)
    for name in first:
        assert last[name] <= (1.05 if long else 1.25) * first[name] + (0 if long else 3), name


def _median(held: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Of several rounds: from one to the next memory varies by what was asked last."""
    return {name: round(median(one[name] for one in held)) for name in held[0]}


def _answers_with(url: str, version: str) -> bool:
    return bool(httpx.get(f"{url}/api/status").json()["version"]["id"] == version)


def _held(server: Served) -> dict[str, int]:
    """What the server holds at rest, half an hour after the last visitor: their uploads are too old to be kept."""
    wait_until(lambda: server.connections() == 0)
    half_an_hour_ago = time.time() - MAX_AGE_SECONDS - 1
    for file in server.temporary.rglob("*"):
        if file.is_file():
            os.utime(file, (half_an_hour_ago, half_an_hour_ago))
    httpx.post(f"{server.url}/gradio_api/upload", files={"files": ("last.png", PHOTOS[0])})  # makes room first
    wait_until(lambda: server.connections() == 0)
    return {
        "memory_mb": server.memory() // 2**20,
        "handles": server.handles(),
        "temporary_files": server.temporary_files(),
        "threads": len(os.listdir(f"/proc/{server.process.pid}/task")),
    }
