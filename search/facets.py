"""What a catalog can be narrowed down by: its columns, with the values they hold; what the page's filters are made of.

Each facet can be said as a condition of catalog/where.py. Counts are of products; a product counts by its first photo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from catalog.arrow import numbers
from catalog.where import family_of
from index.vectors import Ids

MOST_CHOICES = 40
"""Different values of a text column beyond which it is searched in, not chosen from."""

LONGEST_CHOICE = 200
"""Characters of a value beyond which it is searched in, likewise."""

FacetKind = Literal["choices", "entries", "numbers", "dates", "text", "truth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A value of a column, and the products that have it."""

    value: str | bool
    products: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A column, and how to choose by it.

    Attributes:
        column: its name.
        kind: choices: one of few texts; entries: lists of few texts; truth: yes or no; numbers, dates: from least to
            most; text: what it contains.
        choices: of choices, entries and truth; the most frequent first.
        least, most: of numbers, and of dates as ISO 8601 text; None for the others.
    """

    column: str
    kind: FacetKind
    choices: tuple[Choice, ...] = ()
    least: float | str | None = None
    most: float | str | None = None


def facets_of(table: pa.Table, columns: Iterable[str], rows: Ids) -> tuple[Facet, ...]:
    """The facets of some columns, in their order; none of those that hold nothing, or what cannot be chosen by.

    Args:
        table: of N rows.
        rows: int64 (G,), the row by which each product counts.
    """
    counted = table.take(numbers(rows.tolist(), pa.int64()))
    found = (_facet(name, counted.schema.field(name).type, counted[name].to_pylist()) for name in columns)
    return tuple(facet for facet in found if facet is not None)


def _facet(name: str, kind: pa.DataType, cells: list[Any]) -> Facet | None:
    held = [cell for cell in cells if cell is not None and cell == cell]  # NaN is an empty cell
    if not held:
        return None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        entries = Counter(entry for cell in held for entry in {each for each in cell if isinstance(each, str)})
        return (
            Facet(column=name, kind="entries", choices=_choices(entries)) if 0 < len(entries) <= MOST_CHOICES else None
        )
    match family_of(kind):
        case "True or False":
            return Facet(column=name, kind="truth", choices=_choices(Counter(held)))
        case "numbers":
            return Facet(column=name, kind="numbers", least=float(min(held)), most=float(max(held)))
        case "dates" if pa.types.is_date(kind) or pa.types.is_timestamp(kind):  # times of day and durations are none
            return Facet(column=name, kind="dates", least=min(held).isoformat(), most=max(held).isoformat())
        case "text":
            values = Counter(held)
            few = (
                len(values) <= MOST_CHOICES and 2 * len(values) <= len(held) and max(map(len, values)) <= LONGEST_CHOICE
            )
            return (
                Facet(column=name, kind="choices", choices=_choices(values)) if few else Facet(column=name, kind="text")
            )
    return None


def _choices(values: Counter[Any]) -> tuple[Choice, ...]:
    ranked = sorted(values.items(), key=lambda pair: (-pair[1], str(pair[0])))
    return tuple(Choice(value=value, products=count) for value, count in ranked)
