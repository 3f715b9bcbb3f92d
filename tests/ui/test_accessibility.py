"""axe finds nothing serious or critical in any state of the page, and all of it works by keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.ui.conftest import draw_photo

Visit = Callable[[str], Page]
GRAVE = ("serious", "critical")


def grave(page: Page) -> list[str]:
    """What axe objects to, and where."""
    page.wait_for_function(
        "document.getAnimations().every("
        "(each) => each.playState !== 'running' || each.effect.getTiming().iterations > 1)"
    )
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {node['target']} {node.get('failureSummary', '')}"
        for found in violations
        if found["impact"] in GRAVE
        for node in found["nodes"]
    ]


def answered(page: Page) -> None:
    expect(page.locator("html[data-view=asked]:not([data-busy])")).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing_grave(visit: Visit, shop_url: str, theme: str, width: int) -> None:
    page = visit(f"{shop_url}/?__theme={theme}")
    page.set_viewport_size({"width": width, "height": 900})
    assert grave(page) == []
    page.set_input_files("#photo-input", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no photo"})
    expect(page.locator(".invite .problem")).to_be_visible()
    assert grave(page) == []
    page.set_input_files("#photo-input", {"name": "b.jpg", "mimeType": "image/jpeg", "buffer": draw_photo(3)})
    answered(page)
    page.get_by_role("button", name="Show them anyway").click()
    answered(page)
    page.locator(".choices input").first.check()
    answered(page)
    page.locator(".card .steer button").nth(1).click()
    answered(page)
    page.locator(".facet summary").last.click()
    assert grave(page) == []
    page.locator(".card .open").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert grave(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Crop").click()
    assert grave(page) == []
    page.locator("#masthead .lookup input").fill("product 1")
    expect(page.get_by_role("option").first).to_be_visible()
    assert grave(page) == []
    page.get_by_label("title contains").fill("no such title")
    expect(page.locator(".answer h1")).to_have_text("Nothing found")
    assert grave(page) == []


def test_everything_is_reached_and_done_by_keyboard(visit: Visit, shop_url: str) -> None:
    """From the address to an export, with Tab, Enter, Space, arrows and Escape only."""
    page = visit(f"{shop_url}/?all=1")

    def tab_to(selector: str, most: int = 80) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"the focus on {selector} cannot be seen"
                return
        raise AssertionError(f"{selector} is not reached by Tab")

    tab_to("#query .lookup input")
    page.keyboard.type("Product 4")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    answered(page)
    tab_to(".cut")
    page.keyboard.press("Enter")
    expect(page.locator(".crop .box")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".corner.left.top")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("crop="))
    answered(page)
    page.keyboard.press("Escape")
    expect(page.locator(".cut")).to_be_focused()
    tab_to(".card .open")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".card .open").first).to_be_focused()
    tab_to(".tick input")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Export 1 as CSV")).to_be_visible()
    tab_to(".steer button")
    page.keyboard.press("Enter")
    expect(page.locator(".steers li")).to_have_count(1)
    answered(page)
    tab_to("#colour")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("What counts")).to_have_value("0.15")
    answered(page)
    tab_to(".choices input")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Clear 1 filter")).to_be_visible()


def test_pictures_have_words_or_stand_beside_them(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1")
    page.set_input_files("#photo-input", {"name": "b.jpg", "mimeType": "image/jpeg", "buffer": draw_photo(3)})
    answered(page)
    expect(page.locator(".canvas img")).to_have_attribute("alt", "Your photo")
    page.locator(".card .open").first.click()
    title = page.get_by_role("dialog").locator("h2").inner_text()
    expect(page.get_by_role("dialog").locator(".large img")).to_have_attribute("alt", title)
    assert page.locator("img:not([alt])").count() == 0
