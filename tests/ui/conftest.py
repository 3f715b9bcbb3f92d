"""A small real catalog, indexed by the real thing, served for the tests of the page and the API."""

from __future__ import annotations

import csv
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from time import monotonic

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect

from catalog.config import ScanConfig
from catalog.decode_worker import DecodeWorkers
from catalog.manifest import Manifest
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from search.service import SearchService
from tests.small_run import leave_start
from ui.config import ServeConfig
from ui.server import Server, create_app
from ui.uploads import Uploads

HOSTILE_TITLES = (
    "<img src=x onerror=\"document.title='owned'\">",
    "${document.title='owned'}",
    "{{7*7}} {{constructor.constructor('return 1')()}}",
    "`+alert(1)+` \\ \u202e txt.exe",
)
COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#b7950b", "#6c3483", "#2c3e50")
SHAPES: tuple[Callable[[ImageDraw.ImageDraw, str], None], ...] = (
    lambda draw, colour: draw.ellipse((40, 40, 200, 200), fill=colour),
    lambda draw, colour: draw.rectangle((60, 30, 180, 210), fill=colour),
    lambda draw, colour: draw.polygon(((120, 30), (210, 200), (30, 200)), fill=colour),
    lambda draw, colour: draw.line([(20 + 40 * i, 220 - 200 * (i % 2)) for i in range(6)], fill=colour, width=22),
)
expect.set_options(timeout=15_000)  # this machine may have more to do


def draw_photo(number: int, *, kind: str = "JPEG") -> bytes:
    """Product `number`'s photo: one of four shapes in one of six colours."""
    image = Image.new("RGB", (240, 240), "#f4f1ec")
    SHAPES[number % len(SHAPES)](ImageDraw.Draw(image), COLOURS[number // len(SHAPES) % len(COLOURS)])
    buffer = BytesIO()
    image.save(buffer, kind, quality=92)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def hostile_titles() -> tuple[str, ...]:
    """Titles of products 0, 1, …: text that would run if it were taken for anything but text."""
    return HOSTILE_TITLES


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A photo that is no photo of the catalog, but looks like product 5."""
    image = Image.open(BytesIO(draw_photo(5))).resize((300, 300)).rotate(4, fillcolor="#e8e4dd")
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 24 products with titles (some hostile), categories and prices, and one version."""
    folder = tmp_path_factory.mktemp("photos")
    with open(folder / "products.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("path", "title", "category", "price"))
        for number in range(24):
            (folder / f"{number:02}.jpg").write_bytes(draw_photo(number))
            title = HOSTILE_TITLES[number] if number < len(HOSTILE_TITLES) else f"Product {number}"
            table.writerow(
                (f"{number:02}.jpg", title, ("round", "square", "pointed", "striped")[number % 4], number + 0.5)
            )
    root = tmp_path_factory.mktemp("store") / "store"
    scan(ScanConfig(catalog=folder / "products.csv", store=root))
    leave_start(Store.open(root))
    build_version(IndexConfig(store=root, encoder="imagenet", device="cpu"))
    return root


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 24 products with ids, columns of every kind, and two photos of products 5 and 6."""
    folder = tmp_path_factory.mktemp("shop-photos")
    with open(folder / "products.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("path", "item_id", "title", "category", "price", "sale", "added", "url"))
        for number in range(26):
            product = number if number < 24 else number - 19  # 24 and 25 are second photos
            (folder / f"{number:02}.jpg").write_bytes(draw_photo(product))
            table.writerow(
                (
                    f"{number:02}.jpg",
                    f"id/{product} é%41",
                    f"Product {product}",
                    ("round", "square", "pointed", "striped")[product % 4],
                    product + 0.5,
                    ("true", "false")[product % 2],
                    f"2026-03-{product + 1:02}",
                    f"https://shop.example/{product}" if product else "javascript:document.title='owned'",
                )
            )
        Image.open(BytesIO(draw_photo(5))).rotate(90).save(folder / "24.jpg")
    root = tmp_path_factory.mktemp("shop") / "store"
    scan(ScanConfig(catalog=folder / "products.csv", store=root))
    leave_start(Store.open(root))
    build_version(IndexConfig(store=root, encoder="imagenet", device="cpu"))
    return root


@pytest.fixture(scope="session")
def shop_url(shop: Path, workers: DecodeWorkers, serving: Callable[[SearchService], str]) -> str:
    """Where the page of the shop is."""
    return serving(SearchService.open(shop, device="cpu", decode=workers.decode))


@pytest.fixture(scope="session")
def image_ids(store: Path) -> list[int]:
    """The id of product 0's photo, product 1's, …"""
    return [item.image_id for item in Manifest.read(store / "manifest.parquet").items()]


@pytest.fixture(scope="session")
def workers() -> Iterator[DecodeWorkers]:
    """The processes that decode uploads, as `serve` has them."""
    with DecodeWorkers(count=1) as pool:
        yield pool


@pytest.fixture(scope="session")
def service(store: Path, workers: DecodeWorkers) -> SearchService:
    """The real service on the store."""
    return SearchService.open(store, device="cpu", decode=workers.decode)


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    """A copy of the store, for a test that changes it."""
    return shutil.copytree(store, tmp_path / "store")


class ServerThread:
    """The application on a real port, in a thread."""

    def __init__(self, app: FastAPI) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = Server(app)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        deadline = monotonic() + 30
        while monotonic() < deadline:
            if self._server.started:
                url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
                assert httpx.get(f"{url}/healthz").text == "ok"
                return url
            self._thread.join(0.02)
        raise TimeoutError("the server did not start within 30 seconds")

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[SearchService], str]]:
    """Serves a service until the session ends; gives the URL."""
    with ExitStack() as stack:

        def start(service: SearchService) -> str:
            uploads = stack.enter_context(Uploads(parent=tmp_path_factory.mktemp("uploads")))
            app = create_app(service, uploads=uploads, config=ServeConfig(poll_seconds=0.1))
            return stack.enter_context(ServerThread(app))

        yield start


@pytest.fixture(scope="session")
def url(service: SearchService, serving: Callable[[SearchService], str]) -> str:
    """Where the page and the API of the common store are."""
    return serving(service)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Opens the page at a URL. Afterwards: no page error, no console error, and nothing asked of another machine."""
    with watched_context(browser) as open_watched:

        def open_page(url: str) -> Page:
            page = open_watched(url)
            page.locator("html[data-ready]").wait_for()
            page.locator("#status", has_text="version").wait_for()
            return page

        yield open_page


@contextmanager
def watched_context(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Opens any page; afterwards: no page error, no console error, and nothing asked of another machine."""
    troubles: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 900})

    def open_watched(url: str) -> Page:
        origin = "/".join(url.split("/")[:3])
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: troubles.append(f"page error: {error}"))
        page.on(
            "console",
            lambda said: troubles.append(f"console: {said.text}") if said.type in ("error", "warning") else None,
        )
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((f"{origin}/", f"blob:{origin}/", "data:"))
                else troubles.append(f"left the machine: {request.url}")
            ),
        )
        page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        page.goto(url)
        return page

    yield open_watched
    context.close()
    assert troubles == []
