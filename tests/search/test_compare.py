"""`compare`: neighbours in two versions against brute force, the table and the sheet."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.errors import UsageError
from catalog.store import Store
from index.build import build_version
from index.colour_weights import DEFAULT_COLOUR
from index.config import IndexConfig
from index.loading import load_version
from index.versions import version_folders
from search.compare import compare
from search.compare_config import CompareConfig
from tests.small_run import leave_run

PHOTOS = 24


@pytest.fixture
def store(make_store: Callable[[int], Store]) -> Store:
    """Two versions by encoders that have nothing to do with each other, a product gone and a photo lost in between."""
    made = make_store(PHOTOS)
    for name, seed in (("one", 0), ("two", 1)):
        leave_run(made, name, seed=seed)
        build_version(IndexConfig(store=made.root, device="cpu", run=name, force=True))
    return made


def nearest(folder: Path) -> list[list[int]]:
    """The ten nearest other photos of each, by NumPy; every photo is a product of its own."""
    loaded = load_version(folder, "cpu")
    vectors = np.stack([loaded.index.vector(position) for position in range(PHOTOS)])
    projected, colour = np.split(vectors, [16], axis=1)
    similarities = (1 - DEFAULT_COLOUR) * projected @ projected.T + DEFAULT_COLOUR * colour @ colour.T
    np.fill_diagonal(similarities, -2)
    rows: list[list[int]] = np.argsort(-similarities, axis=1)[:, :10].tolist()
    return rows


def test_neighbours_before_and_now_equal_brute_force(store: Store, tmp_path: Path) -> None:
    table, sheet = tmp_path / "changes.csv", tmp_path / "changes.png"
    found = compare(CompareConfig(store=store.root, output=str(table), sheet=sheet, device="cpu"))
    before, now = (nearest(folder) for folder in version_folders(store))
    for depth in (1, 5, 10):
        changed = [set(one[:depth]) != set(other[:depth]) for one, other in zip(before, now, strict=True)]
        assert found.part_changed(depth) == pytest.approx(np.mean(changed))
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, one, other in zip(rows, before, now, strict=True):
        assert int(row["kept_of_ten"]) == len(set(one) & set(other))
        assert (row["first_before"], row["first_now"]) == (f"{one[0]:03d}.png", f"{other[0]:03d}.png")
    assert f"{PHOTOS} products" in str(found) and found.part_changed(10) > 0
    assert Image.open(sheet).width > 800


def test_the_same_encoder_changes_nothing(store: Store) -> None:
    build_version(IndexConfig(store=store.root, device="cpu", run="two"))
    found = compare(CompareConfig(store=store.root, products=7, device="cpu"))
    assert (len(found.changes), found.part_changed(10)) == (7, 0.0)
    assert "of ten neighbours 10.0 stayed" in str(found)


def test_what_cannot_be_compared_is_said(make_store: Callable[[int], Store], tmp_path: Path) -> None:
    store = make_store(3)
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    with pytest.raises(UsageError, match="there is no version before"):
        compare(CompareConfig(store=store.root))
    with pytest.raises(UsageError, match='there is no version "9"'):
        compare(CompareConfig(store=store.root, before="9"))
    with pytest.raises(UsageError, match=r"--sheet must end in \.png"):
        compare(CompareConfig(store=store.root, sheet=tmp_path / "sheet.jpg"))
    with pytest.raises(UsageError, match="--products must be at least 1"):
        CompareConfig(products=0)
