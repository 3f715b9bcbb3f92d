"""What can be asked on the page beyond one photo: a part of it, several, a product by name, filters, likes, dislikes.

And that the address, the history and the exports say the same as the screen.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from catalog.decode_worker import DecodeWorkers
from search.question import Question
from search.service import SearchService
from tests.ui.conftest import ServerThread, draw_photo
from ui.server import create_app
from ui.uploads import Uploads

Visit = Callable[[str], Page]


def ask(page: Page, *photos: bytes) -> None:
    """Give photos and wait for their answer."""
    files = [
        {"name": f"mine-{place}.png", "mimeType": "image/png", "buffer": each} for place, each in enumerate(photos)
    ]
    page.set_input_files("#photo-input", files)  # type: ignore[arg-type]
    answered(page)


def answered(page: Page) -> None:
    """Wait until the newest question has its answer."""
    expect(page.locator("html[data-view=asked]:not([data-busy])")).to_have_count(1)


def titles(page: Page) -> list[str]:
    """What the cards are called, best first."""
    return page.locator(".card .title").all_inner_texts()


def numbers(page: Page) -> list[int]:
    """The products' numbers, best first."""
    return [int(title.removeprefix("Product ")) for title in titles(page)]


@pytest.fixture(scope="module")
def shop_service(shop: Path) -> SearchService:
    """The service on the shop, to compare with."""
    return SearchService.open(shop, device="cpu")


def expected(service: SearchService, question: Question, photos: bytes | list[bytes] = b"") -> list[str]:
    """The titles that the service answers."""
    return [match.item.title for match in service.search(photos or [], question).matches]


def test_only_the_part_in_the_box_is_searched(visit: Visit, shop_url: str, shop_service: SearchService) -> None:
    """Of two shapes beside each other the one in the box counts, drawn by mouse and moved by keyboard."""
    pair = Image.new("RGB", (480, 240))
    for place, number in ((0, 9), (240, 14)):
        pair.paste(Image.open(BytesIO(draw_photo(number))), (place, 0))
    data = BytesIO()
    pair.save(data, "PNG")
    page = visit(f"{shop_url}/?all=1")
    ask(page, data.getvalue())
    whole = titles(page)
    page.get_by_role("button", name="Crop").click()
    layer = page.locator(".crop").bounding_box()
    assert layer is not None
    page.mouse.move(layer["x"] + 2, layer["y"] + 2)  # outside the box that is there to begin with
    page.mouse.down()
    page.mouse.move(layer["x"] + layer["width"] * 0.5, layer["y"] + layer["height"] - 2, steps=4)
    page.mouse.up()
    expect(page.locator(".card .title").first).to_have_text("Product 9")
    expect(page.locator(".answer h1")).to_have_text("12 products like this part")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".card .title").first).to_have_text("Product 14")
    crop = [float(edge) for edge in parse_qs(urlsplit(page.url).query)["crop"][0].split(",")]
    assert crop[0] > 0.45 and crop[2] > 0.95
    page.get_by_role("button", name=re.compile("Corner top left")).focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(rf"crop=0\.(?!{str(round(crop[0], 4))[2:]}\b)"))
    page.get_by_role("button", name="Whole photo").click()
    expect(page.locator(".answer h1")).to_have_text("12 products like your photo")
    answered(page)
    assert titles(page) == whole


def test_a_box_is_drawn_by_touch(browser: Browser, shop_url: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{shop_url}/?all=1&product={shop_id(9)}")
    answered(page)
    page.get_by_role("button", name="Crop").tap()
    page.locator(".crop").evaluate(
        """layer => {
          const { left, top, width, height } = layer.getBoundingClientRect();
          const at = (type, x, y) => layer.dispatchEvent(new PointerEvent(type, {
            pointerId: 7, pointerType: "touch", button: 0, bubbles: true, cancelable: true,
            clientX: left + x * width, clientY: top + y * height,
          }));
          layer.setPointerCapture = () => {};
          at("pointerdown", 0.02, 0.02);
          at("pointermove", 0.4, 0.4);
          at("pointermove", 0.52, 0.62);
          at("pointerup", 0.52, 0.62);
        }"""
    )
    expect(page).to_have_url(re.compile(r"crop=0\.02%2C0\.02%2C0\.52%2C0\.62"))
    assert page.locator(".crop .box").evaluate("box => getComputedStyle(box.parentElement).touchAction") == "none"
    context.close()


def shop_id(number: int) -> str:
    """A product's item_id as it stands in an address."""
    return f"id%2F{number}%20%C3%A9%2541"


def test_several_photos_are_one_query_and_can_be_taken_out(
    visit: Visit, shop_url: str, shop_service: SearchService
) -> None:
    photos = [draw_photo(3, kind="PNG"), draw_photo(17, kind="PNG")]
    page = visit(f"{shop_url}/?all=1")
    ask(page, *photos)
    expect(page.locator("#query .name")).to_have_text("2 photos of one thing")
    assert titles(page) == expected(shop_service, Question(), photos)
    page.get_by_role("button", name="Leave out mine-1.png").click()
    expect(page.locator("#query .name")).to_have_text("Your photo")
    answered(page)
    assert titles(page) == expected(shop_service, Question(), photos[0])


def test_a_product_is_found_by_title_or_id_and_searched_with(
    visit: Visit, shop_url: str, shop_service: SearchService
) -> None:
    page = visit(f"{shop_url}/?all=1")
    field = page.locator("#query .lookup input")
    field.fill("product 1")
    expect(page.get_by_role("option")).to_have_count(8)
    field.press("ArrowDown")
    field.press("Enter")
    expect(page.locator("#query .name")).to_have_text("Product 10")
    answered(page)
    asked = Question(product="id/10 é%41")
    assert titles(page) == expected(shop_service, asked) and "Product 10" not in titles(page)
    again = page.locator("#masthead .lookup input")
    again.fill("id/7 é")
    expect(page.get_by_role("option")).to_have_text("Product 7striped · 7.50 · 2026-03-08")
    again.fill("no such thing")
    expect(page.get_by_text("No product is called that")).to_be_visible()
    again.press("Escape")
    expect(page.get_by_text("No product is called that")).to_have_count(0)


def test_filters_are_made_of_the_columns_and_applied_before_the_search(
    visit: Visit, shop_url: str, shop_service: SearchService
) -> None:
    page = visit(f"{shop_url}/?all=1")
    ask(page, draw_photo(3, kind="PNG"))
    columns = page.locator(".facet summary").all_inner_texts()
    assert columns == ["title", "category", "price", "sale", "added", "url"]
    expect(page.locator(".facet", has_text="category").locator("li").first).to_have_text("pointed6")
    page.get_by_label("square").check()
    page.get_by_label("striped").check()
    page.get_by_label("from").first.fill("5")
    expect(page.locator(".answer h1")).to_have_text(re.compile("^10 products"))
    assert all(number % 4 in (1, 3) and number + 0.5 >= 5 for number in numbers(page))
    question = Question(where='category in ("square", "striped") and price >= 5')
    assert titles(page) == expected(shop_service, question, draw_photo(3, kind="PNG"))
    page.locator(".truth label", has_text="Yes").click()
    expect(page.locator(".answer h1")).to_have_text("Nothing found")
    page.locator(".truth label", has_text="No").click()
    page.locator(".facet", has_text="added").locator("summary").click()
    page.locator(".facet", has_text="added").get_by_label("to").fill("2026-03-12")
    expect(page.locator(".answer h1")).to_have_text(re.compile("^4 products"))
    assert sorted(numbers(page)) == [5, 7, 9, 11]
    page.get_by_label("title contains").fill("PRODUCT 1")
    expect(page.locator(".answer h1")).to_have_text(re.compile("^1 product\\b"))
    assert numbers(page) == [11]
    page.get_by_role("button", name="Clear 5 filters").click()
    expect(page.locator(".answer h1")).to_have_text("12 products like your photo")
    assert page.get_by_label("square").is_checked() is False


def test_where_no_product_meets_the_filters_the_page_says_what_to_do(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1")
    ask(page, draw_photo(3, kind="PNG"))
    page.get_by_label("title contains").fill("no such title")
    expect(page.locator(".answer h1")).to_have_text("Nothing found")
    expect(page.locator(".advice")).to_contain_text("No product meets these filters.")
    page.locator(".advice").get_by_role("button", name="Clear filters").click()
    expect(page.locator(".card")).to_have_count(12)


def test_the_slider_weighs_shape_against_colour(visit: Visit, shop_url: str, shop_service: SearchService) -> None:
    page = visit(f"{shop_url}/?all=1")
    photo = draw_photo(6, kind="PNG")
    ask(page, photo)
    slider = page.get_by_label("What counts")
    slider.fill("1")
    expect(page).to_have_url(re.compile("colour=1"))
    answered(page)
    assert titles(page) == expected(shop_service, Question(colour=1.0), photo)
    assert {number // 4 for number in numbers(page)[:4]} == {1}  # the four products in the colour of product 6
    slider.fill("0")
    expect(page).to_have_url(re.compile("colour=0"))
    answered(page)
    assert titles(page) == expected(shop_service, Question(colour=0.0), photo)


def test_more_like_these_less_like_those_can_be_taken_back(
    visit: Visit, shop_url: str, shop_service: SearchService
) -> None:
    page = visit(f"{shop_url}/?all=1")
    photo = draw_photo(3, kind="PNG")
    ask(page, photo)
    before = titles(page)
    liked, disliked = numbers(page)[4], numbers(page)[2]
    page.get_by_role("button", name=f"More like this: Product {liked}", exact=True).click()
    expect(page.locator(".steers li")).to_have_text([f"More like Product {liked}"])
    answered(page)
    page.get_by_role("button", name=f"Less like this: Product {disliked}", exact=True).click()
    expect(page.locator(".steers li")).to_have_count(2)
    answered(page)
    question = Question(liked=(f"id/{liked} é%41",), disliked=(f"id/{disliked} é%41",))
    assert titles(page) == expected(shop_service, question, photo)
    assert f"Product {disliked}" not in titles(page)
    pressed = page.get_by_role("button", name=f"More like this: Product {liked}", exact=True)
    expect(pressed).to_have_attribute("aria-pressed", "true")
    for name in (f"More like Product {liked}", f"Less like Product {disliked}"):
        page.get_by_role("button", name=f"No longer: {name}", exact=True).click()
        answered(page)
    expect(page.locator(".steers")).to_be_hidden()
    assert titles(page) == before


def test_more_is_shown_on_demand(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1")
    ask(page, draw_photo(3, kind="PNG"))
    first = titles(page)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".card")).to_have_count(24)
    assert titles(page)[:12] == first
    expect(page.locator(".card .open").nth(12)).to_be_focused()
    expect(page.get_by_role("button", name="Show more")).to_be_visible()  # 24 were asked for and 24 are there
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


def test_a_product_opens_with_all_its_photos_its_columns_and_its_link(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1&product={shop_id(4)}&k=24")
    answered(page)
    page.locator(".card .open", has_text=re.compile("Product 5$")).or_(
        page.locator(".card .open").filter(has=page.get_by_text("Product 5", exact=True))
    ).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".photos li")).to_have_count(2)
    expect(dialog.locator("dt")).to_have_text(["id", "category", "price", "sale", "added", "url"])
    expect(dialog.locator("dd").first).to_have_text("id/5 é%41")
    link = dialog.get_by_role("link")
    expect(link).to_have_attribute("href", "https://shop.example/5")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    before = dialog.locator(".large img").get_attribute("src")
    dialog.locator(".photos button[aria-pressed=false]").click()
    assert dialog.locator(".large img").get_attribute("src") != before
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_link_that_is_no_web_page_is_only_text(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1&product={shop_id(4)}&k=24")
    answered(page)
    page.locator(".card .open").filter(has=page.get_by_text("Product 0", exact=True)).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("javascript:document.title='owned'")
    expect(dialog.get_by_role("link")).to_have_count(0)


def test_an_address_reproduces_the_answer(visit: Visit, shop_url: str) -> None:
    """Product, filters, slider, likes and k, in a browser that has never been here."""
    page = visit(f"{shop_url}/?all=1&product={shop_id(2)}")
    answered(page)
    page.get_by_label("round").check()
    page.get_by_label("pointed").check()
    answered(page)
    page.get_by_label("What counts").fill("0.6")
    expect(page).to_have_url(re.compile("colour=0.6"))
    answered(page)
    page.get_by_role("button", name=re.compile("^Less like this")).nth(1).click()
    expect(page.locator(".steers li")).to_have_count(1)
    answered(page)
    other = visit(page.url)
    answered(other)
    assert titles(other) == titles(page)
    assert other.get_by_label("What counts").input_value() == "0.6"
    assert other.get_by_label("pointed").is_checked()
    expect(other.locator(".steers li")).to_have_text(page.locator(".steers li").all_inner_texts())


def test_an_answer_whose_stream_closes_too_soon_is_fetched(visit: Visit, shop_url: str) -> None:
    """Gradio's client takes a question while its stream is closing, and reads its answer only with the next stream."""
    page = visit(f"{shop_url}/?all=1")
    page.evaluate(
        """() => {
          const real = fetch;
          const late = () => new TransformStream({
            async transform(chunk, stream) {
              const text = new TextDecoder().decode(chunk);
              const end = text.indexOf('data: {"msg":"close_stream"');
              if (end < 0) return stream.enqueue(chunk);
              stream.enqueue(new TextEncoder().encode(text.slice(0, end)));
              await new Promise((done) => setTimeout(done, 1_000));
              window.closings = (window.closings ?? 0) + 1;
              stream.enqueue(new TextEncoder().encode(text.slice(end)));
            },
          });
          window.fetch = async (what, how) => {
            const reply = await real(what, how);
            const streams = (what.url ?? String(what)).includes("/queue/data");
            return streams ? new Response(reply.body.pipeThrough(late()), reply) : reply;
          };
        }"""
    )
    ask(page, draw_photo(3, kind="PNG"))
    page.get_by_label("round").check()  # the stream of the answer before is open still, and closes without this one's
    answered(page)
    expect(page.locator(".answer h1")).to_have_text("6 products, none a close match")
    assert page.evaluate("closings") >= 1


def test_back_and_forward_go_through_the_questions(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1")
    ask(page, draw_photo(3, kind="PNG"))
    of_photo = titles(page)
    page.get_by_label("round").check()
    expect(page.locator(".answer h1")).to_have_text("6 products, none a close match")
    page.locator(".card .open").first.click()
    page.get_by_role("dialog").get_by_role("button", name="More like this").click()
    expect(page.locator(".answer h1")).to_have_text("5 products like this one")
    page.go_back()
    expect(page.locator(".answer h1")).to_have_text("6 products, none a close match")
    page.go_back()
    expect(page.locator(".answer h1")).to_have_text("12 products like your photo")
    assert titles(page) == of_photo
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.go_forward()
    expect(page.locator(".answer h1")).to_have_text("12 products like your photo")
    page.reload()
    answered(page)
    assert titles(page) == of_photo  # the tab remembers the photo


def test_controls_follow_back_and_forward_and_changes_in_a_row_are_all_made(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1&product={shop_id(2)}")
    answered(page)
    page.get_by_label("What counts").fill("0.6")  # waits a moment before it asks …
    page.get_by_label("title contains").fill("product 1")  # … as this does …
    page.get_by_label("pointed").check()  # … and this asks at once, with both
    expect(page).to_have_url(re.compile("colour=0.6"))
    answered(page)
    assert sorted(numbers(page)) == [10, 14, 18] and "filters=" in page.url
    page.get_by_label("title contains").fill("product 18")
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_label("title contains").focus()
    page.evaluate("history.back()")  # as the browser's button does it: the focus stays
    expect(page.locator(".card")).to_have_count(3)
    assert page.get_by_label("title contains").input_value() == "product 1"
    page.evaluate("history.back()")
    expect(page.locator(".card")).to_have_count(12)
    assert page.get_by_label("What counts").input_value() == "0.1"
    assert not page.get_by_label("pointed").is_checked()


def test_a_box_that_was_not_searched_with_goes_away(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1&product={shop_id(2)}")
    answered(page)
    page.get_by_role("button", name="Crop").click()
    expect(page.locator(".crop .box")).to_be_visible()
    page.get_by_role("button", name="Crop").click()
    expect(page.locator(".crop .box")).to_be_hidden()
    page.get_by_role("button", name="Crop").click()
    page.locator("#masthead .lookup input").fill("product 4")
    page.locator("#masthead .lookup input").press("Enter")
    expect(page.locator("#query .name")).to_have_text("Product 4")
    expect(page.locator(".crop .box")).to_be_hidden()
    assert "crop" not in page.url


def test_what_is_no_close_match_can_be_hidden_again(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1&product={shop_id(2)}")
    answered(page)
    expect(page.locator(".note")).to_contain_text("of them are no close match.")
    page.get_by_role("button", name="Hide them").click()
    expect(page.get_by_role("button", name="Show them anyway")).to_be_visible()


def test_office_text_pasted_into_a_field_is_text(visit: Visit, shop_url: str) -> None:
    """Beside the text of a cell, spreadsheets put a picture of it on the clipboard."""
    page = visit(shop_url)
    page.locator("#query .lookup input").focus()
    taken = page.evaluate(
        """() => {
          const carried = new DataTransfer();
          carried.items.add("mug", "text/plain");
          carried.items.add(new File([new Uint8Array(9)], "cell.png", { type: "image/png" }));
          const paste = new ClipboardEvent("paste", { clipboardData: carried, bubbles: true, cancelable: true });
          document.activeElement.dispatchEvent(paste);
          return paste.defaultPrevented;
        }"""
    )
    assert not taken
    expect(page.locator("html")).to_have_attribute("data-view", "invite")


def test_the_searches_of_the_session_are_kept_as_pictures(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1")
    ask(page, draw_photo(3, kind="PNG"))
    first = titles(page)
    expect(page.locator(".earlier")).to_be_hidden()
    page.set_input_files("#photo-input", {"name": "other.png", "mimeType": "image/png", "buffer": draw_photo(8)})
    expect(page.locator(".earlier li")).to_have_count(1)
    answered(page)
    page.get_by_role("button", name="mine-0.png").click()
    expect(page.get_by_role("button", name="other.png")).to_be_visible()
    answered(page)
    assert titles(page) == first
    page.reload()
    expect(page.get_by_role("button", name="other.png")).to_be_visible()
    page.get_by_role("button", name="New search").click()
    expect(page.locator(".earlier li")).to_have_count(2)  # the one that was left is among them


def test_moves_of_one_control_in_a_row_are_one_step_back(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1&product={shop_id(2)}")
    answered(page)
    expect(page).to_have_title("12 products like this one · Lookalike")
    for weight in ("0.3", "0.5", "0.9"):
        page.get_by_label("What counts").fill(weight)
        expect(page).to_have_url(re.compile(f"colour={weight}"))
        answered(page)
    page.go_back()
    expect(page).not_to_have_url(re.compile("colour="))
    assert page.get_by_label("What counts").input_value() == "0.1"
    page.get_by_role("button", name="New search").click()
    expect(page).to_have_title("Lookalike")


def test_photos_that_the_server_forgot_are_sent_again_each_time(
    visit: Visit, shop: Path, workers: DecodeWorkers, tmp_path: Path
) -> None:
    with Uploads(parent=tmp_path) as uploads:
        app = create_app(SearchService.open(shop, device="cpu", decode=workers.decode), uploads=uploads)
        with ServerThread(app) as url:
            page = visit(f"{url}/?all=1")
            ask(page, draw_photo(3, kind="PNG"))
            first = titles(page)
            for name, found in (("round", 6), ("square", 12)):
                for sent in uploads.folder.rglob("*.png"):
                    sent.unlink()
                page.get_by_label(name).check()
                expect(page.locator(".card")).to_have_count(found)
            page.get_by_role("button", name="Clear 1 filter").click()
            answered(page)
            assert titles(page) == first


def test_what_is_shown_is_exported_as_inert_csv(
    visit: Visit, url: str, photo: bytes, service: SearchService, hostile_titles: tuple[str, ...]
) -> None:
    page = visit(f"{url}/?all=1")
    page.set_input_files("#photo-input", {"name": "mine.png", "mimeType": "image/png", "buffer": photo})
    expect(page.locator(".card")).to_have_count(12)
    with page.expect_download() as started:
        page.get_by_role("button", name="Export CSV").click()
    text = Path(started.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["title"] for row in rows] == [match.item.title for match in service.search(photo).matches]
    assert [int(row["rank"]) for row in rows] == list(range(1, 13)) and float(rows[0]["price"]) == 5.5
    told = page.evaluate(
        "lookalike.csv.text([{rank: 1, item_id: '=cmd()', columns: {title: '-1+2', note: 'a,\"b\"\\n', n: -3}}])"
    )
    assert told == 'rank,item_id,similarity,verdict,path,title,note,n\r\n1,\'=cmd(),,,,\'-1+2,"a,""b""\n",-3\r\n'


def test_ticked_products_are_exported_or_copied_as_ids(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, draw_photo(3, kind="PNG"))
    chosen = [titles(page)[1], titles(page)[4]]
    for title in chosen:
        page.get_by_label(f"Tick {title}", exact=True).check()
    with page.expect_download() as started:
        page.get_by_role("button", name="Export 2 as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(started.value.path()).read_text(encoding="utf-8-sig"))))
    assert [row["title"] for row in rows] == chosen
    page.get_by_role("button", name="Copy ids").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").split("\n") == [row["item_id"] for row in rows]
    page.get_by_role("button", name="Untick all").click()
    expect(page.get_by_role("button", name="Copy ids")).to_have_count(0)


def test_a_photo_comes_from_the_camera(browser: Browser, shop_url: str) -> None:
    """A picture that moves on a canvas stands in for a camera, which this machine has none of."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(
        """navigator.mediaDevices.getUserMedia = async () => {
          const canvas = document.createElement("canvas");
          canvas.width = canvas.height = 240;
          const draw = () => {
            const pen = canvas.getContext("2d");
            pen.fillStyle = "#f4f1ec"; pen.fillRect(0, 0, 240, 240);
            pen.fillStyle = "#c0392b"; pen.beginPath(); pen.arc(120, 120, 80, 0, 7); pen.fill();
            requestAnimationFrame(draw);
          };
          draw();
          return (window.camera = canvas.captureStream(20));
        };"""
    )
    page.goto(shop_url)
    page.locator("html[data-ready]").wait_for()
    page.get_by_role("button", name="Use the camera").click()
    page.wait_for_function("document.querySelector('.shoot video').videoWidth > 0")
    page.get_by_role("button", name="Take the photo").click()
    expect(page.locator("#query .asked .facts")).to_have_text("camera.jpg")
    expect(page.locator(".card .title").first).to_have_text("Product 0")
    assert page.evaluate("window.camera.getTracks().every((track) => track.readyState === 'ended')")
    page.get_by_role("button", name="New search").click()
    page.evaluate("void (navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('not allowed')))")
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("dialog")).to_contain_text("No camera can be used: allow it in the browser")
    page.get_by_role("button", name="Close").click()
    context.close()


NOISE = BytesIO()
Image.effect_noise((200, 200), 120).convert("RGB").save(NOISE, "PNG")
NOISE_PHOTO = NOISE.getvalue()


def test_no_close_match_is_said_and_what_can_be_done(visit: Visit, shop_url: str, shop_service: SearchService) -> None:
    page = visit(shop_url)
    ask(page, NOISE_PHOTO)
    expect(page.locator(".answer h1")).to_have_text("No close match")
    expect(page.locator(".advice li")).to_have_count(3)
    expect(page.locator(".card")).to_have_count(0)
    page.get_by_role("button", name="Show them anyway").click()
    expect(page.locator(".card")).to_have_count(12)
    expect(page.locator(".card .verdict").first).to_have_text("no close match")
    expect(page).to_have_url(re.compile("all=1"))
    page = visit(shop_url)
    photo = draw_photo(3, kind="PNG")
    ask(page, photo)
    matches = shop_service.search(photo).matches
    close = [match.item.title for match in matches if match.verdict != "no close match"]
    assert 0 < len(close) < 12 and titles(page) == close
    expect(page.locator(".card .verdict").first).to_have_text(str(matches[0].verdict))
    expect(page.locator(".note")).to_contain_text(f"{12 - len(close)} more products are no close match.")


def test_a_bad_file_among_others_is_named_and_left_out(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1")
    files = [("first.png", draw_photo(3)), ("notes.jpg", b"just some text"), ("second.png", draw_photo(7))]
    given = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    page.set_input_files("#photo-input", given)  # type: ignore[arg-type]
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text(
        "“notes.jpg” cannot be used. A photo must be JPEG, PNG"
    )
    answered(page)
    expect(page.locator("#query .name")).to_have_text("2 photos of one thing")
    both = titles(page)
    page.set_input_files("#photo-input", {"name": "bad.jpg", "mimeType": "image/jpeg", "buffer": b"no photo either"})
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("“bad.jpg” cannot be used.")
    answered(page)
    assert titles(page) == both  # what was shown is there again
    page.get_by_label("round").check()
    answered(page)
    expect(page.get_by_role("alert").filter(visible=True)).to_have_count(0)


def test_where_nothing_is_close_the_nearest_are_shown_as_such(visit: Visit, shop_url: str) -> None:
    noise = Image.effect_noise((64, 64), 200)
    data = BytesIO()
    noise.save(data, "PNG")
    page = visit(shop_url)
    ask(page, data.getvalue())
    expect(page.locator(".answer h1")).to_have_text("No close match")
    expect(page.get_by_role("button", name="Export CSV")).to_be_hidden()
    page.get_by_role("button", name="Show them anyway").click()
    expect(page.locator(".answer h1")).to_have_text("12 products, none a close match")
    expect(page.get_by_role("button", name="Export CSV")).to_be_visible()


def test_a_question_that_cannot_be_answered_says_why_and_can_be_asked_again(visit: Visit, shop_url: str) -> None:
    page = visit(f"{shop_url}/?all=1&product=nothing-of-that-name")
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text('has no "nothing-of-that-name"')
    filters = json.dumps({"no such column": {"kind": "text", "text": "x"}})
    page = visit(f"{shop_url}/?all=1&product={shop_id(2)}&filters={filters}")
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("Where must name columns of the catalog")
    page.locator(".advice").get_by_role("button", name="Clear filters").click()
    expect(page.locator(".answer h1")).to_have_text("12 products like this one")


def test_the_fields_of_an_address_are_anyones(visit: Visit, shop_url: str) -> None:
    """What cannot be used is left out; the page works all the same."""
    page = visit(f"{shop_url}/?all=1&product={shop_id(2)}&crop=1,2,x&colour=9&k=1000000&filters=%7Bnot&like=")
    page.locator("#stage").wait_for()
    visit(f'{shop_url}/?filters={{"a":{{"kind":"numbers","least":"1","most":null}}}}&crop=0,0,1,1')
