"""Products by name: in the order that is promised, however many there are, whatever type titles have."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from search.lookup import MOST_RANKED, rows_called


def test_an_item_id_that_is_the_text_comes_first_however_late_it_stands() -> None:
    ids = [f"1{number}" for number in range(MOST_RANKED + 50)] + ["1"]
    found = rows_called(pa.table({"item_id": ids}), np.arange(len(ids)), "1", 3)
    assert [ids[row] for row in found] == ["1", "10", "11"]


@pytest.mark.parametrize(
    "titles",
    [pa.array([7, 17, None, 70]), pa.array(["7", "17", None, "70"]).dictionary_encode(), [7.0, 17.0, None, 70.5]],
)
def test_titles_of_any_type_are_looked_into(titles: object) -> None:
    table = pa.table({"item_id": ["a", "b", "c", "d"], "title": titles})
    assert rows_called(table, np.arange(4), "7", 9) == [0, 3, 1]


def test_only_the_rows_that_stand_for_products_are_found() -> None:
    table = pa.table({"item_id": ["a", "a", "ba"]})
    assert rows_called(table, np.array([0, 2]), "A", 9) == [0, 2]
