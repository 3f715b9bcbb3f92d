"""`lookalike tag`: proposals and how right they are equal a plain leave-one-out count in NumPy."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.config import ScanConfig
from catalog.errors import UsageError
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from index.loading import load_current
from search.tag import tag
from search.tag_config import TagConfig
from search.vote import TEMPERATURE
from tests.conftest import draw_photo
from tests.small_run import leave_run

SHAPES = ("box", "ball")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Forty products of two photos; every fifth has no shape, one has only blanks, and two columns cannot be used."""
    folder = tmp_path_factory.mktemp("photos")
    with (folder / "products.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "item_id", "shape", "round", "price", "empty"))
        for number in range(80):
            draw_photo(number).save(folder / f"{number:02d}.png")
            product = number % 2 + 2 * (number // 4)  # both photos of a product are of one shape
            shape = "" if product % 5 == 0 else "  " if product == 11 else SHAPES[number % 2]
            table.writerow((f"{number:02d}.png", f"p{product:02d}", shape, number % 2 == 1, number + 0.5, ""))
    made = Store(tmp_path_factory.mktemp("store") / "store")
    scan(ScanConfig(catalog=folder / "products.csv", store=made.root))
    leave_run(made, "one")
    build_version(IndexConfig(store=made.root, device="cpu"))
    return made


def brute_force(store: Store, k: int) -> dict[str, tuple[str, float]]:
    """For each product, what its photos' nearest other products with a shape say, and the share of the vote."""
    loaded = load_current(store, "cpu")
    rows = loaded.items.table.to_pylist()
    vectors = np.stack([loaded.index.vector(position) for position in range(len(rows))]).astype(np.float64)[:, :16]
    similarities = vectors @ vectors.T
    answers = {}
    for item_id in sorted({row["item_id"] for row in rows}):
        weights: dict[str, float] = {}
        for asked in (place for place, row in enumerate(rows) if row["item_id"] == item_id):
            best: dict[str, int] = {}
            for place in np.argsort(-similarities[asked], kind="stable").tolist():
                other = rows[place]
                if other["item_id"] != item_id and (other["shape"] or "").strip() and len(best) < k:
                    best.setdefault(other["item_id"], place)
            for place in best.values():
                shape = rows[place]["shape"]
                weights[shape] = weights.get(shape, 0) + np.exp((similarities[asked, place] - 1) / TEMPERATURE)
        value = max(weights, key=lambda shape: weights[shape])
        answers[item_id] = (value, weights[value] / sum(weights.values()))
    return answers


@pytest.mark.parametrize("k", [1, 4, 1000])
def test_proposals_and_accuracy_equal_brute_force(store: Store, tmp_path: Path, k: int) -> None:
    summary = tag(TagConfig(column="shape", store=store.root, k=k, output=str(tmp_path / "out.csv"), device="cpu"))
    right = brute_force(store, k)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    missing = {f"p{product:02d}" for product in range(40) if product % 5 == 0 or product == 11}
    assert {row["item_id"] for row in rows} == missing and len(rows) == len(missing)
    assert {row["item_id"]: row["proposed"] for row in rows} == {item: right[item][0] for item in missing}
    truth = {f"p{product:02d}": SHAPES[product % 2] for product in range(40)}
    known = sorted(set(truth) - missing)
    assert summary.judged.accuracy == pytest.approx(np.mean([right[item][0] == truth[item] for item in known]))
    assert len(summary.judged.values) == len(known)
    confidences = [float(row["confidence"]) for row in rows]
    assert confidences == sorted(confidences, reverse=True)
    by_share = sorted(rows, key=lambda row: right[row["item_id"]][1])
    rising = [float(row["confidence"]) for row in by_share]
    assert rising == sorted(rising) and rising[0] >= 0 and rising[-1] <= 1
    assert all(row["nearest_item_id"] != row["item_id"] and row["column"] == "shape" for row in rows)


def test_bands_and_values_add_up(store: Store) -> None:
    judged = tag(TagConfig(column="shape", store=store.root, device="cpu")).judged
    bands, values = judged.by_band(), judged.by_value()
    assert sum(band[2] for band in bands) == sum(value[1] for value in values) == len(judged.values)
    assert sum(band[2] * band[4] for band in bands) == pytest.approx(judged.right.sum())
    assert sum(value[1] * value[2] for value in values) == pytest.approx(judged.right.sum())
    assert {value[0] for value in values} == set(SHAPES)


def test_a_full_column_tells_how_right_it_would_be(store: Store, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    told = str(tag(TagConfig(column="round", store=store.root, output=str(output), device="cpu")))
    assert "of the 40 products whose value is known" in told and "0 products without a value" in told
    assert len(output.read_text().splitlines()) == 1
    assert "right when proposed" in told and "true" in told


def test_what_is_printed_without_an_output(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    told = str(tag(TagConfig(column="shape", store=store.root, device="cpu")))
    assert "9 products without a value" in told and "p00: " in told
    tag(TagConfig(column="shape", store=store.root, output="-", device="cpu"))
    assert len(capsys.readouterr().out.splitlines()) == 1 + 9


def test_columns_that_cannot_be_used_are_refused_in_one_line(store: Store, tmp_path: Path) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"column": "shap"}, "there are shape, round, price, empty"),
        ({"column": "item_id"}, "a column of your table"),
        ({"column": "price"}, "text, whole numbers"),
        ({"column": "empty"}, "some values to learn from"),
        ({"column": "shape", "output": str(tmp_path / "out.txt")}, r"must end in \.csv"),
        ({"column": "shape", "k": 0}, "1 to 1000"),
    )
    for settings, told in cases:
        with pytest.raises(UsageError, match=told) as refused:
            tag(TagConfig(store=store.root, device="cpu", **settings))
        assert "\n" not in str(refused.value)


def test_neither_torch_nor_pandas_is_imported(store: Store) -> None:
    program = (
        "import sys, pathlib\n"
        "from search.tag import tag\n"
        "from search.tag_config import TagConfig\n"
        f"tag(TagConfig(column='shape', store=pathlib.Path({str(store.root)!r}), device='cpu'))\n"
        "print([name for name in ('torch', 'pandas', 'sklearn') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
