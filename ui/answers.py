"""What a search answers outside Python: one shape for the page and the HTTP API."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

from catalog.manifest import CatalogItem
from index.versions import IndexVersion
from search.facets import Facet as CatalogFacet
from search.facets import FacetKind
from search.results import SearchResult
from ui.media import media_address
from ui.watch import Readiness

Scalar: TypeAlias = str | int | float | bool | None
Value = TypeVar("Value", bound=Scalar)


MOST_EXACT = 2**53
"""Integers beyond it are rounded by whoever reads JSON's numbers as floating point, as browsers do."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Photo(_Answer):
    """One photo of a product."""

    image_id: int
    path: str
    """Relative to the catalog's root."""
    width: int
    height: int
    """Of the photo, upright, in pixels."""
    media: str
    """Where its picture is: add `&w=` (pixels) for a width."""


class Product(Photo):
    """One photo of one product, with the catalog's own columns."""

    item_id: str
    title: str
    columns: dict[str, Scalar]


class WholeProduct(_Answer):
    """A product with all its photos."""

    item_id: str
    title: str
    columns: dict[str, Scalar]
    """The catalog's own, as they stand beside the first photo."""
    photos: list[Photo]


class FoundProducts(_Answer):
    """Products by what they are called, each by its first photo."""

    products: list[Product]


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


class Choice(_Answer):
    """A value of a column."""

    value: str | bool
    products: int
    """How many have it."""


class Facet(_Answer):
    """A column of the catalog, and how to choose by it."""

    column: str
    kind: FacetKind
    """choices: one of few texts; entries: lists of few texts; truth: yes or no; numbers, dates: from least to most;
    text: what it contains."""
    choices: list[Choice]
    """Of choices, entries and truth, the most frequent first; empty for the others."""
    least: float | str | None
    most: float | str | None
    """Of numbers, and of dates as ISO 8601 text; null for the others."""


class Facets(_Answer):
    """What the catalog can be narrowed down by."""

    version: str
    """Id of the version that holds this."""
    facets: list[Facet]


class Version(_Answer):
    """The version that answers."""

    id: str
    created: str
    """ISO 8601, UTC."""
    kind: str
    """Kind of index, such as exact."""
    recall: float
    """Measured part of the true 10 nearest that the index finds."""
    promised_recall: float
    """What that must not be below."""
    encoder: str
    """The run that trained it, or imagenet."""
    photos: int
    products: int
    dimension: int
    """The width of a vector."""
    blocks: dict[str, int]
    """Its parts, and their widths."""


class Status(_Answer):
    """What answers, and how it is."""

    readiness: Readiness
    """degraded: a newer version is refused, the one named here goes on answering."""
    version: Version
    device: str
    """Where vectors are searched: cpu or gpu."""


def product(item: CatalogItem) -> Product:
    """A catalog photo as the page and the API show it."""
    return Product(**_fields(item))


def whole_product(photos: Sequence[CatalogItem]) -> WholeProduct:
    """A product as the API shows it, of at least one photo."""
    first = product(photos[0])
    return WholeProduct(
        item_id=first.item_id,
        title=first.title,
        columns=first.columns,
        photos=[Photo(**_photo_fields(item)) for item in photos],
    )


def facets(version: str, found: Sequence[CatalogFacet]) -> Facets:
    """The facets of a version as the page and the API show them."""
    return Facets(
        version=version,
        facets=[
            Facet(
                column=facet.column,
                kind=facet.kind,
                choices=[Choice(value=choice.value, products=choice.products) for choice in facet.choices],
                least=_finite(facet.least),
                most=_finite(facet.most),
            )
            for facet in found
        ],
    )


def status(version: IndexVersion, readiness: Readiness, device: str) -> Status:
    """What the API says of the server: nothing of where anything lies on it."""
    return Status(
        readiness=readiness,
        version=Version(
            id=version.id,
            created=version.created,
            kind=version.kind,
            recall=version.recall,
            promised_recall=version.promised_recall,
            encoder=version.encoder_name,
            photos=version.photos,
            products=version.products,
            dimension=version.dimension,
            blocks=dict(version.blocks),
        ),
        device=device,
    )


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


def _photo_fields(item: CatalogItem) -> dict[str, Any]:
    return {
        "image_id": item.image_id,
        "path": item.path,
        "width": item.width,
        "height": item.height,
        "media": media_address(item),
    }


def _fields(item: CatalogItem) -> dict[str, Any]:
    return {
        **_photo_fields(item),
        "item_id": item.item_id,
        "title": item.title,
        "columns": {name: _scalar(value) for name, value in item.columns.items()},
    }


def _scalar(value: object) -> Scalar:
    """A table's value as JSON can carry it: dates, decimals and lists as text, what is not a number as nothing."""
    if isinstance(value, int) and not -MOST_EXACT <= value <= MOST_EXACT:
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return _finite(value)
    return str(value)


def _finite(value: Value) -> Value | None:
    """JSON has no numbers that are not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
