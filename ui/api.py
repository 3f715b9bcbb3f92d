"""The HTTP API beside the page: search by photos or by a product, look products up, and pictures by id."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from starlette.convertors import PathConvertor, register_url_convertor

from catalog.errors import BadImage, UsageError
from search.service import SearchService
from ui import answers
from ui.gate import Gate
from ui.media import WIDTHS, Thumbnails
from ui.problems import ProblemResponse, documented
from ui.search_request import body_schema, read_search_request

MOST_FOUND = 50
"""Products that are looked up by a text."""

_FOR_GOOD = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"


class _ItemIds(PathConvertor):
    """Whatever may be an item_id: Starlette's own `path` ends at a line break."""

    regex = "(?s:.*)"


register_url_convertor("item_id", _ItemIds())


def routes(
    service: SearchService, *, searches: Gate, lookups: Gate, pictures: Gate, thumbnails: Thumbnails
) -> APIRouter:
    """The routes of the API.

    Args:
        service: answers.
        searches, lookups, pictures: how many are worked on at once.
        thumbnails: makes and keeps the pictures.
    """
    router = APIRouter(tags=["search"], responses=documented(401))

    @router.post(
        "/api/search",
        responses=documented(400, 413, 415, 422, 503),
        openapi_extra=body_schema(),
        summary="The products that look most like a photo, like several photos of one thing, or like a product",
    )
    async def search(request: Request) -> answers.Answer:
        searches.check()  # before its photos are read
        sent = await read_search_request(request)
        question = sent.asked.question()
        return answers.answer(await searches.run(lambda: service.search(sent.photos, question, name=sent.name)))

    @router.get(
        "/api/products",
        responses=documented(422, 503),
        summary="Products whose item_id or title contains a text",
        description="First an item_id that is the text, then what begins with it, then the others.",
    )
    async def find(
        q: Annotated[str, Query(max_length=200, description="the text, whatever the case")],
        limit: Annotated[int, Query(ge=1, le=MOST_FOUND, description="how many products at most")] = 10,
    ) -> answers.FoundProducts:
        found = await lookups.run(lambda: service.find(q, limit))
        return answers.FoundProducts(products=[answers.product(item) for item in found])

    @router.get(
        "/api/products/{item_id:item_id}",
        responses=documented(404, 422, 503),
        summary="A product with all its photos, by its item_id or the image_id of one of them",
    )
    async def product(item_id: str) -> answers.WholeProduct:
        try:
            return answers.whole_product(await lookups.run(lambda: service.product(item_id)))
        except UsageError as error:
            raise HTTPException(404, str(error)) from None

    @router.get("/api/facets", responses=documented(503), summary="What the catalog can be narrowed down by")
    async def facets() -> answers.Facets:
        snapshot = service.pin()
        return answers.facets(snapshot.loaded.version.id, await lookups.run(lambda: snapshot.facets))

    @router.get(
        "/media/{image_id}",
        response_class=Response,
        responses={
            200: {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}},
            304: {"description": "It is what If-None-Match names"},
            **documented(404, 422, 503),
        },
        summary="The picture of a catalog photo, as WebP",
    )
    async def media(
        request: Request,
        image_id: int,
        w: Annotated[int, Query(ge=1, le=WIDTHS[-1], description="width in pixels")] = 320,
        v: Annotated[str, Query(max_length=64, description="as the search answered it")] = "",
    ) -> Response:
        try:
            thumbnail = await pictures.run(lambda: thumbnails.get(image_id, w))
        except (UsageError, BadImage):
            return ProblemResponse(404, "no-picture", "there is no such picture in the catalog's version in use")
        keep = _FOR_GOOD if thumbnail.is_of(v) else _ASK_AGAIN
        headers = {"ETag": thumbnail.tag, "Cache-Control": keep}
        if request.headers.get("if-none-match") == thumbnail.tag:
            return Response(status_code=304, headers=headers)
        return Response(thumbnail.content, media_type="image/webp", headers=headers)

    return router
