"""`--where`: which photos are wanted, as a condition on the table's columns.

    price < 20 and category in ("mug", "teapot")
    "red" in colours or not title == "Saucer"
    added >= "2026-01-01" and column("price (EUR)") is not None

A condition is written like one of Python's, and read by Python's own parser into a syntax tree, of which only what is
listed here is understood; nothing of it is ever run.

- Columns by their names; `column("…")` where a name has spaces or other signs. Values are numbers, "text", True, False.
- `== != < <= > >=`, also chained (`5 <= price < 20`); a date or time is compared with ISO 8601 text.
- `category in ("mug", "cup")`: one of these. `"dot" in title`: text that contains this, whatever the case. `"red" in
  tags`: a list that has this entry. `not in` likewise.
- `price is None`, `price is not None`: whether a cell is empty.
- `and`, `or`, `not`, parentheses. A comparison with an empty cell is neither true nor false, and so is its `not` (as in
  SQL): such a photo is not wanted.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.arrow import mask, scalar, truths
from catalog.errors import UsageError
from catalog.paths import shown

COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}
NUMBERS, TEXT, DATES, TRUTHS = "numbers", "text", "dates", "True or False"
VALUES: Mapping[str, tuple[type, ...]] = {NUMBERS: (int, float), TEXT: (str,), DATES: (str,), TRUTHS: (bool,)}
"""What a column's cells may be compared with, by what people call the column's type."""
MOST_CHARACTERS = 10_000
"""Of a condition; more is no question of a person's."""


def rows_where(condition: str, table: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows of a table meet a condition, bool (N,).

    Raises:
        UsageError: it cannot be understood, or names columns or compares values that are not there; in one line.
    """
    tree = parsed(condition, table)
    try:
        met = _Reader(condition.strip(), table).truth(tree.body)
    except RecursionError:
        raise _refused("it is nested too deeply", condition, table) from None
    return mask(met)


def parsed(condition: str, table: pa.Table) -> ast.Expression:
    """The syntax tree of a condition; leading and trailing blanks do not count.

    Raises:
        UsageError: it is no expression.
    """
    if len(condition) > MOST_CHARACTERS:
        raise UsageError(f"where takes at most {MOST_CHARACTERS:,} characters; received {len(condition):,}: shorten it")
    text = condition.strip()
    try:
        return ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        place = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise _refused(f"it cannot be read{place} ({getattr(error, 'msg', error)})", condition, table) from None


def _refused(what: str, part: str, table: pa.Table) -> UsageError:
    return UsageError(
        f'where must be a condition such as price < 20 and category == "mug"; {what}: {shown(part[:80])}; '
        f"there are the columns {', '.join(table.schema.names)}"
    )


class ConditionReader:
    """Finds columns and values in the syntax tree of a condition on a table; what they say together is for others."""

    def __init__(self, text: str, table: pa.Table) -> None:
        self.text = text
        self.table = table

    def column_name(self, node: ast.expr) -> str | None:
        """The name of the column that a node stands for; None where it is no column."""
        match node:
            case ast.Name(id=name):
                return name
            case ast.Call(func=ast.Name(id="column"), args=[ast.Constant(value=str() as name)], keywords=[]):
                return name
        return None

    def column(self, node: ast.expr) -> tuple[str, pa.DataType]:
        """The column that a node stands for, and its type; UsageError where there is none."""
        name = self.column_name(node)
        if name is None:
            raise self.refused("a column's name is needed here", node)
        if name not in self.table.schema.names:
            raise UsageError(
                f'where must name columns of the catalog; received "{shown(name)}"; '
                f"there are: {', '.join(self.table.schema.names)}"
            )
        return name, self.table.schema.field(name).type

    def value(self, node: ast.expr, name: str, kind: pa.DataType) -> pa.Scalar:
        """A value to compare a column's cells with, of the column's type."""
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError):
            raise self.refused("a number or a text in quotes is needed here", node) from None
        family = family_of(kind)
        fits = isinstance(value, VALUES.get(family, ())) and isinstance(value, bool) == (family == TRUTHS)
        if not fits:
            raise self.refused(f"{name} holds {family}; this is none", node)
        try:
            return _moment(value, kind) if family == DATES else scalar(value)
        except (pa.ArrowException, OverflowError, UnicodeError):
            raise self.refused(f"{name} holds {family}; this is none", node) from None

    def refused(self, what: str, node: ast.AST) -> UsageError:
        """The error for a node that cannot be understood."""
        return _refused(what, ast.get_source_segment(self.text, node) or self.text, self.table)


class _Reader(ConditionReader):
    """Reads a syntax tree as a condition on a table. A truth is a Boolean per row, null where it is open: (N,)."""

    def truth(self, node: ast.expr) -> Any:
        """What a part of the condition says of each row."""
        match node:
            case ast.BoolOp(op=operator, values=parts):
                join = pc.and_kleene if isinstance(operator, ast.And) else pc.or_kleene
                return reduce(join, [self.truth(part) for part in parts])
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return pc.invert(self.truth(part))
            case ast.Compare(left=left, ops=operators, comparators=others):
                pairs = zip([left, *others], operators, others, strict=False)
                return reduce(pc.and_kleene, [self._comparison(*pair) for pair in pairs])
            case ast.Constant(value=bool() as value):
                return self._everywhere(value)
            case _ if self.column_name(node) is not None:
                name, kind = self.column(node)
                if not pa.types.is_boolean(kind):
                    raise self.refused(f"the column {name} is no condition by itself: compare it with something", node)
                return self._cells(name)
        raise self.refused("this is no condition", node)

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Any:
        match operator:
            case ast.In():
                return self._membership(left, right)
            case ast.NotIn():
                return pc.invert(self._membership(left, right))
            case ast.Is():
                return self._is_empty(left, right)
            case ast.IsNot():
                return pc.invert(self._is_empty(left, right))
        compare = COMPARISONS[type(operator)]
        if self.column_name(left) is None:
            name, kind = self.column(right)
            return compare(self.value(left, name, kind), self._cells(name))
        name, kind = self.column(left)
        if self.column_name(right) is None:
            return compare(self._cells(name), self.value(right, name, kind))
        other, other_kind = self.column(right)
        if family_of(kind) != family_of(other_kind):
            raise self.refused(f"{name} holds {family_of(kind)}, {other} {family_of(other_kind)}", right)
        try:
            return compare(self._cells(name), self._cells(other))
        except pa.ArrowException:
            raise self.refused(f"{name} ({kind}) and {other} ({other_kind}) cannot be compared", right) from None

    def _is_empty(self, left: ast.expr, right: ast.expr) -> Any:
        if not (isinstance(right, ast.Constant) and right.value is None):
            raise self.refused('"is" takes None alone', right)
        return pc.is_null(self._cells(self.column(left)[0]))

    def _membership(self, left: ast.expr, right: ast.expr) -> Any:
        """`column in (values)`, or `value in column` of texts or lists."""
        if isinstance(right, (ast.Tuple, ast.List, ast.Set)):
            name, kind = self.column(left)
            cells = self._cells(name)
            equal = [pc.equal(cells, self.value(value, name, kind)) for value in right.elts]
            return reduce(pc.or_kleene, equal, self._everywhere(False))
        name, kind = self.column(right)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return _has_entry(self._cells(name), self.value(left, name, kind.value_type))
        if not family_of(kind) == TEXT:
            raise self.refused(f'"in" takes a column of text or of lists; {name} holds {family_of(kind)}', right)
        return pc.match_substring(self._cells(name), self.value(left, name, kind).as_py(), ignore_case=True)

    def _cells(self, name: str) -> Any:
        """A column's cells; a number that is none (NaN) is an empty cell."""
        cells = self.table[name].combine_chunks()
        if pa.types.is_dictionary(cells.type):
            cells = cells.dictionary_decode()
        if pa.types.is_null(cells.type):
            return cells.cast(pa.string())
        if pa.types.is_floating(cells.type):
            return pc.if_else(pc.is_nan(cells), pa.NULL.cast(cells.type), cells)
        return cells

    def _everywhere(self, value: bool) -> Any:
        return truths(np.full(len(self.table), value))


def family_of(kind: pa.DataType) -> str:
    """What people call a column's type."""
    if pa.types.is_boolean(kind):
        return TRUTHS
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return NUMBERS
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return TEXT
    if pa.types.is_dictionary(kind):
        return family_of(kind.value_type)
    if pa.types.is_temporal(kind):
        return DATES
    return f"values of the type {kind}"


def _moment(text: str, kind: pa.DataType) -> pa.Scalar:
    """A date or time of a column's type; where that has a time zone, text that names none is of that zone.

    Raises:
        ArrowException: the text is no such thing.
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    try:
        return scalar(text).cast(kind)
    except pa.ArrowInvalid:
        if not pa.types.is_timestamp(kind) or kind.tz is None:
            raise
        return pc.assume_timezone(scalar(text).cast(pa.timestamp(kind.unit)), kind.tz)


def _has_entry(lists: Any, value: pa.Scalar) -> Any:
    """Whether each list has an entry; null for a missing list."""
    rows = np.from_dlpack(pc.list_parent_indices(lists))
    found = np.zeros(len(lists), bool)
    found[rows[mask(pc.equal(pc.list_flatten(lists), value))]] = True
    return truths(found, known=mask(pc.is_valid(lists)))
