"""The service: a photo finds itself, each product comes once, and every answer is from one version."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.config import ScanConfig
from catalog.errors import BadImage, UsageError, VersionError
from catalog.manifest import Manifest
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from index.faiss_index import FlatIndex
from index.loading import LoadedVersion, load_current
from index.vectors import unit_norm
from search.service import SearchService
from search.snapshot import Snapshot
from tests.conftest import draw_photo
from tests.small_run import leave_run

MakeStore = Callable[[int], Store]


@pytest.fixture
def variants(tmp_path: Path) -> Store:
    """Twelve photos of five products, and two products that share the bytes of one picture."""
    folder = tmp_path / "photos"
    folder.mkdir()
    with (folder / "products.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "item_id", "title"))
        for number in range(12):
            draw_photo(number).save(folder / f"{number}.png")
            table.writerow((f"{number}.png", f"item-{number % 5}", f"Thing {number % 5}"))
        table.writerow(("0.png", "twin", "Twin of thing 0"))
    store = Store(tmp_path / "store")
    scan(ScanConfig(catalog=folder / "products.csv", store=store.root))
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    return store


def test_every_catalog_photo_finds_itself(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(20)
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    service = SearchService.open(store.root, device="cpu")
    for number in range(20):
        result = service.search((tmp_path / "photos" / f"{number:03d}.png").read_bytes(), k=3, name="q")
        assert result.matches[0].item.path == f"{number:03d}.png"
        assert result.matches[0].similarity >= 0.999
        assert [match.rank for match in result.matches] == [1, 2, 3]
        assert result.version == service.version.id
        by_id = service.search_catalog_photo(result.matches[0].item.image_id, k=3)
        assert [match.item.path for match in by_id.matches] == [match.item.path for match in result.matches]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    """A version, to put other photos and vectors into."""
    folder = tmp_path_factory.mktemp("one")
    (folder / "photos").mkdir()
    draw_photo(0).save(folder / "photos" / "0.png")
    store = Store(folder / "store")
    scan(ScanConfig(catalog=folder / "photos", store=store.root))
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    return load_current(store, "cpu")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    photos=st.integers(1, 40),
    products=st.integers(1, 12),
    k=st.integers(1, 15),
    least=st.none() | st.integers(0, 45),
)
def test_grouping_equals_brute_force(
    loaded: LoadedVersion, seed: int, photos: int, products: int, k: int, least: int | None
) -> None:
    """Random catalogs with several photos of a product and equal vectors, perhaps only those from some number on."""
    random = np.random.default_rng(seed)
    vectors = unit_norm(random.normal(size=(max(1, photos // 2), 6)).astype(np.float32))
    vectors = vectors[random.integers(0, len(vectors), photos)]
    owners = [f"item-{number}" for number in random.integers(0, products, photos)]
    table = pa.table(
        {
            "image_id": pa.array(range(photos), pa.int64()),
            "item_id": owners,
            "path": [f"{number}.jpg" for number in range(photos)],
            "sha256": ["0" * 64] * photos,
            "width": pa.array([9] * photos, pa.int32()),
            "height": pa.array([9] * photos, pa.int32()),
        }
    )
    snapshot = Snapshot(replace(loaded, items=Manifest(table), index=FlatIndex.build(vectors, "cpu")))
    queries = unit_norm(random.normal(size=(3, 6)).astype(np.float32))
    allowed = None if least is None else snapshot.allowed(f"image_id >= {least}")
    answers = snapshot.nearest_products(queries, k, allowed)
    for query, matches in zip(queries, answers, strict=True):
        best: dict[str, float] = {}
        for owner, similarity in list(zip(owners, vectors @ query, strict=True))[least or 0 :]:
            best[owner] = max(best.get(owner, -2.0), float(similarity))
        expected = sorted(best.values(), reverse=True)[:k]
        assert [match.similarity for match in matches] == pytest.approx(expected, abs=1e-5)
        assert len({match.item.item_id for match in matches}) == len(matches)
        for match in matches:
            assert best[match.item.item_id] == pytest.approx(match.similarity, abs=1e-5)


def test_one_result_per_product(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    result = service.search_catalog_photo(service.search(_bytes(variants, "3.png"), k=1).matches[0].item.image_id, k=50)
    assert sorted(match.item.item_id for match in result.matches) == [*(f"item-{n}" for n in range(5)), "twin"]
    assert result.matches[0].item.title == "Thing 3"


def test_only_products_that_meet_the_condition_are_answers(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    photo = _bytes(variants, "3.png")
    found = service.search(photo, k=50, where='title in ("Thing 1", "Thing 4") or "twin" in title')
    assert sorted(match.item.item_id for match in found.matches) == ["item-1", "item-4", "twin"]
    assert service.search(photo, where='title == "none of that name"').matches == ()
    with pytest.raises(UsageError, match="there are: image_id, item_id, path, sha256, width, height, title"):
        service.search(photo, where="price < 3")


def test_the_same_picture_belongs_to_both_products(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    result = service.search(_bytes(variants, "0.png"), k=2)
    assert {match.item.item_id for match in result.matches} == {"item-0", "twin"}
    assert all(match.similarity >= 0.999 for match in result.matches)


def _bytes(store: Store, name: str) -> bytes:
    return (Path(store.read_catalog()["root"]) / name).read_bytes()


def test_what_cannot_be_answered_is_said(variants: Store, tmp_path: Path) -> None:
    service = SearchService.open(variants.root, device="cpu")
    with pytest.raises(BadImage):
        service.search(b"no photo")
    for k in (0, -1, 5000):
        with pytest.raises(UsageError, match="k must lie in 1 to 2048"):
            service.search(_bytes(variants, "0.png"), k=k)
    with pytest.raises(UsageError, match="there is no photo 999"):
        service.photo(999)
    (Path(variants.read_catalog()["root"]) / "7.png").unlink()
    image_id = next(match.item.image_id for match in service.search_catalog_photo(7, k=12).matches)
    with pytest.raises(UsageError, match="is gone from the catalog"):
        service.photo_path(image_id)


def test_a_new_version_is_taken_and_a_damaged_one_refused(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    before = service.version.id
    assert service.refresh() is False
    leave_run(variants, "two", seed=1)
    after = build_version(IndexConfig(store=variants.root, device="cpu", run="two")).version.id
    assert service.version.id == before
    assert service.refresh() is True
    assert service.version.id == after
    third = build_version(IndexConfig(store=variants.root, device="cpu", run="one")).version.id
    (variants.versions_dir / third / "index.faiss").write_bytes(b"rot")
    with pytest.raises(VersionError, match=r"index\.faiss"):
        service.refresh()
    assert service.search(_bytes(variants, "0.png")).version == after


def test_searching_on_a_cpu_imports_neither_torch_nor_pandas(variants: Store) -> None:
    code = (
        "import sys; from pathlib import Path; from search.service import SearchService; "
        f"s = SearchService.open(Path({str(variants.root)!r}), device='cpu'); s.search_catalog_photo(0); "
        "print([name for name in ('torch', 'pandas', 'gradio') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "[]\n"
