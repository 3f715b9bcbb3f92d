"""Errors a user can meet are listed in docs/errors.md with the remedy: the page is what the code says, and complete."""

from __future__ import annotations

import re

import pytest

from benchmarks.errors_page import PAGE, kinds, messages, page, photo_codes, problem_codes
from catalog.errors import PHOTO_CODES, BadImage, LookalikeError
from ui.problem_codes import PROBLEM_CODES
from ui.problems import describe


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m benchmarks.errors_page"


def test_every_kind_of_error_says_what_to_do() -> None:
    for kind in kinds():
        assert "remedy" in vars(kind), f"{kind.__name__} needs a remedy of its own"
        assert "\n" not in kind.remedy


def test_every_code_of_a_photo_is_explained_and_none_besides() -> None:
    assert photo_codes() == set(PHOTO_CODES)


def test_every_code_over_http_is_explained() -> None:
    found = problem_codes()
    assert len(found) > 8
    assert found <= set(PROBLEM_CODES)


@pytest.mark.parametrize("kind", kinds())
def test_what_an_error_becomes_over_http_is_explained(kind: type[LookalikeError]) -> None:
    if kind is not BadImage:
        problem = describe(kind(""))
        assert (problem.status, problem.code) in PROBLEM_CODES


def test_a_message_that_is_raised_stands_on_the_page() -> None:
    """An independent look: the shape of a message, at the place where the simplest one is raised."""
    assert any(re.match(r"no store at …: run", text) for text in messages()["StoreError"])
