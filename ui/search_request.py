"""The body of `POST /api/search`: a form with photos and fields, or JSON with the same fields and no photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from search.batch import name_together
from search.service import MOST_PHOTOS
from ui.error_handlers import of_body
from ui.questions import Asked

JSON = "application/json"
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
LISTS = frozenset({"liked", "disliked"})
"""Fields that a form may have several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What was asked, and with which photos."""

    asked: Asked
    photos: tuple[bytes, ...] = ()
    photo_name: str = ""
    """Of the first one's file."""

    @property
    def name(self) -> str:
        """What to call the query; empty: by the product that it names."""
        if self.photos:
            return name_together(self.photo_name or "upload", len(self.photos))
        return "" if self.asked.product is not None else "liked products"


async def read_search_request(request: Request) -> SearchRequest:
    """Read and check a request's body.

    Raises:
        RequestValidationError: a field is not as it must be, or unknown.
        HTTPException: 415, the body is of another kind.
        FormParserError: a form cannot be read.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == JSON:
            return SearchRequest(asked=Asked.model_validate_json(await request.body()))
        if kind in FORMS:
            async with request.form() as form:
                return await _of_form(form)
    except ValidationError as error:
        raise of_body(error) from None
    raise HTTPException(415, f"a search is sent as {FORMS[0]}, or as {JSON}")


async def _of_form(form: FormData) -> SearchRequest:
    photos = []
    for given in form.getlist("photo"):
        if not isinstance(given, UploadFile):
            raise RequestValidationError([{"loc": ("body", "photo"), "msg": "Input should be a file", "input": given}])
        photos.append(given)
    fields: dict[str, Any] = {}
    for name in dict.fromkeys(form.keys()):
        if name == "photo":
            continue
        values = [value for value in form.getlist(name) if value != ""]  # a browser sends what was left empty, too
        if values:
            fields[name] = values if name in LISTS or len(values) > 1 else values[0]
    if isinstance(fields.get("crop"), str):
        fields["crop"] = fields["crop"].split(",")
    return SearchRequest(
        asked=Asked.model_validate(fields),
        photos=tuple([await photo.read() for photo in photos]),
        photo_name=(photos[0].filename or "") if photos else "",
    )


def body_schema() -> dict[str, Any]:
    """The body, as a route's `openapi_extra`."""
    asked = Asked.model_json_schema()
    form = {
        **asked,
        "properties": {
            "photo": {
                "type": "array",
                "items": {"type": "string", "format": "binary"},
                "description": f"JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF; up to {MOST_PHOTOS} photos of one thing are "
                "one query, all together at most 20 MB; none is needed where a product is named or liked",
            },
            **asked["properties"],
            "crop": {
                "type": "string",
                "examples": ["0.1,0.1,0.6,0.9"],
                "description": "The part of the photo that counts: left,top,right,bottom, 0 to 1.",
            },
        },
    }
    multipart, urlencoded = FORMS
    without_photo = {**form, "properties": {name: of for name, of in form["properties"].items() if name != "photo"}}
    bodies = {multipart: form, urlencoded: without_photo, JSON: asked}
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind, schema in bodies.items()}}}
