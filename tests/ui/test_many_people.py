"""32 people at once: everyone gets the answer to their own photo, over HTTP and on the page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
from playwright.sync_api import Browser, expect

from search.question import Question
from search.service import SearchService
from tests.ui.conftest import draw_photo

PEOPLE = 32
PAGES = 6


def test_nothing_is_lost_and_nobody_gets_anothers_answer(url: str, service: SearchService) -> None:
    photos = [draw_photo(number % 24, kind=("PNG", "JPEG", "WEBP")[number // 24]) for number in range(PEOPLE)]
    expected = [service.search(photo, Question(k=5)).matches for photo in photos]

    def ask(number: int) -> list[list[object]]:
        with httpx.Client(timeout=60) as client:
            answers = []
            for _ in range(3):
                sent = {"photo": (f"{number}.png", photos[number])}
                reply = client.post(f"{url}/api/search", files=sent, data={"k": 5})
                assert reply.status_code == 200, reply.text
                assert reply.json()["query"] == f"{number}.png"
                answers.append([match["image_id"] for match in reply.json()["matches"]])
            return answers

    with ThreadPoolExecutor(PEOPLE) as people:
        for answers, matches in zip(people.map(ask, range(PEOPLE)), expected, strict=True):
            assert answers == 3 * [[match.item.image_id for match in matches]]


def test_pages_that_ask_at_once_each_show_their_own(browser: Browser, url: str, service: SearchService) -> None:
    context = browser.new_context()
    pages = [context.new_page() for _ in range(PAGES)]
    for page in pages:
        page.goto(f"{url}/?all=1")
        page.locator("html[data-ready]").wait_for()
    photos = [draw_photo(4 * number + 1, kind="PNG") for number in range(PAGES)]
    for number, (page, photo) in enumerate(zip(pages, photos, strict=True)):
        page.set_input_files("#photo-input", {"name": f"{number}.png", "mimeType": "image/png", "buffer": photo})
    for number, (page, photo) in enumerate(zip(pages, photos, strict=True)):
        expect(page.locator("html[data-view=asked]:not([data-busy])")).to_have_count(1)
        expect(page.locator("#query .asked .facts")).to_have_text(f"{number}.png")
        expected = [match.item.title for match in service.search(photo).matches]
        assert page.locator(".card .title").all_inner_texts() == expected
    context.close()
