"""The API against its own description: what fits it and what does not, made up by schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from search.service import SearchService
from ui.config import ServeConfig
from ui.server import create_app
from ui.uploads import Uploads

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
REQUESTS = 100
"""For each operation, and each way of making them up."""
NAMES_OF_THE_CATALOG = {"where", "liked", "disliked"}
"""What hardly fits a catalog when it is made up."""


@pytest.fixture(scope="module")
def app(service: SearchService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The whole application."""
    with Uploads(parent=tmp_path_factory.mktemp("uploads")) as uploads:
        yield create_app(service, uploads=uploads, config=ServeConfig(allowed_hosts=("testserver",)))


@pytest.mark.parametrize("made", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_described(app: FastAPI, made: GenerationMode) -> None:
    answered: set[tuple[str, int]] = set()
    for found in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations():
        assert isinstance(found, Ok), "the description itself is wrong"
        operation = found.ok()
        if made is GenerationMode.POSITIVE or operation.body or operation.query:  # any text may be an item_id
            answered |= check(operation, made)
    if made is GenerationMode.POSITIVE:
        assert {("POST /api/search", 200), ("GET /api/products", 200), ("GET /api/facets", 200)} <= answered
    else:
        assert {("POST /api/search", 422), ("GET /api/products", 422), ("GET /media/{image_id}", 422)} <= answered


def check(operation: schemathesis.APIOperation[Any, Any, Any, Any], made: GenerationMode) -> set[tuple[str, int]]:
    """Ask many times; gives the statuses."""
    answered = set()

    @settings(
        max_examples=REQUESTS,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=made))
    def answers_as_described(case: schemathesis.Case[Any]) -> None:
        if made is GenerationMode.POSITIVE and case.media_type == "application/json":
            assert isinstance(case.body, dict)
            kept = {name: case.body[name] for name in case.body.keys() - NAMES_OF_THE_CATALOG}
            case.body = {**kept, "product": "05.jpg"}
        answered.add((operation.label, case.call_and_validate(checks=CHECKS).status_code))

    answers_as_described()
    return answered
