"""What tests of several folders need: photos that they draw themselves, small real stores made of them, a browser."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, sync_playwright

from catalog.config import ScanConfig
from catalog.scan import scan
from catalog.store import Store

sys.path.insert(0, str(Path(__file__).parent.parent))  # `python -m …` in tests finds the folders without installation

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a background job of a shell: commands would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

DrawPhotos = Callable[..., Path]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the long versions of tests/reliability, with their figures")


def draw_photo(number: int, side: int = 96) -> Image.Image:
    """A photo that is like no other number's: a coloured shape on a noisy ground."""
    random = np.random.default_rng(number)
    ground = random.integers(150, 255, (side, side, 3), dtype=np.uint8)
    image = Image.fromarray(ground).resize((side, side * 3 // 4))
    draw = ImageDraw.Draw(image)
    colour = tuple(int(value) for value in random.integers(0, 200, 3))
    left, top = (int(value) for value in random.integers(5, 30, 2))
    box = (left, top, left + int(random.integers(20, 55)), top + int(random.integers(15, 35)))
    (draw.ellipse if number % 2 else draw.rectangle)(box, fill=colour)
    return image


@pytest.fixture
def draw_photos(tmp_path: Path) -> DrawPhotos:
    """Draws photos 0 … count-1 into a folder."""

    def draw(count: int, folder: str = "photos") -> Path:
        target = tmp_path / folder
        target.mkdir(exist_ok=True)
        for number in range(count):
            draw_photo(number).save(target / f"{number:03d}.png")
        return target

    return draw


@pytest.fixture
def make_store(draw_photos: DrawPhotos, tmp_path: Path) -> Callable[[int], Store]:
    """Scans that many drawn photos into a new store."""

    def make(count: int) -> Store:
        root = tmp_path / "store"
        scan(ScanConfig(catalog=draw_photos(count), store=root))
        return Store.open(root)

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium that is on this machine; nothing is downloaded."""
    path = os.environ.get("LOOKALIKE_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} on the PATH, and LOOKALIKE_CHROMIUM is not set")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()
