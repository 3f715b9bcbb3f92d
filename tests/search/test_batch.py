"""The batch search: rows, formats, order, and queries that cannot be read."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from catalog.config import ScanConfig
from catalog.errors import UsageError
from catalog.manifest import Manifest
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from search.batch import search_batch
from search.config import Box, SearchConfig
from search.question import Crop, Question
from search.recall import measure_recall
from search.results import SearchResult
from search.service import SearchService
from tests.conftest import draw_photo
from tests.small_run import leave_run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Forty products with a title, a price, and a column that is called like one of the answer's."""
    folder = tmp_path_factory.mktemp("photos")
    with (folder / "products.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "item_id", "title", "price", "rank"))
        for number in range(40):
            draw_photo(number).save(folder / f"{number:02d}.png")
            table.writerow((f"{number:02d}.png", f"p{number}", f'A "quoted", thing {number}', number + 0.5, "gold"))
    made = Store(tmp_path_factory.mktemp("store") / "store")
    scan(ScanConfig(catalog=folder / "products.csv", store=made.root))
    leave_run(made, "one")
    build_version(IndexConfig(store=made.root, device="cpu"))
    return made


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """Thirty-five queries in two folders, and two files that only look like photos."""
    folder = tmp_path / "queries"
    (folder / "deep").mkdir(parents=True)
    for number in range(35):
        draw_photo(number).save(folder / ("deep" if number % 2 else ".") / f"{number:02d}.png")
    (folder / "broken.jpg").write_bytes(b"nothing")
    (folder / "deep" / "empty.png").touch()
    return folder


def ask(store: Store, queries: Path, output: Path | str, k: int = 3, **settings: Any) -> tuple[str, int]:
    config = SearchConfig(queries=(queries,), store=store.root, k=k, output=str(output), device="cpu", **settings)
    summary = search_batch(config)
    return str(summary), summary.exit_code


def test_rows_of_every_format_agree(
    store: Store, queries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.batch.SEARCHED_TOGETHER", 10)  # so that one search ends and the next begins
    for ending in ("csv", "jsonl", "parquet"):
        told, code = ask(store, queries, tmp_path / f"out.{ending}")
        assert code == 3
        assert told.splitlines()[0].startswith("35 queries answered by version 0001-")
        assert "not read: broken.jpg" in told
        assert "not read: deep/empty.png" in told
    rows = list(csv.DictReader((tmp_path / "out.csv").open(newline="")))
    assert list(rows[0]) == [
        "query",
        "rank",
        "item_id",
        "path",
        "similarity",
        "verdict",
        "title",
        "price",
        "catalog_rank",
    ]
    assert len(rows) == 35 * 3
    assert [row["query"] for row in rows[::3]] == sorted(row["query"] for row in rows[::3])
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    parquet = pq.read_table(tmp_path / "out.parquet").to_pylist()
    for row, line, cells in zip(rows, lines, parquet, strict=True):
        assert row["item_id"] == line["item_id"] == cells["item_id"]
        assert float(row["similarity"]) == line["similarity"] == pytest.approx(cells["similarity"], abs=1e-6)
        assert float(row["price"]) == line["price"] == cells["price"]
        assert row["title"] == line["title"] == cells["title"]
        assert row["catalog_rank"] == "gold"
    for first in rows[::3]:
        assert first["item_id"] == f"p{int(Path(first['query']).stem)}"
        assert float(first["similarity"]) >= 0.999


def test_the_same_output_each_time(store: Store, queries: Path, tmp_path: Path) -> None:
    ask(store, queries, tmp_path / "a.csv")
    ask(store, queries, tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_stdout_and_the_table(store: Store, queries: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(store, queries / "deep", "-", k=2)
    assert len(list(csv.reader(capsys.readouterr().out.splitlines()))) == 1 + 17 * 2
    ask(store, queries / "deep" / "01.png", "", k=2)
    assert 'A "quoted", thing 1' in capsys.readouterr().out


def test_only_products_that_meet_the_condition_are_written(store: Store, queries: Path, tmp_path: Path) -> None:
    told, code = ask(store, queries / "deep", tmp_path / "out.csv", where="image_id in (3, 5)")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        found = [row["path"] for row in csv.DictReader(file)]
    names = {item.path for item in Manifest.read(store.manifest_file).items() if item.image_id in (3, 5)}
    assert set(found) == names and len(found) == 17 * 2
    assert "among the 2 photos" in told and code == 3
    told, _ = ask(store, queries / "deep", tmp_path / "out.csv", where="image_id < 0")
    assert "among the 0 photos" in told


def test_photos_of_one_thing_are_one_query(store: Store, tmp_path: Path) -> None:
    """Two photos of the catalog and a broken one: the two come first, and the broken one is named."""
    folder = tmp_path / "mug"
    folder.mkdir()
    for number in (9, 4):
        draw_photo(number).save(folder / f"{number}.png")
    (folder / "broken.jpg").write_bytes(b"nothing")

    def ask_together(*queries: Path) -> tuple[list[dict[str, str]], str, int]:
        output = tmp_path / "out.csv"
        config = SearchConfig(queries=queries, together=True, store=store.root, k=5, output=str(output), device="cpu")
        summary = search_batch(config)
        with output.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file)), str(summary), summary.exit_code

    rows, told, code = ask_together(folder)
    assert [row["query"] for row in rows] == [str(folder)] * 5
    assert {row["item_id"] for row in rows[:2]} == {"p4", "p9"}
    assert told.startswith("1 query answered") and "not read: broken.jpg" in told and code == 3
    again, _, code = ask_together(folder / "9.png", folder / "4.png")
    assert [row["query"] for row in again] == [f"{folder / '9.png'} + 1 more"] * 5 and code == 0
    assert [(row["item_id"], row["similarity"]) for row in again] == [
        (row["item_id"], row["similarity"]) for row in rows
    ]
    rows, told, code = ask_together(folder / "broken.jpg")
    assert rows == [] and code == 1


def test_liked_and_disliked_move_every_query(store: Store, queries: Path, tmp_path: Path) -> None:
    def similarities(**changes: Any) -> dict[tuple[str, str], float]:
        output = tmp_path / "out.csv"
        config = SearchConfig(queries=(queries / "deep",), store=store.root, k=40, output=str(output), device="cpu")
        search_batch(replace(config, **changes))
        with output.open(newline="", encoding="utf-8") as file:
            return {(row["query"], row["item_id"]): float(row["similarity"]) for row in csv.DictReader(file)}

    before, after = similarities(), similarities(liked=("p30",), disliked=("p31", "p32"))
    assert len(before) == 17 * 40 and len(after) == 17 * 38
    assert not {item for _, item in after} & {"p31", "p32"}
    assert all(after[query, "p30"] > before[query, "p30"] for query, _ in after)
    assert similarities(product_by="mean").keys() == before.keys()


def answers_to(store: Store, output: Path, *queries: Path, **settings: Any) -> dict[str, list[tuple[str, Any]]]:
    """What a batch search writes: item_id and similarity of the matches of each query, by its name, in their order."""
    search_batch(SearchConfig(queries=queries, store=store.root, output=str(output), device="cpu", **settings))
    answers: dict[str, list[tuple[str, Any]]] = {}
    with output.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            matches = answers.setdefault(row["query"], [])
            matches.append((row["item_id"], pytest.approx(float(row["similarity"]), abs=1e-5)))
            assert int(row["rank"]) == len(matches)
    return answers


def matches_of(result: SearchResult) -> list[tuple[str, float]]:
    return [(match.item.item_id, match.similarity) for match in result.matches]


def test_products_are_queries_beside_photos(
    store: Store, queries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are answered as by the service, in the order in which they were named, after the photos."""
    monkeypatch.setattr("search.batch.SEARCHED_TOGETHER", 10)
    service = SearchService.open(store.root, device="cpu")
    output = tmp_path / "out.csv"
    refined: dict[str, Any] = {"liked": ("p30",), "disliked": ("p31",)}
    (last,) = (item.image_id for item in Manifest.read(store.manifest_file).items() if item.item_id == "p7")
    products = ("p12", "p3", f"{last}", *(f"p{number}" for number in range(20, 30)))
    found = answers_to(store, output, queries / "deep", products=products, k=40, **refined)
    names = ["p7" if product == f"{last}" else product for product in products]
    assert list(found)[17:] == names and len(found) == 17 + 13
    for product, name in zip(products, names, strict=True):
        result = service.search(question=Question(product=product, k=40, **refined))
        assert result.query == name and len(found[name]) == 38
        assert matches_of(result) == found[name]
    for name in list(found)[:17]:
        photo = (queries / "deep" / name).read_bytes()
        assert matches_of(service.search(photo, Question(k=40, **refined))) == found[name]
    alone = matches_of(service.search(question=Question(product="p12", k=1)))
    assert alone == answers_to(store, output, products=("p12",), k=1)["p12"]


@pytest.mark.parametrize("box", [(0.0, 0.0, 0.5, 1.0), (0.25, 0.3, 0.9, 0.75)])
def test_a_part_of_each_photo_counts(store: Store, queries: Path, tmp_path: Path, box: Box) -> None:
    """Of photos that lie in the catalog, too, and of the products' first photos; all as in the service."""
    service = SearchService.open(store.root, device="cpu")
    crop = Crop(left=box[0], top=box[1], right=box[2], bottom=box[3])
    found = answers_to(store, tmp_path / "out.csv", queries / "deep", products=("p12", "p3"), crop=box, k=5)
    assert len(found) == 17 + 2
    for name, matches in found.items():
        if name in ("p12", "p3"):
            result = service.search(question=Question(product=name, crop=crop, k=5))
        else:
            result = service.search((queries / "deep" / name).read_bytes(), Question(crop=crop, k=5))
        assert matches_of(result) == matches
    whole = answers_to(store, tmp_path / "out.csv", queries / "deep", crop=(0.0, 0.0, 1.0, 1.0), k=5)
    assert whole == answers_to(store, tmp_path / "out.csv", queries / "deep", k=5)


def test_the_box_around_a_thing_finds_it(store: Store, tmp_path: Path) -> None:
    """In one photo of four things, which one is meant is said by the box; together with others it is one query."""
    four = Image.new("RGB", (192, 144))
    for place, number in enumerate((2, 5, 11, 30)):
        four.paste(draw_photo(number), (96 * (place % 2), 72 * (place // 2)))
    four.save(tmp_path / "four.png")
    for place, number in enumerate((2, 5, 11, 30)):
        left, top = place % 2 / 2, place // 2 / 2
        box = (left, top, left + 0.5, top + 0.5)
        for together in (False, True):
            found = answers_to(store, tmp_path / "out.csv", tmp_path / "four.png", crop=box, together=together, k=1)
            assert found[str(tmp_path / "four.png")][0][0] == f"p{number}"


def test_a_product_whose_photo_is_gone_is_named(store: Store, tmp_path: Path) -> None:
    """Its part cannot be asked with; the others are."""
    path = Path(store.read_catalog()["root"]) / "12.png"
    path.rename(tmp_path / "away.png")
    try:
        config = SearchConfig(
            products=("p12", "p3"), crop=(0, 0, 0.5, 1), store=store.root, output=str(tmp_path / "a.csv"), device="cpu"
        )
        summary = search_batch(config)
    finally:
        (tmp_path / "away.png").rename(path)
    assert "not read: p12: there is no such file" in str(summary)
    assert (summary.answered, summary.exit_code) == (1, 3)


def test_duplicates_are_hidden_from_every_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of six pictures is the photo of five products: of these the first is shown, so others fill the answer."""
    monkeypatch.setattr("search.batch.SEARCHED_TOGETHER", 4)
    photos, queries = tmp_path / "photos", tmp_path / "queries"
    photos.mkdir()
    queries.mkdir()
    for number in range(30):
        draw_photo(number % 6).save(photos / f"{number:02d}.png")
    for number in range(9):
        draw_photo(100 + number).save(queries / f"{number}.png")
    store = Store(tmp_path / "store")
    scan(ScanConfig(catalog=photos, store=store.root))
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    service = SearchService.open(store.root, device="cpu")
    output, products = tmp_path / "out.csv", ("00.png", "13.png")
    for k, shown in ((4, 4), (9, 6)):
        found = answers_to(store, output, queries, products=products, hide_duplicates=True, k=k)
        every = answers_to(store, output, queries, products=products, k=30)
        assert found.keys() == every.keys() and len(found) == 11
        for name, matches in found.items():
            first: dict[int, tuple[str, float]] = {}
            for item_id, similarity in every[name]:
                first.setdefault(int(item_id[:2]) % 6, (item_id, similarity))
            assert {int(item_id[:2]) % 6 for item_id, _ in matches} == set(list(first)[:k]) and len(matches) == shown
            photo = (queries / name).read_bytes() if name not in products else ()
            product = name if name in products else None
            result = service.search(photo, Question(product=product, hide_duplicates=True, k=k))
            assert matches_of(result) == matches


def test_wrong_questions_write_nothing(store: Store, queries: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    for changes, told in (
        ({"queries": queries / "absent.jpg"}, "must be a photo or a folder"),
        ({"queries": tmp_path / "none"}, "must hold photos"),
        ({"output": tmp_path / "out.xlsx"}, r"must end in \.csv, \.jsonl or \.parquet"),
        ({"output": tmp_path / "nowhere" / "out.csv"}, "folder that exists"),
        ({"k": 0}, "k must lie in"),
        ({"where": "prise < 3"}, "where must name columns"),
        ({"liked": ("p99",)}, 'has no "p99"'),
        ({"products": ("p1", "p99")}, 'has no "p99"'),
    ):
        with pytest.raises(UsageError, match=told):
            ask(store, **{"queries": queries, "output": tmp_path / "out.csv", **changes})  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["none", "queries"]


def test_an_interrupted_search_leaves_the_old_output(
    store: Store, queries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import search.batch as module

    (tmp_path / "out.csv").write_text("old")

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_answers", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ask(store, queries, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "queries"]


def test_only_unreadable_queries_is_a_failure(store: Store, tmp_path: Path) -> None:
    (tmp_path / "q.jpg").write_bytes(b"nothing")
    told, code = ask(store, tmp_path / "q.jpg", tmp_path / "out.csv")
    assert code == 1
    assert "not read" in told


def test_recall_counts_the_right_product(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "known"
    folder.mkdir()
    for number in range(4):
        draw_photo(number).save(folder / f"{number}.png")
    answers = tmp_path / "answers.csv"
    answers.write_text("path,item_id\n0.png,p0\n1.png,p1\n2.png,p2\n3.png,p9\n")
    recall = measure_recall(store.root, folder, answers, k=40, device="cpu")
    assert (recall.at(1), recall.at(40)) == (0.75, 1.0)
    answers.write_text("path,item_id\n0.png,p0\n")
    with pytest.raises(UsageError, match=r"named in answers\.csv"):
        measure_recall(store.root, folder, answers, device="cpu")
