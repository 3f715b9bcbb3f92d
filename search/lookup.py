"""Find products by what they are called, not by how they look."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.arrow import mask, scalar
from index.vectors import Ids

MOST_RANKED = 1000
"""Products whose names contain the text that are ranked, of more the first."""


def rows_called(table: pa.Table, rows: Ids, text: str, limit: int) -> list[int]:
    """The rows whose item_id or title contains a text, whatever the case; at most so many.

    First an item_id that is the text, then what begins with it, then the others, each in the table's order.

    Args:
        table: with `item_id` and perhaps `title`.
        rows: int64 (G,), ascending: the row by which each product counts.
    """
    wanted = text.strip()
    named = [name for name in ("item_id", "title") if name in table.schema.names]
    called = np.zeros(len(table), bool)
    for name in named:
        cells = table[name].combine_chunks()
        if pa.types.is_dictionary(cells.type):
            cells = cells.dictionary_decode()
        if pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type):
            cells = cells.cast(pa.string())
        if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
            called |= mask(pc.match_substring(cells, wanted, ignore_case=True))
    exactly = mask(pc.equal(table["item_id"].combine_chunks(), scalar(wanted)))
    found = np.union1d(rows[called[rows]][:MOST_RANKED], rows[exactly[rows]]).tolist()
    folded = wanted.casefold()

    def order(row: int) -> tuple[bool, bool, int]:
        names = [str(table[name][row].as_py() or "").casefold() for name in named]
        return names[0] != folded, not any(name.startswith(folded) for name in names), row

    return sorted(found, key=order)[:limit]
