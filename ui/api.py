"""The HTTP API beside the page: search by a photo, pictures by id, and two words about the server's health."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, File, Form, Query, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse

from catalog.errors import BadImage, LookalikeError, UsageError
from index.colour_weights import DEFAULT_COLOUR
from search.batch import name_together
from search.config import ProductBy
from search.service import MOST_PHOTOS, SearchService
from ui.answers import Answer, answer
from ui.gate import Gate
from ui.media import WIDTHS, Thumbnails
from ui.problems import Problem, ProblemResponse, respond
from ui.watch import Readiness

DEFAULT_K = 12
MAX_K = 2048

_FOR_GOOD = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"
_PROBLEM = {"model": Problem, "content": {"application/problem+json": {}}}


def routes(
    service: SearchService,
    *,
    searches: Gate,
    pictures: Gate,
    thumbnails: Thumbnails,
    readiness: Callable[[], Readiness],
) -> APIRouter:
    """The routes of the API.

    Args:
        service: answers.
        searches, pictures: how many are worked on at once.
        thumbnails: makes and keeps the pictures.
        readiness: the word for /readyz.
    """
    router = APIRouter()

    @router.post(
        "/api/search",
        response_model=Answer,
        responses={413: _PROBLEM, 422: _PROBLEM, 503: _PROBLEM},
        summary="The products that look most like a photo, or like several photos of one thing",
    )
    async def search(
        photo: Annotated[
            list[UploadFile],
            File(
                default_factory=list,
                description=f"JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF; up to {MOST_PHOTOS} photos of one thing are one "
                "query, all together at most 20 MB; none is needed where something is liked",
            ),
        ],
        liked: Annotated[
            list[str], Form(default_factory=list, description="more like these: item_ids or image_ids of the catalog")
        ],
        disliked: Annotated[
            list[str], Form(default_factory=list, description="less like these, which are not shown themselves")
        ],
        k: Annotated[int, Form(ge=1, le=MAX_K, description="how many products at most")] = DEFAULT_K,
        where: Annotated[
            str, Form(description='a condition on the columns, such as price < 20 and "red" in tags')
        ] = "",
        colour: Annotated[
            float | Literal["same-design", "same-colour"],
            Form(description="how much colours count: 0 to 1, or same-design (not at all) or same-colour (most)"),
        ] = DEFAULT_COLOUR,
        close_only: Annotated[bool, Form(description="leave out what is no close match")] = False,
        product_by: Annotated[
            ProductBy, Form(description="a product is as similar as its best photo, or as the mean of its photos")
        ] = "best",
    ) -> Answer:
        photos = [await file.read() for file in photo]
        name = name_together(photo[0].filename or "upload", len(photo)) if photo else "liked products"
        return answer(
            await searches.run(
                lambda: service.search(
                    photos,
                    k=k,
                    name=name,
                    where=where,
                    product_by=product_by,
                    colour=colour,
                    close_only=close_only,
                    liked=liked,
                    disliked=disliked,
                )
            )
        )

    @router.get("/media/{image_id}", responses={404: _PROBLEM}, summary="The picture of a catalog photo, as WebP")
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

    @router.get("/healthz", response_class=PlainTextResponse, summary="Is the process alive? Says ok")
    async def healthz() -> str:
        return "ok"

    @router.get("/readyz", response_class=PlainTextResponse, summary="Does it answer? ready, degraded or starting")
    async def readyz(response: Response) -> str:
        word = readiness()
        response.status_code = 503 if word == "starting" else 200
        return word

    return router


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of the API a problem+json."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, LookalikeError)
        return respond(error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or "request"
        return ProblemResponse(422, "invalid-request", f"{field}: {first['msg']}")

    app.add_exception_handler(LookalikeError, known)
    app.add_exception_handler(RequestValidationError, invalid)
