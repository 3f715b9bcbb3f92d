"""/docs in a real browser: the API is shown, and nothing comes from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ui.conftest import watched_context


@pytest.fixture
def docs(browser: Browser, url: str) -> Iterator[Page]:
    """The page, watched."""
    with watched_context(browser) as open_page:
        yield open_page(f"{url}/docs")


def test_every_operation_is_shown(docs: Page, url: str) -> None:
    paths = httpx.get(f"{url}/openapi.json").json()["paths"]
    operations = sum(len(methods) for methods in paths.values())
    expect(docs.locator(".opblock")).to_have_count(operations)
    expect(docs.locator(".opblock-summary-path", has_text="/api/search")).to_be_visible()
    expect(docs.get_by_role("heading", name="Lookalike")).to_be_visible()


def test_an_operation_can_be_tried_out(docs: Page) -> None:
    docs.locator(".opblock-summary-path", has_text="/api/facets").click()
    docs.get_by_role("button", name="Try it out").click()
    docs.get_by_role("button", name="Execute").click()
    expect(docs.locator(".live-responses-table tbody .response-col_status")).to_have_text(re.compile("^200"))
    docs.locator(".opblock-summary-path", has_text="/api/search").click()
    expect(docs.locator("select[aria-label='Request content type'] option")).to_have_text(
        ["multipart/form-data", "application/x-www-form-urlencoded", "application/json"]
    )


def test_the_document_is_not_sent_to_be_checked_elsewhere(url: str) -> None:
    page = httpx.get(f"{url}/docs").text
    assert '"validatorUrl": null' in page and "http" not in page


def test_the_document_is_of_the_api_alone(url: str) -> None:
    document = httpx.get(f"{url}/openapi.json").json()
    assert set(document["paths"]) >= {"/api/search", "/api/products", "/api/products/{item_id}", "/api/facets"}
    assert not [path for path in document["paths"] if "gradio" in path or path in ("/", "/config", "/docs")]
    body = document["paths"]["/api/search"]["post"]["requestBody"]["content"]
    assert body["multipart/form-data"]["schema"]["properties"]["photo"]["items"]["format"] == "binary"
    assert body["application/json"]["schema"]["properties"]["k"]["maximum"] == 2048
    assert "photo" not in body["application/json"]["schema"]["properties"]
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status.startswith(("4", "5")) and status != "503":
                    assert list(response["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in json.dumps(document)
