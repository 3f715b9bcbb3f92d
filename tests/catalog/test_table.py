"""Tables of products: paths and ids stay text, the rest keeps its types, and what cannot be used is named in a line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.errors import UsageError
from catalog.table import read_table


def csv(folder: Path, text: str | bytes) -> Path:
    file = folder / "table.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def refused(file: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_table(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_types_of_a_csv(tmp_path: Path) -> None:
    table = read_table(
        csv(tmp_path, 'path,item_id,title,price,stock,new,since\na.jpg,00123,"Shoe, red",9.5,3,true,2024-02-01\n')
    )
    assert table.to_pylist()[0] | {"since": ""} == {
        "path": "a.jpg",
        "item_id": "00123",
        "title": "Shoe, red",
        "price": 9.5,
        "stock": 3,
        "new": True,
        "since": "",
    }
    assert table.schema.field("since").type == pa.date32()


def test_numbers_with_leading_zeros_stay_text(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, "path,ean,count,share\n1.jpg,0012,7,0.5\n007.jpg,9912,0,10\n"))
    assert table.to_pydict() == {
        "path": ["1.jpg", "007.jpg"],
        "ean": ["0012", "9912"],
        "count": [7, 0],
        "share": [0.5, 10.0],
    }


def test_numeric_paths_and_ids_of_a_csv_stay_as_written(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, "path,item_id\n1,1.50\n02,NA\n"))
    assert table.to_pydict() == {"path": ["1", "02"], "item_id": ["1.50", "NA"]}


def test_a_type_that_changes_late_in_a_long_csv(tmp_path: Path) -> None:
    lines = [f"{n}.jpg,{n}" for n in range(200_000)] + ["x.jpg,B12"]
    table = read_table(csv(tmp_path, "path,size\n" + "\n".join(lines)))
    assert table["size"][0].as_py() == "0" and table["size"][-1].as_py() == "B12"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_and_byte_order_mark(tmp_path: Path, delimiter: str) -> None:
    text = "path,title\r\na.jpg,é\r\n".replace(",", delimiter)
    assert read_table(csv(tmp_path, b"\xef\xbb\xbf" + text.encode())).to_pylist() == [{"path": "a.jpg", "title": "é"}]


def test_a_cell_may_hold_a_line_break(tmp_path: Path) -> None:
    assert read_table(csv(tmp_path, 'path,title\na.jpg,"two\nlines"\n')).to_pylist()[0]["title"] == "two\nlines"


def test_a_row_number_without_a_name_is_dropped(tmp_path: Path) -> None:
    pd.DataFrame({"path": ["a.jpg"], "price": [1]}).to_csv(tmp_path / "table.csv")
    assert read_table(tmp_path / "table.csv").column_names == ["path", "price"]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "path": pa.array(["a.jpg", None], pa.large_string()),
            "item_id": pa.array([7, None], pa.int64()),
            "tags": [["x", "y"], []],
            "price": pa.array(["1.10", "2.20"]).cast(pa.decimal128(8, 2)),
        }
    )
    pq.write_table(table, tmp_path / "table.parquet")
    found = read_table(tmp_path / "table.parquet")
    assert found["path"].to_pylist() == ["a.jpg", None] and found.schema.field("path").type == pa.string()
    assert found["item_id"].to_pylist() == ["7", None]
    assert found.schema.field("tags").type == table.schema.field("tags").type
    assert found.schema.field("price").type == pa.decimal128(8, 2)


def test_ids_that_pandas_made_floating_point(tmp_path: Path) -> None:
    pd.DataFrame({"path": ["a", "b"], "item_id": [7, None]}).to_parquet(tmp_path / "table.parquet", index=False)
    assert read_table(tmp_path / "table.parquet")["item_id"].to_pylist() == ["7", None]


def test_a_dictionary_column_is_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"path": pd.Categorical(["a", "b", "a"])})
    frame.to_parquet(tmp_path / "table.parquet", index=False)
    assert read_table(tmp_path / "table.parquet")["path"].to_pylist() == ["a", "b", "a"]


def test_without_a_path_column_the_columns_are_named(tmp_path: Path) -> None:
    assert "has: image, item_id" in refused(csv(tmp_path, "image,item_id\na.jpg,1\n"))


@pytest.mark.parametrize("name", ["image_id", "sha256", "width", "height"])
def test_our_own_columns_are_refused(tmp_path: Path, name: str) -> None:
    assert f'"{name}"' in refused(csv(tmp_path, f"path,{name}\na.jpg,1\n"))


def test_a_column_twice(tmp_path: Path) -> None:
    assert '"size" twice' in refused(csv(tmp_path, "path,size,size\na.jpg,1,2\n"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"path,title\na.jpg,caf\xe9\n",
        b"path\ncaf\xe9.jpg\n",
        b"path,title\na.jpg\n",
        b"path,title\na.jpg,b,c\n",
        b"\x89PNG\r\n\x1a\n\0\0\0",
    ],
)
def test_a_csv_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    assert str(tmp_path / "table.csv") in refused(csv(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"path\na.jpg\n", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_parquet_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "table.parquet").write_bytes(content)
    assert "cannot be read" in refused(tmp_path / "table.parquet")


def test_paths_that_are_no_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": [["a"], ["b"]]}), tmp_path / "table.parquet")
    assert 'the column "path" must be text' in refused(tmp_path / "table.parquet")
