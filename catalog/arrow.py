"""Arrow values from and to Python and NumPy without pandas, which pyarrow's own conversions import (a second)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

MOST_BYTES = 2**31 - 1
"""Of text in one array: its offsets are 32-bit numbers."""


def scalar(value: bool | int | float | str) -> pa.Scalar:
    """One value, as bool, int64, float64 or string.

    Raises:
        UnicodeEncodeError: a text that is no Unicode (half of a surrogate pair).
        OverflowError: an integer beyond 64 bits.
    """
    if isinstance(value, str):
        return texts([value])[0]
    if isinstance(value, bool):
        return truths(np.array([value]))[0]
    return numbers([value], pa.int64() if isinstance(value, int) else pa.float64())[0]


def texts(values: Sequence[str]) -> pa.Array:
    """A string array of (N,) values.

    Raises:
        UnicodeEncodeError: a text that is no Unicode (half of a surrogate pair).
        OverflowError: more than MOST_BYTES of text.
    """
    encoded = [value.encode() for value in values]
    ends = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=ends[1:])
    if ends[-1] > MOST_BYTES:
        raise OverflowError(f"a string array holds at most {MOST_BYTES:,} bytes of text, not {ends[-1]:,}")
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def numbers(values: Sequence[int] | Sequence[float], kind: pa.DataType) -> pa.Array:
    """An array of (N,) integers or floating-point numbers.

    Args:
        kind: int8 … int64, uint8 … uint64, float32 or float64.

    Raises:
        OverflowError: an integer that the kind cannot hold.
    """
    content = np.array(values, kind.to_pandas_dtype())  # a NumPy type, in spite of its name
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(content)])


def columns(values: Mapping[str, Sequence[Any]], kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """A table of texts and numbers.

    Args:
        values: by column, N of each.
        kinds: of the columns, in the table's order.

    Raises:
        UnicodeEncodeError, OverflowError: see `texts` and `numbers`.
    """
    arrays = [
        texts(values[name]) if kind == pa.string() else numbers(values[name], kind) for name, kind in kinds.items()
    ]
    return pa.Table.from_arrays(arrays, names=list(kinds))


def truths(values: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """A Boolean array of (N,) values, null where one is not known."""
    buffers = [None if bits is None else pa.py_buffer(np.packbits(bits, bitorder="little")) for bits in (known, values)]
    return pa.Array.from_buffers(pa.bool_(), len(values), buffers)


def mask(array: Any) -> npt.NDArray[np.bool_]:
    """Which values of a Boolean array are true, bool (N,); a null is not."""
    validity, values = array.buffers()
    true = _bits(values, array)
    return true if validity is None else true & _bits(validity, array)


def _bits(buffer: Any, array: Any) -> npt.NDArray[np.bool_]:
    """One bit of a buffer for each of an array's values, bool (N,)."""
    if not len(array):  # there may be no buffer
        return np.zeros(0, bool)
    end = array.offset + len(array)
    bits = np.unpackbits(np.frombuffer(buffer, np.uint8), count=end, bitorder="little")
    return bits[array.offset :].astype(bool)
