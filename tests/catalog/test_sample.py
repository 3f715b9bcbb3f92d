"""The sample catalog is complete, repeatable and made of families that are hard to tell apart."""

import csv
import hashlib
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from catalog.errors import UsageError
from catalog.sample import catalog as sample_catalog
from catalog.sample.catalog import SampleCatalog, SampleConfig, draw_sample
from catalog.sample.cutout import draw_cutout
from catalog.sample.plan import FAMILY_SIZE, plan_products

PRODUCTS = 24


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawn") / "sample"


@pytest.fixture(scope="module")
def sample(folder: Path) -> SampleCatalog:
    return draw_sample(SampleConfig(folder=folder, products=PRODUCTS, image_size=96))


def test_every_product_has_a_row_and_a_studio_photo(sample: SampleCatalog) -> None:
    rows = _rows(sample.table)
    assert list(rows[0]) == ["path", "item_id", "title", "category", "colour", "price"]
    assert len(rows) == len({row["item_id"] for row in rows}) == len({row["path"] for row in rows}) == PRODUCTS
    for row in rows:
        assert float(row["price"]) > 0
        assert row["colour"] in row["title"]
        with Image.open(sample.table.parent / row["path"]) as photo:
            assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", (96, 96))
            assert min(photo.getpixel((1, 1))) > 225  # type: ignore[arg-type]


def test_every_product_has_two_customer_photos_outside_the_catalog(sample: SampleCatalog) -> None:
    answers = _rows(sample.answers)
    items = {row["item_id"] for row in _rows(sample.table)}
    assert list(answers[0]) == ["path", "item_id"]
    assert Counter(answer["item_id"] for answer in answers) == dict.fromkeys(items, 2)
    named = {sample.customer_photos / answer["path"] for answer in answers}
    assert named == set(sample.customer_photos.glob("*.jpg"))
    assert not sample.customer_photos.is_relative_to(sample.table.parent)
    studio = {path.read_bytes() for path in sample.table.parent.rglob("*.jpg")}
    assert len(studio | {path.read_bytes() for path in named}) == 3 * PRODUCTS


def test_the_same_config_draws_the_same_bytes(sample: SampleCatalog, folder: Path, tmp_path: Path) -> None:
    draw_sample(SampleConfig(folder=tmp_path / "again", products=PRODUCTS, image_size=96))
    assert _digests(tmp_path / "again") == _digests(folder)


def test_a_complete_sample_is_not_drawn_again(
    sample: SampleCatalog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(sample_catalog, "_draw_photos", refuse)
    assert draw_sample(SampleConfig(folder=folder, products=PRODUCTS, image_size=96)) == sample
    with pytest.raises(AssertionError, match="drawn again"):
        draw_sample(SampleConfig(folder=folder, products=PRODUCTS, image_size=96, seed=8))
    assert sample.table.is_file()  # the earlier sample stays until the other one is complete


def test_an_interrupted_drawing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sample_catalog, "_write_table", interrupt)
    with pytest.raises(KeyboardInterrupt):
        draw_sample(SampleConfig(folder=tmp_path / "sample", products=1, image_size=64))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match="folder of its own"):
        draw_sample(SampleConfig(folder=tmp_path, products=1))
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_the_default_shop_is_large_and_varied() -> None:
    config = SampleConfig(folder=Path("unused"))
    products = plan_products(config.products, config.seed)
    assert len(products) >= 400
    assert min(Counter(product.category for product in products).values()) >= 4
    assert len({product.category for product in products}) >= 12
    assert len({product.pattern for product in products}) >= 8
    looks = {(p.category, p.variant, p.pattern, p.scale, p.main, p.accent, p.second) for p in products}
    assert len(looks) == len(products)
    assert len({product.item_id for product in products}) == len(products)


def test_siblings_share_shape_and_pattern_and_differ_in_looks() -> None:
    products = plan_products(48, seed=7)
    for start in range(0, len(products), FAMILY_SIZE):
        family = products[start : start + FAMILY_SIZE]
        assert len({(p.family, p.category, p.variant, p.pattern) for p in family}) == 1
        assert len({draw_cutout(product, 64, 7).tobytes() for product in family}) == FAMILY_SIZE


def test_another_seed_plans_another_shop() -> None:
    assert plan_products(48, seed=7) == plan_products(48, seed=7)
    assert plan_products(48, seed=7) != plan_products(48, seed=8)
    assert plan_products(24, seed=7) == plan_products(48, seed=7)[:24]


@pytest.mark.parametrize(
    ("option", "value"),
    [("seed", -1), ("products", 0), ("products", 4001), ("image_size", 63), ("image_size", 2000)],
)
def test_a_bad_config_is_refused(option: str, value: int) -> None:
    with pytest.raises(UsageError, match=rf"--{option.replace('_', '-')} must be .* it is {value}: give "):
        SampleConfig(folder=Path("unused"), **{option: value})
