"""The page as a visitor meets it: a real Chromium, the real service, a real port."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

from index.build import build_version
from index.config import IndexConfig
from search.service import SearchService

GIVE_FILE = """([kind, name, type, encoded]) => {
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type }));
  const options = { bubbles: true, cancelable: true };
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: carried, ...options })
    : new DragEvent(kind, { dataTransfer: carried, ...options });
  document.body.dispatchEvent(event);
}"""


def payload(photo: bytes, name: str = "mine.png") -> FilePayload:
    """A file for the page's file input."""
    return {"name": name, "mimeType": "image/png", "buffer": photo}


def ask(page: Page, photo: bytes) -> None:
    """Upload a photo and wait for its answer."""
    page.set_input_files("#photo-input", payload(photo))
    expect(page.locator(".answer h1")).to_have_text("12 products like your photo")


def titles(page: Page) -> list[str]:
    """What the cards are called, best first."""
    return page.locator(".card .title").all_inner_texts()


def test_a_photo_is_answered_and_every_result_is_a_new_question(
    visit: Callable[[str], Page], url: str, photo: bytes
) -> None:
    page = visit(f"{url}/?all=1")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)
    ask(page, photo)
    first = titles(page)
    assert len(first) == 12 and first[0] == "Product 5"
    expect(page.locator("#query .name")).to_have_text("Your photo")
    page.locator(".card .open").nth(3).click()
    page.get_by_role("dialog").get_by_role("button", name="More like this").click()
    expect(page.locator(".answer h1")).to_have_text("12 products like this one")
    expect(page.locator("#query .name")).to_have_text(first[3])
    second = titles(page)
    assert second != first and first[3] not in second
    page.get_by_role("button", name="mine.png").click()
    expect(page.locator(".answer h1")).to_have_text("12 products like your photo")
    assert titles(page) == first
    page.get_by_role("button", name="New search").click()
    expect(page.locator(".card")).to_have_count(0)
    expect(page.get_by_role("button", name="Choose a photo")).to_be_focused()


def test_a_card_shows_photo_category_price_and_similarity(visit: Callable[[str], Page], url: str, photo: bytes) -> None:
    page = visit(f"{url}/?all=1")
    ask(page, photo)
    card = page.locator(".card").first
    expect(card.locator(".facts")).to_have_text("square · 5.50")
    similarity = float(card.locator(".figure").inner_text())
    assert 0.5 < similarity <= 1
    picture = card.locator("img")
    picture.evaluate("image => image.decode()")
    assert picture.evaluate("image => image.naturalWidth") > 100
    assert "/media/" in picture.evaluate("image => image.currentSrc")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_may_be_dropped_or_pasted_anywhere(
    visit: Callable[[str], Page], url: str, photo: bytes, way: str
) -> None:
    page = visit(f"{url}/?all=1")
    encoded = b64encode(photo).decode()
    if way == "drop":
        page.evaluate(GIVE_FILE, ["dragover", "mine.png", "image/png", encoded])
        assert page.evaluate("'dragging' in document.documentElement.dataset")
    page.evaluate(GIVE_FILE, [way, "mine.png", "image/png", encoded])
    expect(page.locator(".answer h1")).to_have_text("12 products like your photo")
    assert not page.evaluate("'dragging' in document.documentElement.dataset")


def test_a_text_file_named_jpg_is_refused_in_words(visit: Callable[[str], Page], url: str) -> None:
    page = visit(f"{url}/?all=1")
    page.set_input_files("#photo-input", {"name": "holiday.jpg", "mimeType": "image/jpeg", "buffer": b"just some text"})
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("“holiday.jpg” cannot be used. A photo must be JPEG, PNG")
    text = page.locator("body").inner_text()
    assert "/tmp" not in text and "lookalike-uploads" not in text and "Traceback" not in text
    expect(page.get_by_role("button", name="Choose a photo")).to_be_visible()


def test_a_photo_that_is_too_large_is_refused_before_it_is_sent(
    visit: Callable[[str], Page], url: str, tmp_path: Path
) -> None:
    large = tmp_path / "large.jpg"
    with open(large, "wb") as file:
        file.truncate(21 * 2**20)
    page = visit(f"{url}/?all=1")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "upload" in request.url else None)
    page.set_input_files("#photo-input", large)
    expect(page.get_by_role("alert")).to_contain_text("21 MB; a photo may have at most 20 MB")
    assert sent == []


def test_hostile_text_is_only_text(
    visit: Callable[[str], Page],
    url: str,
    service: SearchService,
    image_ids: list[int],
    hostile_titles: tuple[str, ...],
) -> None:
    page = visit(f"{url}/?all=1")
    name = "<img src=x onerror=document.title='owned'>${document.title='owned'}.png"
    page.set_input_files("#photo-input", payload(service.photo_path(image_ids[0]).read_bytes(), name))
    expect(page.locator("#query .asked .facts")).to_have_text(name)
    expect(page.locator(".card").first).to_be_visible()
    page.locator(".card .open").first.click()
    expect(page.get_by_role("dialog").locator("h2")).to_have_text(hostile_titles[0])
    page.get_by_role("dialog").get_by_role("button", name="More like this").click()
    expect(page.locator("#query .name")).to_have_text(hostile_titles[0])
    shown: set[str] = set()
    for number in range(3):
        shown.update(titles(page), [page.locator("#query .name").inner_text()])
        page.locator(".card .steer button").nth(2 * number).click()
        expect(page.locator("html[data-busy]")).to_have_count(0)
    assert shown & set(hostile_titles)
    page.locator("#masthead .lookup input").fill("onerror")
    expect(page.get_by_role("option")).to_contain_text(hostile_titles[0])
    assert page.title() == "12 products like this one · Lookalike"
    assert page.locator("#query .name img, .card .title img, dialog h2 img, .steers .words img").count() == 0


def test_an_open_page_names_the_version_that_answers(
    visit: Callable[[str], Page],
    serving: Callable[[SearchService], str],
    own_store: Path,
    photo: bytes,
) -> None:
    service = SearchService.open(own_store, device="cpu")
    page = visit(f"{serving(service)}/?all=1")
    before = service.version.id
    expect(page.locator("#status")).to_contain_text(f"24 products · version {before}")
    ask(page, photo)
    build_version(IndexConfig(store=own_store, encoder="imagenet", device="cpu"))
    page.wait_for_function("() => fetch('/readyz')")  # the server goes on while the version is taken in
    for _ in range(100):
        page.get_by_role("button", name="New search").click()
        ask(page, photo)
        if before not in page.locator("#status").inner_text():
            break
    expect(page.locator("#status")).to_contain_text(f"version {service.version.id}")
    assert service.version.id != before


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_nothing_is_wider_than_the_screen(visit: Callable[[str], Page], url: str, photo: bytes, width: int) -> None:
    page = visit(f"{url}/?all=1")
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ask(page, photo)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cards = page.locator(".card .open").all()
    boxes = [box for card in cards if (box := card.bounding_box())]
    assert len(boxes) == 12
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)


def test_nothing_of_gradio_shows(visit: Callable[[str], Page], url: str) -> None:
    text = visit(f"{url}/?all=1").locator("body").inner_text()
    assert "gradio" not in text.lower() and "api" not in text.lower().split()
    page = visit(f"{url}/?all=1")
    assert page.locator("footer:visible").all_inner_texts() == [page.locator("#status footer").inner_text()]


def test_works_by_keyboard(visit: Callable[[str], Page], url: str, photo: bytes) -> None:
    page = visit(f"{url}/?all=1")
    page.on("filechooser", lambda chooser: chooser.set_files(payload(photo)))
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose a photo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".answer h1")).to_have_text("12 products like your photo")
    page.locator(".card .open").nth(1).focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="More like this").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".answer h1")).to_have_text("12 products like this one")
    expect(page.locator(".answer h1")).to_be_focused()
