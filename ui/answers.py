"""What a search answers outside Python: one shape for the page and the HTTP API."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

from catalog.manifest import CatalogItem
from search.results import SearchResult
from ui.media import media_address

Scalar: TypeAlias = str | int | float | bool | None


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Product(_Answer):
    """One photo of one product, with the catalog's own columns."""

    image_id: int
    item_id: str
    path: str
    """Relative to the catalog's root."""
    title: str
    width: int
    height: int
    """Of the photo, upright, in pixels."""
    columns: dict[str, Scalar]
    media: str
    """Where its picture is: add `&w=` (pixels) for a width."""


class Match(Product):
    """One product of an answer."""

    rank: int
    """1 for the most alike."""
    similarity: float
    """In [-1, 1]; higher is more alike."""
    verdict: str | None
    """What that means here: same photo, same product, similar, or no close match; null where it is not known."""


class Answer(_Answer):
    """The products that look most like a query, most alike first."""

    version: str
    """Id of the version that answered."""
    query: str
    seconds: float
    """What the search took on the server."""
    matches: list[Match]


def product(item: CatalogItem) -> Product:
    """A catalog photo as the page and the API show it."""
    return Product(**_fields(item))


def answer(result: SearchResult) -> Answer:
    """A search result as the page and the API show it."""
    return Answer(
        version=result.version,
        query=result.query,
        seconds=round(result.seconds, 4),
        matches=[
            Match(**_fields(match.item), rank=match.rank, similarity=round(match.similarity, 6), verdict=match.verdict)
            for match in result.matches
        ],
    )


def _fields(item: CatalogItem) -> dict[str, Any]:
    return {
        "image_id": item.image_id,
        "item_id": item.item_id,
        "path": item.path,
        "title": item.title,
        "width": item.width,
        "height": item.height,
        "columns": {name: _scalar(value) for name, value in item.columns.items()},
        "media": media_address(item),
    }


def _scalar(value: object) -> Scalar:
    """A table's value as JSON can carry it: dates, decimals and lists as text, what is not a number as nothing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
