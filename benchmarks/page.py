"""How quick the page is, on the demo's catalog in Chromium: medians of 20, and what the first page weighs.

python -m benchmarks.page [--folder DEMO]

DEMO holds what `lookalike demo --folder DEMO` made; it is made where it is not there. Times are from the visitor's act
to the moment at which the browser has the answer laid out, by the page's own clock.
"""

from __future__ import annotations

import argparse
import base64
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Response

from benchmarks.browser import ANSWERED, ask, chromium, demo, serving
from benchmarks.record import write_record

TIMES = 20
BARS = {"usable": 2.0, "upload_to_results": 1.2, "more_like_this": 0.3, "filter_change": 0.3}
"""Seconds that the medians may take at most."""
MOST_BYTES = 1_500_000
"""Of the first page, beyond Gradio's own files."""

TIMED = """(act) => new Promise((done) => {
  const root = document.documentElement;
  const begun = performance.now();
  let busy = false;
  new MutationObserver((_, observer) => {
    busy ||= "busy" in root.dataset;
    if (!busy || "busy" in root.dataset) return;
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => done((performance.now() - begun) / 1000)));
  }).observe(root, { attributes: true });
  eval(act);
})"""
"""Seconds from an act to the frame after its answer."""
FILE = """(encoded) => {
  const carried = new DataTransfer();
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  carried.items.add(new File([bytes], "photo.jpg", { type: "image/jpeg" }));
  window.photo = carried;
}"""
UPLOAD = 'document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: window.photo, bubbles: true }))'
MORE = 'document.querySelector("dialog.product .primary").click()'
FILTER = 'document.querySelector(".choices input").click()'


def usable(browser: Browser, url: str) -> float:
    """Seconds until a visitor can give a photo, with an empty cache."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(url, wait_until="commit")
    page.locator("html[data-ready]").wait_for(state="attached")
    seconds: float = page.evaluate("performance.now() / 1000")
    context.close()
    return seconds


def weight(browser: Browser, url: str) -> dict[str, int]:
    """Bytes that the first page brings over the wire: Gradio's own files, and the rest."""
    context = browser.new_context()
    page = context.new_page()
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))
    page.goto(url)
    page.locator("html[data-ready]").wait_for()
    page.wait_for_load_state("networkidle")
    sizes = {"gradio": 0, "own": 0}
    for response in responses:
        held = len(response.body()) if response.status == 200 and "/queue/data" not in response.url else 0
        path = response.url.removeprefix(url)
        sizes["gradio" if path.startswith(("/assets/", "/static/", "/theme.css")) else "own"] += held
    context.close()
    return sizes


def timed(page: Page, act: str) -> float:
    """Seconds that an act takes."""
    seconds: float = page.evaluate(TIMED, act)
    return seconds


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, help="of a demo; default: a temporary one")
    chosen = options.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in BARS}
    with tempfile.TemporaryDirectory() as temporary:
        store, photos = demo(chosen.folder or Path(temporary))
        with serving(store) as url, chromium() as browser:
            usable(browser, url)  # the server's first
            seconds["usable"] = [usable(browser, url) for _ in range(TIMES)]
            bytes_of_page = weight(browser, url)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{url}/?all=1")
            page.locator("html[data-ready]").wait_for()
            ask(page, photos[0])
            for number in range(TIMES):
                page.evaluate(FILE, base64.b64encode(photos[17 * number + 1].read_bytes()).decode())
                seconds["upload_to_results"].append(timed(page, UPLOAD))
                page.locator(".card .open").nth(number % 12).click()
                seconds["more_like_this"].append(timed(page, MORE))
                seconds["filter_change"].append(timed(page, FILTER))
                page.locator(".refine .clear").click()
                page.locator(ANSWERED).wait_for()
    figures: dict[str, Any] = {
        name: {
            "median_seconds": round(statistics.median(taken), 3),
            "slowest_seconds": round(max(taken), 3),
            "bar_met": statistics.median(taken) <= BARS[name],
        }
        for name, taken in seconds.items()
    }
    figures["bytes"] = {**bytes_of_page, "bar_met": bytes_of_page["own"] <= MOST_BYTES}
    for name, found in figures.items():
        print(f"{name}: {found}")
    print(write_record("page", figures))


if __name__ == "__main__":
    main()
