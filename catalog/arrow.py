"""Arrow values from and to Python and NumPy without pandas, which pyarrow's own conversions import (a second)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_NUMBERS = {np.dtype(np.int64): pa.int64(), np.dtype(np.float64): pa.float64()}


def scalar(value: bool | int | float | str) -> pa.Scalar:
    """One value, as bool, int64, float64 or string.

    Raises:
        ValueError: a text that is no Unicode (half of a surrogate pair).
        OverflowError: an integer beyond 64 bits.
    """
    if isinstance(value, str):
        encoded = value.encode()
        ends = np.array([0, len(encoded)], np.int32)
        return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(ends), pa.py_buffer(encoded)])[0]
    if isinstance(value, bool):
        return truths(np.array([value]))[0]
    number = np.int64(value) if isinstance(value, int) else np.float64(value)
    return pa.Array.from_buffers(_NUMBERS[number.dtype], 1, [None, pa.py_buffer(number.tobytes())])[0]


def truths(values: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """A Boolean array of (N,) values, null where one is not known."""
    buffers = [None if bits is None else pa.py_buffer(np.packbits(bits, bitorder="little")) for bits in (known, values)]
    return pa.Array.from_buffers(pa.bool_(), len(values), buffers)


def mask(array: Any) -> npt.NDArray[np.bool_]:
    """Which values of a Boolean array are true, bool (N,); a null is not."""
    count, first = len(array), array.offset
    validity, values = array.buffers()
    true, known = (
        np.ones(count, bool)
        if bits is None
        else np.unpackbits(np.frombuffer(bits, np.uint8), count=first + count, bitorder="little")[first:].astype(bool)
        for bits in (values, validity)
    )
    return true & known
