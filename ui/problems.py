"""Errors over HTTP, as application/problem+json (RFC 9457): never a path of the server, never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse

from catalog.errors import BadImage, LookalikeError, UsageError
from ui.gate import Overloaded

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Why a request was not answered."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    title: str
    """The status in words."""
    status: int
    """The HTTP status again."""
    code: str
    """A short stable word for programs, such as "truncated"."""
    detail: str
    """One sentence for people."""


class ProblemResponse(JSONResponse):
    """A problem as a response."""

    media_type = MEDIA_TYPE

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        problem = Problem(title=HTTPStatus(status).phrase, status=status, code=code, detail=detail)
        super().__init__(problem.model_dump(), status_code=status, headers=headers)


def describe(error: LookalikeError) -> Problem:
    """What may be told about an error, and the status that fits it; the rest is logged."""
    if isinstance(error, BadImage):
        return _problem(422, error.code, error.reason)
    if isinstance(error, UsageError):
        return _problem(422, "usage", str(error))
    if isinstance(error, Overloaded):
        return _problem(503, "overloaded", str(error))
    log.error("a request could not be answered: %s", error)
    return _problem(503, "unavailable", "the catalog cannot be searched just now: the server's log says why")


def respond(error: LookalikeError) -> ProblemResponse:
    """An error as a response."""
    problem = describe(error)
    headers = {"Retry-After": str(Overloaded.retry_after)} if problem.status == 503 else None
    return ProblemResponse(problem.status, problem.code, problem.detail, headers)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems with these statuses, as a route's `responses` in the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def _problem(status: int, code: str, detail: str) -> Problem:
    return Problem(title=HTTPStatus(status).phrase, status=status, code=code, detail=detail)
