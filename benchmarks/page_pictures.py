"""Pictures of the page in every state, for docs/pictures: three widths, light and dark; and a walk for the README.

python -m benchmarks.page_pictures [--folder DEMO] [--output docs/pictures]

DEMO holds what `lookalike demo --folder DEMO` made; it is made where it is not there.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page

from benchmarks.browser import ANSWERED, ask, chromium, credentials, demo, login_file, serving

WIDTHS = (390, 820, 1440)
HEIGHT = 900
THEMES = ("light", "dark")
WALK_SIZE = (1180, 760)
QUALITY = 82


class Visit:
    """One page at one width in one theme, brought into each state."""

    def __init__(self, page: Page, url: str, photo: Path, folder: Path) -> None:
        self.page, self.url, self.photo = page, url, photo
        self.folder = folder

    def start(self, address: str = "") -> None:
        """The page, new."""
        self.page.goto(f"{self.url}/{address}")
        self.page.locator("html[data-ready]").wait_for()

    def empty(self) -> None:
        """Before anything is searched for."""
        self.start()

    def results(self) -> None:
        """What looks like a photo."""
        self.start("?all=1")
        ask(self.page, self.photo)

    def product(self) -> None:
        """A product opened."""
        self.results()
        self.page.locator(".card .open").first.click()

    def crop(self) -> None:
        """A box on the query photo, and what looks like the part in it."""
        self.results()
        self.page.get_by_role("button", name="Crop").click()
        self.page.keyboard.press("ArrowRight")
        self.page.locator(f"{ANSWERED} .answer h1", has_text="this part").wait_for()

    def filters(self) -> None:
        """Narrowed down by the catalog's columns, with a product liked and one disliked."""
        self.results()
        self.page.locator(".choices input").first.check()
        self.page.locator(ANSWERED).wait_for()
        self.page.locator(".card .steer button").nth(2).click()
        self.page.locator(f"{ANSWERED} .steers li").wait_for()
        self.page.locator(".card .steer button").nth(9).click()
        self.page.locator(f"{ANSWERED} .steers li:nth-child(2)").wait_for()
        self.page.locator(".refine").scroll_into_view_if_needed()

    def nothing(self) -> None:
        """No close match."""
        noise = self.folder / "noise.png"
        pixels = np.random.default_rng(0).integers(0, 255, (240, 240, 3), np.uint8)
        Image.fromarray(pixels).save(noise)
        self.start()
        ask(self.page, noise)

    def error(self) -> None:
        """A file that is no photo."""
        text = self.folder / "holiday.jpg"
        text.write_text("no photo")
        self.page.goto("about:blank")  # the same address again would show the question before
        self.start()
        self.page.set_input_files("#photo-input", text)
        self.page.locator(".invite .problem").wait_for()

    def admin(self) -> None:
        """The page for whoever runs the server."""
        self.page.goto(f"{self.url}/admin")
        self.page.wait_for_load_state("networkidle")


STATES: dict[str, Callable[[Visit], None]] = {
    "empty": Visit.empty,
    "results": Visit.results,
    "product": Visit.product,
    "crop": Visit.crop,
    "filters": Visit.filters,
    "no-match": Visit.nothing,
    "error": Visit.error,
    "admin": Visit.admin,
}


def settled(page: Page) -> Image.Image:
    """The screen, once every picture on it is there."""
    page.wait_for_function(
        "[...document.images].every((image) => image.complete || !image.checkVisibility()) && document.getAnimations()"
        ".every((each) => each.playState !== 'running' || each.effect.getTiming().iterations > 1)"
    )
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def take_states(browser: Browser, url: str, photo: Path, folder: Path, output: Path) -> None:
    """A picture of each state, at each width, in each theme."""
    for width in WIDTHS:
        for theme in THEMES:
            context = browser.new_context(
                viewport={"width": width, "height": HEIGHT},
                color_scheme="dark" if theme == "dark" else "light",
                extra_http_headers=credentials(),
            )
            visit = Visit(context.new_page(), url, photo, folder)
            for name, bring_about in STATES.items():
                bring_about(visit)
                path = output / f"page-{name}-{width}-{theme}.webp"
                settled(visit.page).save(path, quality=QUALITY, method=6)
                print(path, flush=True)
            context.close()


def take_walk(browser: Browser, url: str, photo: Path, path: Path) -> None:
    """A photo, its answer, a part of it, another weight, a product, more like that one: an animated picture."""
    width, height = WALK_SIZE
    context = browser.new_context(viewport={"width": width, "height": height}, extra_http_headers=credentials())
    page = context.new_page()
    page.goto(f"{url}/?all=1")
    page.locator("html[data-ready]").wait_for()
    frames = [settled(page)]
    ask(page, photo)
    frames.append(settled(page))
    page.get_by_role("button", name="Crop").click()
    page.keyboard.press("ArrowRight")
    page.locator(f"{ANSWERED} .answer h1", has_text="this part").wait_for()
    frames.append(settled(page))
    page.get_by_role("button", name="Whole photo").click()
    page.locator(f"{ANSWERED} .answer h1", has_text="your photo").wait_for()
    page.get_by_label("What counts").fill("0.8")
    page.wait_for_url("**colour=0.8**")
    page.locator(ANSWERED).wait_for()
    frames.append(settled(page))
    page.locator(".card .open").nth(1).click()
    frames.append(settled(page))
    page.get_by_role("dialog").get_by_role("button", name="More like this").click()
    page.locator(f"{ANSWERED} .answer h1", has_text="this one").wait_for()
    frames.append(settled(page))
    context.close()
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=2200, loop=0, quality=QUALITY, method=6)
    print(path)


def main() -> None:
    """Take them all."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, help="of a demo; default: a temporary one")
    options.add_argument("--output", type=Path, default=Path("docs/pictures"))
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        store, photos = demo(chosen.folder or folder)
        photo = next(path for path in photos if path.stem.endswith("0002-a"))
        login = login_file(folder)
        with serving(store, "--login", str(login), "--admin") as url, chromium() as browser:
            take_states(browser, url, photo, folder, chosen.output)
            take_walk(browser, url, photo, chosen.output / "walk.webp")


if __name__ == "__main__":
    main()
