"""Which catalog photos hold the same bytes as a query: by SHA-256, whatever the vectors say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from index.vectors import Ids

PREFIX = 16
"""Hexadecimal digits that are sorted by, 64 bits; what shares them is compared in full."""


class Contents:
    """The photos of a catalog by the SHA-256 of their bytes: 16 bytes a photo beside the table."""

    def __init__(self, sha256: pa.ChunkedArray) -> None:
        """`sha256`: of each photo, in hexadecimal, N of them."""
        self._hashes = sha256.combine_chunks()
        prefixes = np.array([_prefix(value) for value in self._hashes.to_pylist()], np.uint64)
        self._order = np.argsort(prefixes, kind="stable")
        self._sorted = prefixes[self._order]

    def positions(self, sha256: str) -> Ids:
        """The photos whose bytes have this SHA-256, ascending, int64; of none where there are none."""
        prefix = np.uint64(_prefix(sha256))
        first, last = np.searchsorted(self._sorted, prefix, "left"), np.searchsorted(self._sorted, prefix, "right")
        alike = self._order[first:last]
        return np.array([place for place in alike if self._hashes[int(place)].as_py() == sha256], np.int64)


def _prefix(sha256: str) -> int:
    return int(sha256[:PREFIX], 16)
