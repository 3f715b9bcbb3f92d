"""Groups of positions: the photos of each product, the rows of each content."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from index.vectors import Ids


class Groups:
    """Which of N positions belong to which of G groups.

    Attributes:
        codes: the group of each position, int64 (N,), in 0 … G-1.
        order: positions sorted by group, then by position, int64 (N,).
        starts: where each group begins in `order`, with N at the end, int64 (G + 1,).
    """

    def __init__(self, codes: Ids) -> None:
        self.codes = codes
        self.order: Ids = np.argsort(codes, kind="stable")
        self.starts: Ids = np.concatenate([[0], np.cumsum(np.bincount(codes))]).astype(np.int64)

    @classmethod
    def of_equal(cls, column: pa.ChunkedArray) -> Groups:
        """Positions of equal value together; groups are numbered in the order in which they first appear."""
        indices = column.combine_chunks().dictionary_encode().indices
        return cls(np.from_dlpack(indices).astype(np.int64))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def members(self, group: int) -> Ids:
        """The positions of a group, ascending."""
        return self.order[self.starts[group] : self.starts[group + 1]]
