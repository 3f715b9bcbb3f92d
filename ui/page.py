"""The web page: a photo in, the products that look like it out, and every product a new question.

Gradio carries the events; what is seen is drawn by static/page.js, which puts catalog text on the page only as text.
A photo's pixels reach the search through Gradio's upload and `Uploads.read`; nothing here trusts a path from the page.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

import gradio as gr

from catalog.errors import LookalikeError, UsageError
from index.versions import IndexVersion
from search.results import SearchResult
from search.service import SearchService
from ui.answers import answer, product
from ui.gate import Gate
from ui.problems import describe
from ui.uploads import MAX_PHOTO_BYTES, Uploads

RESULTS = 12
"""How many products the page shows."""

PAGE_COLOURS = {"body_background_fill": "#faf9f7", "body_background_fill_dark": "#151514"}
"""The page's ground before page.css is there, light and dark: the same as --ground in it."""

log = logging.getLogger(__name__)

Update = dict[str, Any]


def build_page(service: SearchService, *, searches: Gate, uploads: Uploads) -> gr.Blocks:
    """The page, ready to be mounted with `page_theme()` and `page_head()`.

    Args:
        service: answers.
        searches: how many searches run at once.
        uploads: where the page's photos arrive.
    """

    async def search_photo(event: gr.EventData) -> tuple[Update, Update]:
        sent = _sent(event)
        name = str(sent.get("name", ""))[:200]
        return await asked(
            sent,
            {"kind": "photo", "name": name},
            lambda: service.search(uploads.read(sent.get("upload")), k=RESULTS, name=name or "upload"),
        )

    async def search_product(event: gr.EventData) -> tuple[Update, Update]:
        sent = _sent(event)
        image_id = sent.get("image_id")
        shown: Update = {"kind": "product", "product": None}

        def search() -> SearchResult:
            if type(image_id) is not int:
                raise UsageError("a product is asked for by its image_id")
            result = service.search_catalog_photo(image_id, k=RESULTS + 1)  # it finds itself too
            itself = [match.item for match in result.matches if match.item.image_id == image_id]
            own = itself[0] if itself else service.photo(image_id)
            shown["product"] = product(own).model_dump()
            others = [match for match in result.matches if match.item.item_id != own.item_id]
            return replace(result, matches=tuple(others[:RESULTS]))

        return await asked(sent, shown, search)

    async def asked(sent: Update, query: Update, search: Callable[[], SearchResult]) -> tuple[Update, Update]:
        """The answer to one question of the page: for the results and for the line that names the version."""
        value: Update = {"request": sent.get("request"), "query": query, "answer": None, "problem": None}
        version = service.version
        try:
            result = await searches.run(search)
            value["answer"] = answer(result).model_dump()
            if result.version != version.id:
                version = service.version  # a new one came into use meanwhile
        except LookalikeError as error:
            problem = describe(error)
            if problem.status >= 500:
                log.error("the page could not be answered: %s", error)
            value["problem"] = {"code": problem.code, "status": problem.status, "detail": problem.detail}
        except Exception:
            log.exception("the page could not be answered")
            value["problem"] = {
                "code": "failed",
                "status": 500,
                "detail": "the search failed: the server's log says why",
            }
        return value, status(version)

    def status(version: IndexVersion) -> Update:
        return {"version": version.id, "products": version.products}

    page = gr.Blocks(title="Lookalike", fill_width=True, analytics_enabled=False)
    with page:
        with gr.Column(elem_id="lookalike"):
            gr.HTML(_part("masthead"), elem_id="masthead", padding=False, apply_default_css=False, js_on_load=None)
            with gr.Row(elem_id="stage"):
                query = gr.HTML(
                    value=None,
                    html_template=_part("query"),
                    js_on_load="lookalike.query(element, props, upload, trigger, 'upload')",
                    max_bytes=MAX_PHOTO_BYTES,
                    elem_id="query",
                    padding=False,
                    apply_default_css=False,
                )
                results = gr.HTML(
                    value=None,
                    html_template=_part("results"),
                    js_on_load="lookalike.results(element, props, watch, trigger, 'select')",
                    elem_id="results",
                    padding=False,
                    apply_default_css=False,
                )
            footer = gr.HTML(
                value=status(service.version),
                html_template=_part("status"),
                js_on_load="lookalike.status(element, props, watch)",
                elem_id="status",
                padding=False,
                apply_default_css=False,
            )
        page.load(lambda: status(service.version), outputs=footer, show_progress="hidden", api_visibility="private")
        for ask, search in ((query.upload, search_photo), (results.select, search_product)):
            ask(
                search,
                inputs=None,
                outputs=[results, footer],
                concurrency_limit=None,  # `searches` bounds them, together with the API's
                concurrency_id="search",
                trigger_mode="multiple",  # the page shows the answer to its newest question only
                show_progress="hidden",
                api_visibility="private",
            ).failure(None, js="() => lookalike.unanswered()")
    page.queue(max_size=256)
    return page


def page_theme() -> gr.themes.Base:
    """Gradio's colours and fonts, before page.css: nothing that is fetched from elsewhere."""
    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    theme.set(**PAGE_COLOURS)
    return theme


def page_head() -> str:
    """What page.html's head gets: the style and the code of the page."""
    style, code = _static("page.css"), _static("page.js")
    return f"<style>\n{style}\n</style>\n<script>\n{code}\n</script>"


def _sent(event: gr.EventData) -> Update:
    """What the page sent with an event, which anyone may have made up."""
    return event._data if isinstance(event._data, dict) else {}


def _part(name: str) -> str:
    """A constant template. Gradio runs ${…} and {{…}} of a template as code: these have none, whatever the catalog."""
    return _static(f"{name}.html")


def _static(name: str) -> str:
    return (files("ui") / "static" / name).read_text(encoding="utf-8")
