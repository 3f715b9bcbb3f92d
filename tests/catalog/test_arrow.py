"""Arrow values without pandas, against pyarrow's own conversions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from catalog.arrow import columns, mask, numbers, scalar, texts, truths

VALUES = [True, False, None, True, True, None, False, True, False, True, None, True]


@pytest.mark.parametrize("value", [True, False, 0, -(2**63), 2**63 - 1, 2.5, -0.0, "", "mug", "Tasse à thé ☕"])
def test_a_scalar_is_the_value(value: bool | int | float | str) -> None:
    made = scalar(value)
    assert made.as_py() == value and made.type == pa.scalar(value).type


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(OverflowError):
        scalar(2**63)
    with pytest.raises(UnicodeEncodeError):
        scalar("\ud800")


def test_columns_are_the_tables_that_pyarrow_makes() -> None:
    values: dict[str, list[Any]] = {
        "name": ["mug", "", "Tasse à thé ☕"],
        "stock": [3, -1, 2**31 - 1],
        "price": [2.5, -0.0, 1e300],
    }
    kinds = {"stock": pa.int32(), "name": pa.string(), "price": pa.float64()}
    made = columns(values, kinds)
    made.validate(full=True)
    assert made == pa.table({name: pa.array(values[name], kind) for name, kind in kinds.items()})
    assert columns({name: [] for name in kinds}, kinds).num_rows == 0
    with pytest.raises(OverflowError):
        numbers([2**31], pa.int32())


def test_more_text_than_an_array_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.arrow.MOST_BYTES", 8)
    assert texts(["four", "more"]).to_pylist() == ["four", "more"]
    with pytest.raises(OverflowError, match="8 bytes of text, not 9"):
        texts(["four", "again"])


@pytest.mark.parametrize("start", [0, 1, 7, 8, 9, 12])
@pytest.mark.parametrize("count", [0, 1, 3, 12])
def test_a_mask_is_what_is_true(start: int, count: int) -> None:
    for values in (VALUES, [value is True for value in VALUES]):
        part = pa.array(values, pa.bool_()).slice(start, count)
        assert mask(part).tolist() == [value is True for value in part.to_pylist()]


def test_truths_are_null_where_they_are_not_known() -> None:
    known = np.array([value is not None for value in VALUES])
    values = np.array([value is True for value in VALUES])
    assert truths(values, known).to_pylist() == VALUES
    assert truths(values).to_pylist() == values.tolist()
    assert truths(values[:0]).to_pylist() == mask(truths(values[:0])).tolist() == []
