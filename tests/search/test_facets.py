"""What a catalog can be narrowed down by, against counts by hand; every facet can be said as a condition."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa

from catalog.where import rows_where
from search.facets import Choice, Facet, facets_of

TABLE = pa.table(
    {
        "category": ["mug", "cup", "mug", None, "mug", "cup"],
        "title": ["A", "B", "C", "D", "E", "F"],
        "price": [1.5, None, 9.0, float("nan"), 4.0, 2.0],
        "stock": pa.array([3, 1, None, 7, 7, 0], pa.int32()),
        "sale": [True, False, None, True, True, False],
        "added": [datetime.date(2026, 1, day) for day in (3, 1, 2, 9, 5, 4)],
        "tags": [["red", "new"], ["red"], [], None, ["new", "new"], ["red"]],
        "nothing": pa.array([None] * 6, pa.float64()),
    }
)
EVERY = np.arange(6)


def test_facets_are_what_the_columns_hold() -> None:
    assert facets_of(TABLE, TABLE.column_names, EVERY) == (
        Facet(
            column="category",
            kind="choices",
            choices=(Choice(value="mug", products=3), Choice(value="cup", products=2)),
        ),
        Facet(column="title", kind="text"),
        Facet(column="price", kind="numbers", least=1.5, most=9.0),
        Facet(column="stock", kind="numbers", least=0.0, most=7.0),
        Facet(column="sale", kind="truth", choices=(Choice(value=True, products=3), Choice(value=False, products=2))),
        Facet(column="added", kind="dates", least="2026-01-01", most="2026-01-09"),
        Facet(
            column="tags", kind="entries", choices=(Choice(value="red", products=3), Choice(value="new", products=2))
        ),
    )


def test_what_cannot_be_chosen_by_is_no_facet() -> None:
    odd = pa.table(
        {
            "opens": pa.array([datetime.time(8, 30)], pa.time32("s")),
            "lasts": pa.array([datetime.timedelta(hours=1)], pa.duration("s")),
            "sizes": pa.array([[{"w": 1}]], pa.list_(pa.struct({"w": pa.int64()}))),
            "rows": pa.array([[["a"]]], pa.list_(pa.list_(pa.string()))),
            "made": pa.array([datetime.datetime(2026, 1, 2, 15)], pa.timestamp("us", "UTC")),
            "story": ["word " * 50],
        }
    )
    facets = facets_of(odd, odd.column_names, np.arange(1))
    assert [(facet.column, facet.kind) for facet in facets] == [("made", "dates"), ("story", "text")]
    long = pa.table({"story": ["word " * 50] * 9})
    assert facets_of(long, ["story"], np.arange(9))[0].kind == "text"


def test_a_product_counts_once_by_the_row_that_stands_for_it() -> None:
    (facet,) = facets_of(TABLE, ["category"], np.array([0, 1, 4, 5]))
    assert facet.choices == (Choice(value="cup", products=2), Choice(value="mug", products=2))


def test_a_text_of_many_values_is_searched_in() -> None:
    for count, kind in ((40, "choices"), (41, "text")):
        table = pa.table({"brand": [f"brand {number % count}" for number in range(200)]})
        (facet,) = facets_of(table, ["brand"], np.arange(200))
        assert facet.kind == kind


def test_choices_are_conditions() -> None:
    facets = {facet.column: facet for facet in facets_of(TABLE, TABLE.column_names, EVERY)}
    for choice in facets["category"].choices:
        assert rows_where(f'category == "{choice.value}"', TABLE).sum() == choice.products
    for choice in facets["sale"].choices:
        assert rows_where(f"sale == {choice.value}", TABLE).sum() == choice.products
    for choice in facets["tags"].choices:
        assert rows_where(f'"{choice.value}" in tags', TABLE).sum() == choice.products
    assert rows_where(f"{facets['price'].least} <= price <= {facets['price'].most}", TABLE).sum() == 4
    assert rows_where(f'"{facets["added"].least}" <= added <= "{facets["added"].most}"', TABLE).sum() == 6
