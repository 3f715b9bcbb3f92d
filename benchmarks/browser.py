"""A server on a store and a page in Chromium, for what is measured on the page and for its pictures."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.main_job import lookalike

NAME, PASSWORD = "benchmark", "a password of no worth"
ANSWERED = "html[data-view=asked]:not([data-busy])"
"""The page once its newest question has its answer."""


@contextmanager
def serving(store: Path, *options: str) -> Iterator[str]:
    """`lookalike serve` on a free port; gives its address."""
    line = [sys.executable, "-m", "ui", "serve", "--store", str(store), "--port", "0", *options]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[1]  # Open <address> (…
        finally:
            process.terminate()


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser that is on this machine."""
    path = which("chromium") or which("google-chrome")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def login_file(folder: Path) -> Path:
    """A login for `serve --login`."""
    path = folder / "login.toml"
    path.touch(mode=0o600)
    path.write_text(f'[people]\n{NAME} = "{PASSWORD}"\n', encoding="utf-8")
    return path


def credentials() -> dict[str, str]:
    """The header that passes that login."""
    return {"Authorization": "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()}


def demo(folder: Path) -> tuple[Path, list[Path]]:
    """The demo's store and its customer photos; made where they are not there yet."""
    store, photos = folder / "store", folder / "sample" / "customer"
    if not (store / "CURRENT").exists():
        lookalike("demo", "--folder", folder, "--no-serve")
    return store, sorted(photos.glob("*.jpg"))


def ask(page: Page, photo: Path) -> None:
    """Search with a photo and wait for the answer."""
    page.set_input_files("#photo-input", photo)
    page.locator(ANSWERED).wait_for()
