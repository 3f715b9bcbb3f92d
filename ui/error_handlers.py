"""What the application answers when a route raises: always a problem+json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from starlette.exceptions import HTTPException

from catalog.errors import LookalikeError
from ui.problems import ProblemResponse, respond

MOST_SHOWN = 80
"""Characters of a value that an error repeats."""


def add_error_handlers(app: FastAPI) -> None:
    """Make every error of an application a problem; Gradio's, which is mounted, are its own.

    What is no error of the application, but a fault in it, `ui.log.RequestLog` answers.
    """

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, LookalikeError)
        return respond(error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return ProblemResponse(422, "invalid-request", what_is_wrong(error.errors()))

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        phrase = HTTPStatus(error.status_code).phrase
        detail = error.detail
        if detail == phrase:  # Starlette's own, of a route that there is not
            detail = "there is nothing here" if error.status_code == 404 else f"{request.method} cannot be done here"
        return ProblemResponse(error.status_code, phrase.lower().replace(" ", "-"), detail, error.headers)

    async def unreadable(request: Request, error: Exception) -> Response:
        return ProblemResponse(400, "bad-request", "the form cannot be read: send it as curl -F does")

    app.add_exception_handler(LookalikeError, known)
    app.add_exception_handler(FormParserError, unreadable)  # which older releases of Starlette let through
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, refused)


def of_body(error: ValidationError) -> RequestValidationError:
    """A body that was read by hand and is not as it must be, as FastAPI would tell it."""
    told = error.errors(include_url=False, include_context=False)
    return RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in told])


def what_is_wrong(errors: Sequence[Mapping[str, Any]]) -> str:
    """The first field that is wrong, the rules that it could have met, and what was received.

    Args:
        errors: pydantic's; the first part of each `loc` is the part of the request.
    """
    first = errors[0]
    fields = [_field(error) for error in errors]
    rules = "; ".join(error["msg"] for error, field in zip(errors, fields, strict=True) if field == fields[0])
    received = first.get("input")
    shown = f'; received "{str(received)[:MOST_SHOWN]}"' if isinstance(received, str | int | float) else ""
    return f"{fields[0]}: {rules}{shown}"


def _field(error: Mapping[str, Any]) -> str:
    """Its name, with the place in a list; pydantic also names the kinds of value that it tried."""
    _, *names = error["loc"]
    return ".".join(str(name) for name in names if name == names[0] or isinstance(name, int)) or "request"
