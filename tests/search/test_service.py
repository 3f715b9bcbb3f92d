"""The service: a photo finds itself, each product comes once, and every answer is from one version."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.config import ScanConfig
from catalog.errors import BadImage, UsageError, VersionError
from catalog.image import decode_upload
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.colour_weights import ColourChoice
from index.config import IndexConfig
from index.vectors import Floats
from index.verdicts import Thresholds, Verdicts
from search.question import Crop, Question
from search.service import SearchService
from search.snapshot import Snapshot
from tests.conftest import draw_photo
from tests.small_run import leave_run

MakeStore = Callable[[int], Store]


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Twelve photos of five products, and two products that share the bytes of one picture."""
    folder = tmp_path_factory.mktemp("photos")
    with (folder / "products.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "item_id", "title"))
        for number in range(12):
            draw_photo(number).save(folder / f"{number}.png")
            table.writerow((f"{number}.png", f"item-{number % 5}", f"Thing {number % 5}"))
        table.writerow(("0.png", "twin", "Twin of thing 0"))
    store = Store(tmp_path_factory.mktemp("store") / "store")
    scan(ScanConfig(catalog=folder / "products.csv", store=store.root))
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    return store


@pytest.fixture
def own_variants(variants: Store, tmp_path: Path) -> Store:
    """A copy of that store, for a test that changes it."""
    return Store(shutil.copytree(variants.root, tmp_path / "store"))


def test_every_catalog_photo_finds_itself(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(20)
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    service = SearchService.open(store.root, device="cpu")
    for number in range(20):
        result = service.search((tmp_path / "photos" / f"{number:03d}.png").read_bytes(), Question(k=3), name="q")
        assert result.matches[0].item.path == f"{number:03d}.png"
        assert result.matches[0].similarity >= 0.999
        assert result.matches[0].verdict == "same photo"
        assert [match.rank for match in result.matches] == [1, 2, 3]
        assert result.version == service.version.id
        by_id = service.search(question=Question(product=result.matches[0].item.image_id, k=2))
        assert [match.item.path for match in by_id.matches] == [match.item.path for match in result.matches[1:]]


def test_an_answer_ends_with_the_version_it_began_with(own_variants: Store) -> None:
    """Another one, by another encoder, comes into use while the photo is being decoded."""
    photo = _bytes(own_variants, "3.png")
    expected = SearchService.open(own_variants.root, device="cpu").search(photo, Question(k=5))
    leave_run(own_variants, "two", seed=1)

    def decode_slowly(data: bytes, fit: int | None) -> Image.Image:
        build_version(IndexConfig(store=own_variants.root, device="cpu", run="two", force=True))
        assert service.refresh()
        return decode_upload(data, fit)

    service = SearchService.open(own_variants.root, device="cpu", decode=decode_slowly)
    result = service.search(photo, Question(k=5))
    assert result.version == expected.version != service.version.id
    assert result.matches == expected.matches
    of_the_new = SearchService.open(own_variants.root, device="cpu").search(photo, Question(k=5))
    assert of_the_new.matches != expected.matches


def test_one_result_per_product(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    result = service.search(_bytes(variants, "3.png"), Question(k=50))
    assert sorted(match.item.item_id for match in result.matches) == [*(f"item-{n}" for n in range(5)), "twin"]
    assert result.matches[0].item.title == "Thing 3"


def test_only_products_that_meet_the_condition_are_answers(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    photo = _bytes(variants, "3.png")
    found = service.search(photo, Question(k=50, where='title in ("Thing 1", "Thing 4") or "twin" in title'))
    assert sorted(match.item.item_id for match in found.matches) == ["item-1", "item-4", "twin"]
    assert service.search(photo, Question(where='title == "none of that name"')).matches == ()
    with pytest.raises(UsageError, match="there are: image_id, item_id, path, sha256, width, height, title"):
        service.search(photo, Question(where="price < 3"))


def test_the_same_picture_belongs_to_both_products(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    result = service.search(_bytes(variants, "0.png"), Question(k=2))
    assert [match.item.item_id for match in result.matches] == ["item-0", "twin"]
    assert all(match.similarity >= 0.999 for match in result.matches)
    found = service.search(_bytes(variants, "0.png"), Question(k=9, where='item_id != "item-0"'))
    assert found.matches[0].item.item_id == "twin" and len(found.matches) == 5


def test_a_catalog_photo_comes_first_whatever_its_vector(variants: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a quantised index, or an encoder that gives another vector than it gave: every photo looks like 7."""
    service = SearchService.open(variants.root, device="cpu")
    other = service.pin().loaded.index.vector(7)
    monkeypatch.setattr(Snapshot, "encode", lambda self, prepared: np.repeat(other[None], len(prepared), axis=0))
    for by in ("best", "mean"):
        found = service.search(_bytes(variants, "3.png"), Question(product_by=by)).matches
        assert found[0].item.path == "3.png" and found[1].similarity > found[0].similarity


def projected_of(service: SearchService) -> Floats:
    """The projected embeddings of the thirteen photos, (13, 16)."""
    index = service.pin().loaded.index
    return np.stack([index.vector(position) for position in range(13)])[:, :16]


def test_the_weight_of_colours_is_chosen_by_the_query(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    loaded = service.pin().loaded
    vectors = np.stack([loaded.index.vector(position) for position in range(13)])
    cosines = vectors[:, :16] @ vectors[3, :16], vectors[:, 16:] @ vectors[3, 16:]
    choices: dict[ColourChoice, float] = {0.4: 0.4, "same-design": 0.0, "same-colour": 0.8, 1: 1.0}
    for choice, weight in choices.items():
        expected = (1 - weight) * cosines[0] + weight * cosines[1]
        for match in service.search(_bytes(variants, "3.png"), Question(k=9, colour=choice)).matches:
            assert match.similarity == pytest.approx(expected[match.item.image_id], abs=1e-4)
        of_product = service.search(question=Question(product=3, k=9, colour=choice)).matches
        assert of_product[0].similarity == pytest.approx(expected[of_product[0].item.image_id], abs=1e-4)
    for outside in (-0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match="must lie in 0 to 1"):
            service.search(_bytes(variants, "3.png"), Question(colour=outside))


def test_what_is_no_close_match_can_be_left_out(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    too_few = service.search(question=Question(product=3)).matches
    assert too_few and all(match.verdict is None for match in too_few)
    loaded = service.pin().loaded
    strict = Thresholds(colour=0.0, same_photo=0.9999, same_product=0.9998, similar=0.9997)
    version = replace(loaded.version, verdicts=Verdicts(thresholds=(strict,), photos=13).to_json())
    service = SearchService(variants, "cpu", decode_upload, Snapshot(replace(loaded, version=version)))
    told = [match.verdict for match in service.search(_bytes(variants, "3.png"), Question(k=9)).matches]
    assert told == ["same photo", *["no close match"] * 5]
    (only,) = service.search(_bytes(variants, "3.png"), Question(k=9, close_only=True)).matches
    assert only.item.path == "3.png"


def test_a_product_is_as_similar_as_the_mean_of_its_photos(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    vectors = projected_of(service)
    owners = ["item-0", "item-1", "item-2", "item-3", "item-4"] * 2 + ["item-0", "item-1", "twin"]
    by_mean = service.search(_bytes(variants, "3.png"), Question(k=9, product_by="mean", colour="same-design"))
    assert by_mean.matches[0].item.path == "3.png"
    for match in by_mean.matches:
        mean = vectors[[owner == match.item.item_id for owner in owners]].mean(axis=0)
        assert match.similarity == pytest.approx(mean @ vectors[3] / np.linalg.norm(mean), abs=1e-4)


def test_several_photos_are_one_query(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    vectors = projected_of(service)
    photos = [_bytes(variants, "1.png"), _bytes(variants, "8.png")]
    found = service.search(photos, Question(k=9, colour=0.0), name="both").matches
    assert [match.item.path for match in found[:2]] == ["1.png", "8.png"]
    query = (vectors[1] + vectors[8]) / np.linalg.norm(vectors[1] + vectors[8])
    for match in found[2:]:
        assert match.similarity == pytest.approx(vectors[match.item.image_id] @ query, abs=1e-4)
    assert service.search(photos[::-1], Question(k=9, colour=0.0)).matches == found
    with pytest.raises(BadImage, match="photo 2 of 3: a photo must be"):
        service.search([photos[0], b"no photo", photos[1]])
    with pytest.raises(UsageError, match="at most 16 photos; received 17"):
        service.search(photos[:1] * 17)


def test_more_like_these_less_like_those(variants: Store) -> None:
    """Against Rocchio's sum, written out."""
    service = SearchService.open(variants.root, device="cpu")
    vectors = projected_of(service)
    photo = draw_photo(77)
    data = BytesIO()
    photo.save(data, "PNG")
    (asked,) = service.pin().encode([service.pin().loaded.embedder.prepare(photo)])
    mean = vectors[[1, 6, 11]].mean(axis=0)
    query = asked[:16] + 0.75 * (mean / np.linalg.norm(mean) + vectors[2]) / 2 - 0.25 * vectors[3]
    found = service.search(data.getvalue(), Question(k=9, liked=("item-1", 2), disliked=("3",), colour=0.0)).matches
    assert sorted(match.item.item_id for match in found) == ["item-0", "item-1", "item-2", "item-4", "twin"]
    for match in found:
        cosine = vectors[match.item.image_id] @ query / np.linalg.norm(query)
        assert match.similarity == pytest.approx(cosine, abs=1e-4)
    assert service.search(question=Question(liked=("item-4",), k=1)).matches[0].item.item_id == "item-4"
    assert service.search(data.getvalue(), Question(k=9, liked=(), disliked=("item-0", "twin"))).matches[0].rank == 1


def test_a_product_is_asked_with_and_is_no_answer_itself(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    vectors = projected_of(service)
    mean = vectors[[3, 8]].mean(axis=0)
    found = service.search(question=Question(product="item-3", k=9, colour=0.0))
    assert found.query == "item-3"
    assert sorted(match.item.item_id for match in found.matches) == ["item-0", "item-1", "item-2", "item-4", "twin"]
    for match in found.matches:
        cosine = vectors[match.item.image_id] @ mean / np.linalg.norm(mean)
        assert match.similarity == pytest.approx(cosine, abs=1e-4)
    assert [photo.path for photo in service.product("item-3")] == ["3.png", "8.png"]
    assert service.product(8) == service.product("item-3")


def test_a_part_of_a_photo_is_asked_with(variants: Store) -> None:
    """A photo beside another one, with the box around it, is that photo; also where it is a catalog photo's part."""
    service = SearchService.open(variants.root, device="cpu")
    one, other = (Image.open(BytesIO(_bytes(variants, name))) for name in ("2.png", "4.png"))
    pair = Image.new("RGB", (one.width + other.width, one.height))
    pair.paste(one, (0, 0))
    pair.paste(other, (one.width, 0))
    data = BytesIO()
    pair.save(data, "PNG")
    for crop, path in ((Crop(right=0.5), "2.png"), (Crop(left=0.5), "4.png")):
        assert service.search(data.getvalue(), Question(k=1, crop=crop)).matches[0].item.path == path
    whole = Question(product=2, k=1, crop=Crop())
    assert service.search(question=whole).matches == service.search(question=Question(product=2, k=1)).matches
    part = one.crop((0, 0, one.width // 2, one.height))
    (expected,) = service.pin().encode([service.pin().loaded.embedder.prepare(part)])
    match = service.search(question=Question(product=2, k=1, crop=Crop(right=0.5), colour=0.0)).matches[0]
    assert match.similarity == pytest.approx(expected[:16] @ projected_of(service)[match.item.image_id], abs=1e-4)
    for photos, product in (([data.getvalue()] * 2, None), ([], None)):
        with pytest.raises(UsageError, match="a crop is of one photo"):
            service.search(photos, Question(product=product, liked=("item-1",), crop=Crop()))
    for box in ((-0.1, 1.0), (0.5, 0.505), (0.6, 0.4), (0.0, 1.01), (float("nan"), 1.0)):
        with pytest.raises(UsageError, match=r"within 0 to 1, at least 0\.01 apart; received"):
            Crop(left=box[0], right=box[1])


def test_of_answers_that_look_like_one_photo_the_first_is_shown(variants: Store) -> None:
    """The twin has the very photo of item-0 that is asked with."""
    service = SearchService.open(variants.root, device="cpu")
    photo = _bytes(variants, "0.png")
    found = [match.item.item_id for match in service.search(photo, Question(k=9)).matches]
    assert found[:2] == ["item-0", "twin"]
    for k in (1, 2, 9):
        distinct = service.search(photo, Question(k=k, hide_duplicates=True)).matches
        assert [match.item.item_id for match in distinct] == [found[0], *found[2:]][:k]
        assert [match.rank for match in distinct] == [1, 2, 3, 4, 5][:k]


def test_products_are_found_by_what_they_are_called(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    assert [item.item_id for item in service.find("ITEM")] == [f"item-{number}" for number in range(5)]
    assert [item.item_id for item in service.find("thing 3 ")] == ["item-3"]
    assert [item.item_id for item in service.find("win")] == ["twin"]
    assert [item.item_id for item in service.find("in", limit=2)] == ["item-0", "item-1"]
    assert service.find("no such thing") == ()


def test_what_cannot_be_liked_is_said(variants: Store) -> None:
    service = SearchService.open(variants.root, device="cpu")
    for unknown in ("item-99", "99", "9" * 5000, "²", 99, -1, ""):
        with pytest.raises(UsageError, match=f"version {service.version.id} has no .*: take an item_id or image_id"):
            service.search(question=Question(liked=(unknown,)))
    with pytest.raises(UsageError, match="needs a photo, a product or a liked product"):
        service.search(question=Question(disliked=("item-1",)))


def _bytes(store: Store, name: str) -> bytes:
    return (Path(store.read_catalog()["root"]) / name).read_bytes()


def test_what_cannot_be_answered_is_said(variants: Store, tmp_path: Path) -> None:
    service = SearchService.open(variants.root, device="cpu")
    with pytest.raises(BadImage):
        service.search(b"no photo")
    for k in (0, -1, 5000):
        with pytest.raises(UsageError, match="k must lie in 1 to 2048"):
            service.search(_bytes(variants, "0.png"), Question(k=k))
    with pytest.raises(UsageError, match="there is no photo 999"):
        service.photo(999)
    with pytest.raises(UsageError, match="received both"):
        service.search(_bytes(variants, "0.png"), Question(product="item-1"))
    image_id = service.search(_bytes(variants, "7.png"), Question(k=1)).matches[0].item.image_id
    path = Path(variants.read_catalog()["root"]) / "7.png"
    path.rename(tmp_path / "away.png")
    try:
        with pytest.raises(UsageError, match="is gone from the catalog"):
            service.photo_path(image_id)
    finally:
        (tmp_path / "away.png").rename(path)


def test_a_new_version_is_taken_and_a_damaged_one_refused(own_variants: Store) -> None:
    service = SearchService.open(own_variants.root, device="cpu")
    before = service.version.id
    assert service.refresh() is False
    leave_run(own_variants, "two", seed=1)
    after = build_version(IndexConfig(store=own_variants.root, device="cpu", run="two")).version.id
    assert service.version.id == before
    assert service.refresh() is True
    assert service.version.id == after
    third = build_version(IndexConfig(store=own_variants.root, device="cpu", run="one")).version.id
    (own_variants.versions_dir / third / "index.faiss").write_bytes(b"rot")
    with pytest.raises(VersionError, match=r"index\.faiss"):
        service.refresh()
    assert service.search(_bytes(own_variants, "0.png")).version == after


MANY_KINDS = 'item_id != "x" and "a" in path or not width in (8, 9.5)'


def test_searching_on_a_cpu_imports_neither_torch_nor_pandas(variants: Store) -> None:
    code = (
        "import sys; from pathlib import Path; from search.question import Question; "
        "from search.service import SearchService; "
        f"s = SearchService.open(Path({str(variants.root)!r}), device='cpu'); s.search((), Question(product=0)); "
        f"photo = {_bytes(variants, '1.png')!r}; "
        "s.search(photo, Question(product_by='mean', liked=('item-1',), disliked=('item-2',))); "
        f"s.search(photo, Question(where={MANY_KINDS!r}, hide_duplicates=True)); s.pin().facets; "
        "s.find('item'); "
        "print([name for name in ('torch', 'pandas', 'gradio') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "[]\n"
