"""A condition of catalog/where.py as a filter of Milvus, over the JSON field that holds a photo's columns.

An empty cell is a key that is not there. A comparison with one is neither true nor false, but false to Milvus, whose
`!=` and `not` may then be true: so each comparison also asks whether the key exists, and `not` is moved down to the
comparisons (De Morgan's laws hold for three truth values, too). What Milvus cannot ask in the same sense has no
translation: text that contains a text whatever the case, decimal numbers, and one column against another.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa

from catalog.where import ConditionReader, parsed

FIELD = "columns"
"""The JSON field."""
ALL, NONE = "image_id >= 0", "image_id < 0"
OPERATORS: Mapping[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", ">="),
    ast.LtE: ("<=", ">"),
    ast.Gt: (">", "<="),
    ast.GtE: (">=", "<"),
}
"""Each, and its opposite."""
MIRRORED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
"""Those that change with their sides."""
LARGEST = 1.7976931348623157e308
"""Stands for infinity, which JSON cannot hold."""


def milvus_filter(condition: str, schema: pa.Schema) -> str | None:
    """A condition as a filter: empty for an empty one, None where it has no translation.

    Args:
        condition: one that `rows_where` understands for a table of this schema.
    """
    if not condition.strip():
        return ""
    table = schema.empty_table()
    try:
        return _Translator(condition.strip(), table).filter(parsed(condition, table).body, True)
    except _Untranslatable:
        return None


def json_columns(photos: pa.Table) -> list[dict[str, Any]]:
    """The columns of each photo for the JSON field, without empty cells; dates and times as the numbers they are."""
    columns = {name: _plain(photos[name]).to_pylist() for name in photos.column_names}
    return [
        {name: _json_value(cells[row]) for name, cells in columns.items() if not _is_empty(cells[row])}
        for row in range(len(photos))
    ]


def _plain(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return _plain(cells.cast(kind.value_type))
    return _as_numbers(cells) if pa.types.is_temporal(kind) else cells


def _as_numbers(cells: Any) -> Any:
    """Dates and times, an array or one, as the integers by which Arrow keeps them."""
    return cells.cast(pa.int32() if cells.type.bit_width == 32 else pa.int64())


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _json_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_json_value(entry) for entry in value if not _is_empty(entry)]
    if isinstance(value, bool | int | str):
        return value
    return min(max(float(value), -LARGEST), LARGEST) if isinstance(value, float) else str(value)


class _Untranslatable(Exception):
    """Milvus cannot ask this in the same sense."""


class _Translator(ConditionReader):
    """Turns a syntax tree into a filter."""

    def filter(self, node: ast.expr, wanted: bool) -> str:
        """A filter for the photos of which a part of the condition is true; false, where that is wanted."""
        match node:
            case ast.BoolOp(op=operator, values=parts):
                return _joined([self.filter(part, wanted) for part in parts], isinstance(operator, ast.And) == wanted)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return self.filter(part, not wanted)
            case ast.Compare(left=left, ops=operators, comparators=others):
                pairs = zip(pairwise([left, *others]), operators, strict=True)
                return _joined([self._comparison(*sides, operator, wanted) for sides, operator in pairs], wanted)
            case ast.Constant(value=bool() as value):
                return ALL if value == wanted else NONE
        return self._asked(self.column(node)[0], "==", wanted)

    def _comparison(self, left: ast.expr, right: ast.expr, operator: ast.cmpop, wanted: bool) -> str:
        match operator:
            case ast.In():
                return self._membership(left, right, wanted)
            case ast.NotIn():
                return self._membership(left, right, not wanted)
            case ast.Is() | ast.IsNot():
                exists = _exists(self.column(left)[0])
                return exists if isinstance(operator, ast.IsNot) == wanted else f"(not {exists})"
        kind = type(operator)
        if self.column_name(left) is None:
            left, right, kind = right, left, MIRRORED.get(kind, kind)
        if self.column_name(right) is not None:
            raise _Untranslatable
        name, _ = self.column(left)
        return self._asked(name, OPERATORS[kind][not wanted], self._literal(right, *self.column(left)))

    def _membership(self, left: ast.expr, right: ast.expr, wanted: bool) -> str:
        if isinstance(right, (ast.Tuple, ast.List, ast.Set)):
            name, kind = self.column(left)
            sign = OPERATORS[ast.Eq][not wanted]
            each = [self._asked(name, sign, self._literal(value, name, kind)) for value in right.elts]
            return _joined(each, not wanted) if each else (NONE if wanted else ALL)
        name, kind = self.column(right)
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
            raise _Untranslatable  # a part of a text
        contains = f"json_contains({_key(name)}, {json.dumps(self._literal(left, name, kind.value_type))})"
        return contains if wanted else f"({_exists(name)} and (not {contains}))"

    def _literal(self, node: ast.expr, name: str, kind: pa.DataType) -> bool | int | float | str:
        if pa.types.is_decimal(kind):
            raise _Untranslatable
        value = self.value(node, name, kind)
        plain = (_as_numbers(value) if pa.types.is_temporal(value.type) else value).as_py()
        if isinstance(plain, float) and not math.isfinite(plain):
            raise _Untranslatable
        result: bool | int | float | str = plain
        return result

    def _asked(self, name: str, sign: str, value: bool | int | float | str) -> str:
        return f"({_exists(name)} and {_key(name)} {sign} {json.dumps(value, ensure_ascii=False)})"


def _exists(name: str) -> str:
    return f"(exists {_key(name)})"  # without parentheses it would take all that follows


def _key(name: str) -> str:
    return f"{FIELD}[{json.dumps(name, ensure_ascii=False)}]"


def _joined(parts: Sequence[str], all_of_them: bool) -> str:
    return "(" + (" and " if all_of_them else " or ").join(parts) + ")"
