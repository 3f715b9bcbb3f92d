"""`related`: the nearest other products against brute force, without duplicates, and the table that is written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import search.neighbours as neighbours
import search.related as module
from catalog.config import ScanConfig
from catalog.errors import UsageError
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from index.loading import LoadedVersion
from index.vectors import Ids
from search.config import ProductBy, RelatedConfig
from search.neighbours import NearestOthers
from search.ranking import Place
from search.related import related
from tests.conftest import draw_photo
from tests.search.random_catalog import RandomCatalog, catalogs
from tests.small_run import leave_run


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    catalog=catalogs((7,)),
    k=st.integers(1, 6),
    least=st.none() | st.integers(0, 45),
    by=st.sampled_from(["best", "mean"]),
    duplicate=st.sampled_from([0.3, 0.8, 0.995, 1.0]),
)
def test_nearest_others_equal_brute_force(
    loaded: LoadedVersion, catalog: RandomCatalog, k: int, least: int | None, by: ProductBy, duplicate: float
) -> None:
    snapshot = catalog.snapshot(loaded)
    allowed = None if least is None else snapshot.allowed(f"image_id >= {least}")
    everything, found_in = catalog.photos_of(), catalog.photos_of(least or 0)
    nearest = NearestOthers(snapshot, k=k, product_by=by, duplicate_similarity=duplicate, allowed=allowed, colour=0.0)
    names = list(snapshot.product_of)
    for name, places in zip(names, nearest.of(np.arange(len(names))), strict=True):
        own = everything[name]
        scores: dict[str, float] = {}
        for other, positions in found_in.items():
            same_bytes = {catalog.hashes[p] for p in everything[other]} & {catalog.hashes[p] for p in own}
            if by == "best":
                score = float((catalog.vectors[own] @ catalog.vectors[positions].T).max())
            else:
                score = float(catalog.mean(own) @ catalog.mean(positions))
            if other != name and not same_bytes and score < duplicate - 1e-6:
                scores[other] = score
        expected = sorted(scores.values(), reverse=True)[:k]
        assert [place.similarity for place in places] == pytest.approx(expected, abs=1e-5)
        assert len({place.product for place in places}) == len(places)
        for place in places:
            other = names[place.product]
            assert scores[other] == pytest.approx(place.similarity, abs=1e-5)
            assert place.position in found_in[other]


def test_more_is_fetched_until_k_are_certain_but_not_without_end(
    loaded: LoadedVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that stands for "no photo" at 300 products, and ten others."""
    placeholder, others = RandomCatalog.draw(1, 1, 1, (7,)), RandomCatalog.draw(2, 10, 99, (7,))
    catalog = RandomCatalog(
        np.concatenate([np.repeat(placeholder.vectors, 300, axis=0), others.vectors]),
        [f"item-{number}" for number in range(310)],
        ["f" * 64] * 300 + others.hashes,
        (7,),
    )
    snapshot = catalog.snapshot(loaded)
    nearest = NearestOthers(snapshot, k=4, product_by="best", duplicate_similarity=1.0, colour=0.0)
    (places,) = nearest.of(np.array([7]))
    expected = np.sort(others.vectors @ placeholder.vectors[0])[::-1][:4]
    assert [place.similarity for place in places] == pytest.approx(expected, abs=1e-5)
    monkeypatch.setattr(neighbours, "MOST_FETCHED", 100)
    assert nearest.of(np.array([7])) == [[]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Thirty photos of ten products, and a product with the bytes of another's photo."""
    folder = tmp_path_factory.mktemp("photos")
    with (folder / "products.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "item_id", "title", "stock"))
        for number in range(30):
            draw_photo(number).save(folder / f"{number:02d}.png")
            table.writerow((f"{number:02d}.png", f"p{number % 10}", f"Thing {number % 10}", number % 10))
        table.writerow(("03.png", "copy", "Copy of thing 3", 0))
    made = Store(tmp_path_factory.mktemp("store") / "store")
    scan(ScanConfig(catalog=folder / "products.csv", store=made.root))
    leave_run(made, "one")
    build_version(IndexConfig(store=made.root, device="cpu"))
    return made


def test_tables_of_every_format_agree(store: Store, tmp_path: Path) -> None:
    for ending in ("csv", "jsonl", "parquet"):
        told = str(related(RelatedConfig(store=store.root, k=4, output=str(tmp_path / f"r.{ending}"), device="cpu")))
        assert told.startswith("11 products related by version 0001-") and "44 rows" in told
    rows = list(csv.DictReader((tmp_path / "r.csv").open(newline="")))
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    parquet = pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert list(rows[0]) == ["query", "rank", "item_id", "path", "similarity", "verdict", "title", "stock"]
    for row, line, cells in zip(rows, lines, parquet, strict=True):
        assert row["query"] == line["query"] == cells["query"] != row["item_id"]
        assert row["item_id"] == line["item_id"] == cells["item_id"]
        assert {row["query"], row["item_id"]} != {"p3", "copy"}  # photos of the same bytes
    assert [row["query"] for row in rows[::4]] == [*(f"p{number}" for number in range(10)), "copy"]
    assert [row["rank"] for row in rows[:4]] == ["1", "2", "3", "4"]


def test_only_products_that_meet_the_condition_are_related(store: Store, tmp_path: Path) -> None:
    config = RelatedConfig(
        store=store.root, k=4, where="stock > 7", product_by="mean", output=str(tmp_path / "r.csv"), device="cpu"
    )
    assert "11 products" in str(related(config)) and "11 have fewer others" in str(related(config))
    rows = list(csv.DictReader((tmp_path / "r.csv").open(newline="")))
    assert {row["item_id"] for row in rows} == {"p8", "p9"}
    assert len(rows) == 2 * 9 + 1 + 1


def test_an_interruption_leaves_the_old_table(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.csv").write_text("old")
    monkeypatch.setattr(module, "QUERIES", 2)
    found, calls = NearestOthers.of, iter(range(9))

    def interrupted(self: NearestOthers, products: Ids) -> list[list[Place]]:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return found(self, products)

    monkeypatch.setattr(NearestOthers, "of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        related(RelatedConfig(store=store.root, output=str(tmp_path / "r.csv"), device="cpu"))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_what_cannot_be_related_is_said(store: Store, tmp_path: Path) -> None:
    for changes, told in (
        ({"k": 0}, "-k must be at least 1"),
        ({"k": 4000}, "k must lie in 1 to 2048"),
        ({"output": ""}, "--output must name a file"),
        ({"output": str(tmp_path / "r.xlsx")}, r"must end in \.csv, \.jsonl or \.parquet"),
        ({"duplicate_similarity": 1.5}, "--duplicate-similarity must lie above 0"),
        ({"where": "prise < 3"}, "where must name columns"),
    ):
        with pytest.raises(UsageError, match=told):
            related(RelatedConfig(**{"store": store.root, "output": "-", "device": "cpu", **changes}))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
