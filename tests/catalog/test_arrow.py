"""Arrow values without pandas, against pyarrow's own conversions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from catalog.arrow import mask, scalar, truths

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
