"""Arrow values from and to Python and NumPy without pandas, which pyarrow's own conversions import (a second)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def scalar(value: bool | int | float | str) -> pa.Scalar:
    """One value, as bool, int64, float64 or string.

    Raises:
        UnicodeEncodeError: a text that is no Unicode (half of a surrogate pair).
        OverflowError: an integer beyond 64 bits.
    """
    if isinstance(value, str):
        encoded = value.encode()
        ends = np.array([0, len(encoded)], np.int32)
        return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(ends), pa.py_buffer(encoded)])[0]
    if isinstance(value, bool):
        return truths(np.array([value]))[0]
    if isinstance(value, int):
        kind, content = pa.int64(), np.int64(value).tobytes()
    else:
        kind, content = pa.float64(), np.float64(value).tobytes()
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(content)])[0]


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
