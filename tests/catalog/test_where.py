"""Conditions against a plain loop over rows, and what is told of those that cannot be understood."""

from __future__ import annotations

import datetime
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from catalog.errors import UsageError
from catalog.where import MOST_CHARACTERS, rows_where

TABLE = pa.table(
    {
        "category": ["mug", "cup", None, "mug", "teapot"],
        "title": ["Dotted mug", "plain cup", "DOTS", None, "x"],
        "price": [5.0, 20.0, 12.5, None, float("nan")],
        "stock": pa.array([0, 3, None, 7, -2], pa.int32()),
        "added": [datetime.date(2026, 1, day) for day in range(1, 6)],
        "seen": [datetime.datetime(2026, 1, 1, hour) for hour in range(5)],
        "sale": [True, False, None, True, False],
        "tags": [["red", "new"], [], None, ["red"], ["blue", None]],
        "price (EUR)": [1, 2, 3, 4, 5],
        "nothing": pa.nulls(5),
        "here": pa.array([datetime.datetime(2026, 1, 1, hour) for hour in range(5)], pa.timestamp("us", "UTC")),
        "colour": pa.array(["red", "blue", None, "red", "green"]).dictionary_encode(),
    }
)


CONDITIONS: dict[str, list[int]] = {
    'category == "mug"': [0, 3],
    'not category == "mug"': [1, 4],
    'category != "mug"': [1, 4],
    'category in ("mug", "teapot")': [0, 3, 4],
    'category not in ["mug"]': [1, 4],
    "category in ()": [],
    '"dot" in title': [0, 2],
    '"DOT" not in title': [1, 4],
    "price < 20": [0, 2],
    "5 < price <= 20": [1, 2],
    "20 > price": [0, 2],
    "not price < 20": [1],
    "price is None": [3, 4],
    "price is not None": [0, 1, 2],
    "stock < 0": [4],
    "stock == -2": [4],
    "stock < 3.5": [0, 1, 4],
    "stock < price": [0, 1],
    'added >= "2026-01-04"': [3, 4],
    'seen < "2026-01-01T01:30:00"': [0, 1],
    'here < "2026-01-01T01:30:00"': [0, 1],
    'here >= "2026-01-01T03:00:00Z"': [3, 4],
    "sale": [0, 3],
    "not sale": [1, 4],
    "sale == False": [1, 4],
    '"red" in tags': [0, 3],
    '"red" not in tags': [1, 4],
    "tags is None": [2],
    'column("price (EUR)") > 3': [3, 4],
    'nothing == "x"': [],
    "nothing is None": [0, 1, 2, 3, 4],
    'colour == "red"': [0, 3],
    '"r" in colour': [0, 3, 4],
    'category == "mug" and price < 20 or stock == 3': [0, 1],
    'category == "mug" and (price < 20 or stock == 7)': [0, 3],
    'price < 20 or category == "mug"': [0, 2, 3],  # one open side leaves the other to decide
    "True": [0, 1, 2, 3, 4],
    "False and price < 1": [],
    "  price\t< 20 ": [0, 2],
    'title == "Dotted mug"': [0],
}
"""Conditions on the table, and the rows that meet them."""


@pytest.mark.parametrize(("condition", "rows"), CONDITIONS.items())
def test_conditions(condition: str, rows: list[int]) -> None:
    assert np.flatnonzero(rows_where(condition, TABLE)).tolist() == rows
    assert np.flatnonzero(rows_where(condition, TABLE.slice(2))).tolist() == [row - 2 for row in rows if row >= 2]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("prise < 20", 'received "prise"; there are: category, title, price'),
        ('price < "cheap"', "price holds numbers; this is none"),
        ("title < 3", "title holds text; this is none"),
        ("price == True", "price holds numbers; this is none"),
        ("sale == 1", "sale holds True or False; this is none"),
        ('added > "tomorrow"', "added holds dates; this is none"),
        ("title < price", "title holds text, price numbers"),
        ("price < (20", "it cannot be read at character 9"),
        ("", "it cannot be read"),
        ("price = 3", "it cannot be read"),
        ("price", "price is no condition by itself"),
        ("3 < 4", "a column's name is needed here"),
        ("3", "this is no condition"),
        ("price + 1 < 4", "a column's name is needed here"),
        ("price < 10 ** 9", "a number or a text in quotes is needed here"),
        ("title is 'x'", '"is" takes None alone'),
        ("3 in price", '"in" takes a column of text or of lists'),
        ("tags == tags", "cannot be compared"),
        ("seen == here", "cannot be compared"),
        ('here > "noon"', "here holds dates; this is none"),
        ("tags == 'red'", "tags holds values of the type list"),
        ("__import__('os').system('true')", "this is no condition"),
        ("title.__class__ == 'x'", "a column's name is needed here"),
        ("[price for price in title]", "this is no condition"),
        ("column(title) == 'x'", "a column's name is needed here"),
        ("(lambda: True)()", "this is no condition"),
        ("price := 3", "it cannot be read"),
        ("stock == " + "9" * 400, "stock holds numbers; this is none"),
        (r'title == "\ud800"', "title holds text; this is none"),
        ("not " * 2000 + "sale", "nested too deeply|cannot be read"),
        ("(" * 500 + "sale" + ")" * 500, "cannot be read"),
        ("x" * (MOST_CHARACTERS + 1), "takes at most 10,000 characters"),
        ("price < 1\x00", "it cannot be read"),
    ],
)
def test_what_cannot_be_understood_is_one_line(condition: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as error:
        rows_where(condition, TABLE)
    assert "\n" not in str(error.value)


Truth = bool | None
Node = tuple[str, Callable[[dict[str, Any]], Truth]]


def compared(name: str, sign: str, value: float) -> Node:
    compare = {"<": operator.lt, "==": operator.eq, ">=": operator.ge, "!=": operator.ne}[sign]
    return f"{name} {sign} {value!r}", lambda row: None if row[name] is None else compare(row[name], value)


def negated(node: Node) -> Node:
    def truth(row: dict[str, Any]) -> Truth:
        inner = node[1](row)
        return None if inner is None else not inner

    return f"not ({node[0]})", truth


def joined(left: Node, word: str, right: Node) -> Node:
    decides = word == "or"

    def truth(row: dict[str, Any]) -> Truth:
        sides = (left[1](row), right[1](row))
        return decides if decides in sides else None if None in sides else not decides

    return f"({left[0]}) {word} ({right[0]})", truth


NUMBER = some.integers(-3, 3) | some.sampled_from([-0.5, 0.5, 1.5])
LEAVES = some.builds(compared, some.sampled_from("ab"), some.sampled_from(["<", "==", ">=", "!="]), NUMBER)
NODES = some.recursive(
    LEAVES,
    lambda nodes: some.builds(negated, nodes) | some.builds(joined, nodes, some.sampled_from(["and", "or"]), nodes),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    node=NODES,
    rows=some.lists(some.fixed_dictionaries({"a": NUMBER | some.none(), "b": some.integers(-3, 3) | some.none()})),
)
def test_any_condition_says_of_each_row_what_a_loop_says(node: Node, rows: list[dict[str, Any]]) -> None:
    table = pa.table(
        {"a": pa.array([row["a"] for row in rows], pa.float64()), "b": pa.array([row["b"] for row in rows], pa.int64())}
    )
    assert rows_where(node[0], table).tolist() == [node[1](row) is True for row in rows]
