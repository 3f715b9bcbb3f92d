"""The web page: a photo in, the products that look like it out, and every product a new question.

Gradio carries the questions and the answers; what is seen is drawn by static/*.js, which put catalog text on the page
only as text and read products and columns from the HTTP API. A photo's pixels reach the search through Gradio's upload
and `Uploads.read`; nothing here trusts a path from the page.
"""

from __future__ import annotations

import logging
from typing import Any

import gradio as gr
from gradio.events import api
from pydantic import ValidationError

from catalog.errors import BadImage, LookalikeError, UsageError
from search.service import MOST_PHOTOS, SearchService
from ui.answers import answer, product
from ui.error_handlers import what_is_wrong
from ui.gate import Gate
from ui.log import HEADER, name_request
from ui.problems import describe
from ui.questions import Asked
from ui.static_files import scripts, static, style
from ui.uploads import MAX_PHOTO_BYTES, Uploads

SCRIPTS = (
    *("util", "question", "page", "crop", "camera", "lookup", "query"),
    *("product", "csv", "results", "refine", "status"),
)
"""static/*.js in the order in which the page needs them."""
PAGE_COLOURS = {"body_background_fill": "#faf9f7", "body_background_fill_dark": "#151514"}
"""The page's ground before page.css is there, light and dark: the same as --ground in it."""

MOST_SESSIONS = 100
"""Opened pages of each of which Gradio keeps a copy of what it knows of the page, 25 KB: it forgets none that was
closed, and needs none, since a question holds all that it asks."""

log = logging.getLogger(__name__)

Update = dict[str, Any]


def build_page(service: SearchService, *, searches: Gate, uploads: Uploads, admin: bool = False) -> gr.Blocks:
    """The page, ready to be mounted with `page_theme()` and `page_head()`.

    Args:
        service: answers.
        searches: how many searches run at once.
        uploads: where the page's photos arrive.
        admin: whether there is a page for whoever runs the server, to be linked to.
    """

    async def ask(event: gr.EventData, request: gr.Request) -> tuple[Update, Update]:
        """The answer to one question of the page: for the results and for the line that names the version."""
        name_request(request.headers.get(HEADER))  # Gradio answers in a task of its own
        sent = _sent(event)
        value: Update = {"request": sent.get("request"), "answer": None, "product": None, "named": {}, "problem": None}
        try:
            value |= await searches.run(lambda: _answered(service, uploads, sent))
        except LookalikeError as error:
            problem = describe(error)
            value["problem"] = {"code": problem.code, "status": problem.status, "detail": problem.detail}
        except Exception:
            log.exception("the page could not be answered")
            detail = "the search failed: the server's log says why"
            value["problem"] = {"code": "failed", "status": 500, "detail": detail}
        return value, status()

    async def search(photo: dict[str, Any], question: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        """The products that look most like a photo, for `gradio_client`.

        Args:
            photo: an uploaded file, as `gradio_client.handle_file` makes it.
            question: the fields of POST /api/search, such as {"k": 12, "where": "price < 20"}.
        """
        name_request(request.headers.get(HEADER))
        sent = {"uploads": [photo.get("path")], "name": photo.get("orig_name"), "question": question}
        try:
            found = await searches.run(lambda: _answered(service, uploads, sent))
        except LookalikeError as error:
            raise gr.Error(describe(error).detail, print_exception=False) from None
        told: dict[str, Any] = found["answer"]
        for match in told["matches"]:
            match["file"] = match.pop("path")  # the client takes whatever has a "path" for a file, and fetches it
        return told

    def status() -> Update:
        version = service.version
        return {"version": version.id, "products": version.products, "admin": admin}

    page = gr.Blocks(title="Lookalike", fill_width=True, analytics_enabled=False)
    with page:
        with gr.Column(elem_id="lookalike"):
            _component("masthead", "lookalike.lookup(element.querySelector('.lookup'), 'Title or id')")
            with gr.Row(elem_id="stage"):
                query = _component(
                    "query", "lookalike.query(element, props, upload, trigger)", max_bytes=MAX_PHOTO_BYTES
                )
                results = _component("results", "lookalike.results(element, props, watch)")
                _component("refine", "lookalike.refine(element)")
            footer = _component("status", "lookalike.status(element, props, watch)", value=status())
        page.load(status, outputs=footer, show_progress="hidden", api_visibility="private")
        query.submit(
            ask,
            inputs=None,
            outputs=[results, footer],
            concurrency_limit=None,  # `searches` bounds them, together with the API's
            concurrency_id="search",
            trigger_mode="multiple",  # the page shows the answer to its newest question only
            show_progress="hidden",
            api_visibility="private",
        ).failure(None, js="() => lookalike.unanswered()")
        query.tick(
            status,
            outputs=footer,
            concurrency_limit=None,
            trigger_mode="multiple",
            show_progress="hidden",
            api_visibility="private",
        )
        api(search, api_name="search", concurrency_limit=None, concurrency_id="search")
    page.queue(max_size=256)
    page.state_session_capacity = MOST_SESSIONS
    return page


def _answered(service: SearchService, uploads: Uploads, sent: Update) -> Update:
    """What the service answers to what the page sent.

    Raises:
        LookalikeError: it cannot be answered.
    """
    sent_paths = sent.get("uploads")
    paths = (
        sent_paths[: MOST_PHOTOS + 1] if isinstance(sent_paths, list) else []
    )  # one too many is refused by the search
    try:
        asked = Asked.model_validate(sent.get("question"))
    except ValidationError as error:
        raise UsageError(what_is_wrong([{**one, "loc": ("question", *one["loc"])} for one in error.errors()])) from None
    name = str(sent.get("name") or "")[:200]
    photos = [_read(uploads, path, place, len(paths)) for place, path in enumerate(paths, start=1)]
    result = service.search(photos, asked.question(), name=name)
    own = None if result.asked_with is None else product(result.asked_with).model_dump()
    steers = {reference: product(service.product(reference)[0]) for reference in (*asked.liked, *asked.disliked)}
    named = {reference: {"title": item.title, "media": item.media} for reference, item in steers.items()}
    return {"answer": answer(result).model_dump(), "product": own, "named": named}


def _read(uploads: Uploads, path: object, place: int, count: int) -> bytes:
    """The bytes of one of several uploads; an error says which it is."""
    try:
        return uploads.read(path)
    except BadImage as error:
        if count == 1 or error.code == "expired":
            raise
        raise BadImage(error.code, f"photo {place} of {count}: {error.reason}") from None


def page_theme() -> gr.themes.Base:
    """Gradio's colours and fonts, before page.css: nothing that is fetched from elsewhere."""
    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    theme.set(**PAGE_COLOURS)
    return theme


def page_head() -> str:
    """What page.html's head gets: the style and the code of the page."""
    return f"{style(['page'])}\n{scripts(SCRIPTS)}"


def _sent(event: gr.EventData) -> Update:
    """What the page sent with an event, which anyone may have made up."""
    return event._data if isinstance(event._data, dict) else {}


def _component(name: str, js_on_load: str, value: Update | None = None, **props: Any) -> gr.HTML:
    """A part of the page: static/<name>.html, handed to its code when it is there.

    The template is constant. Gradio runs ${…} and {{…}} of a template as code: these have none, whatever the catalog.
    """
    return gr.HTML(
        value=value,
        html_template=static(f"{name}.html"),
        js_on_load=js_on_load,
        elem_id=name,
        padding=False,
        apply_default_css=False,
        **props,
    )
