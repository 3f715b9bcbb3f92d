"""The HTTP API, the pictures and the words about health, on a real port with the real service."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from catalog.config import ScanConfig
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from search.facets import Facet
from search.question import Question
from search.service import SearchService
from tests.small_run import leave_start
from ui.answers import facets
from ui.error_handlers import add_error_handlers
from ui.gate import Overloaded
from ui.log import RequestLog


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    """Asks the server."""
    with httpx.Client(base_url=url, timeout=30) as opened:
        yield opened


def send(client: httpx.Client, photo: bytes, **form: object) -> httpx.Response:
    """POST /api/search."""
    return client.post("/api/search", files={"photo": ("mine.png", photo)}, data=form)


def check_problem(response: httpx.Response, status: int, code: str) -> str:
    """It is a problem+json that names no path of the server; gives the sentence."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"title", "status", "code", "detail"}
    assert problem["status"] == status and problem["code"] == code
    assert "/tmp" not in response.text and "Traceback" not in response.text
    return str(problem["detail"])


def test_search_answers_products_most_alike_first(client: httpx.Client, photo: bytes, service: SearchService) -> None:
    response = send(client, photo, k=5)
    assert response.status_code == 200
    answer = response.json()
    assert answer["version"] == service.version.id and answer["query"] == "mine.png" and answer["seconds"] >= 0
    matches = answer["matches"]
    assert [match["rank"] for match in matches] == [1, 2, 3, 4, 5]
    similarities = [match["similarity"] for match in matches]
    assert similarities == sorted(similarities, reverse=True) and similarities[0] <= 1
    best = matches[0]
    assert best["path"] == "05.jpg" and best["title"] == "Product 5"
    assert best["columns"] == {"title": "Product 5", "category": "square", "price": 5.5}
    assert (best["width"], best["height"]) == (240, 240)
    assert client.get(best["media"]).headers["content-type"] == "image/webp"


def test_search_answers_twelve_unless_told(client: httpx.Client, photo: bytes) -> None:
    assert len(send(client, photo).json()["matches"]) == 12
    assert len(send(client, photo, k=2048).json()["matches"]) == 24


def test_search_among_products_that_meet_a_condition(client: httpx.Client, photo: bytes) -> None:
    matches = send(client, photo, k=50, where='category == "square" and price < 10').json()["matches"]
    assert matches and all(match["columns"]["category"] == "square" for match in matches)
    assert all(match["columns"]["price"] < 10 for match in matches)
    assert send(client, photo, where="price < 0").json()["matches"] == []
    told = check_problem(send(client, photo, where="open('/etc/passwd')"), 422, "usage")
    assert "must be a condition" in told


def test_a_catalog_photo_finds_itself(client: httpx.Client, service: SearchService, image_ids: list[int]) -> None:
    for image_id in image_ids:
        best = send(client, service.photo_path(image_id).read_bytes(), k=1).json()["matches"][0]
        assert best["image_id"] == image_id and best["similarity"] >= 0.999


def test_what_is_no_photo_is_refused_with_its_reason(client: httpx.Client, photo: bytes) -> None:
    assert "text" in check_problem(send(client, b"just some text"), 422, "unsupported-format")
    check_problem(send(client, photo[: len(photo) // 2]), 422, "truncated")
    check_problem(send(client, b""), 422, "empty")


def test_a_photo_over_20_mb_is_refused_with_and_without_a_stated_length(client: httpx.Client) -> None:
    assert check_problem(send(client, bytes(21 * 2**20)), 413, "too-large") == "at most 20 MB may be sent here"
    head = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'

    def parts() -> Iterator[bytes]:
        yield head
        for _ in range(21):
            yield bytes(2**20)

    response = client.post("/api/search", content=parts(), headers={"content-type": "multipart/form-data; boundary=x"})
    check_problem(response, 413, "too-large")


@pytest.mark.parametrize("k", ["0", "2049", "-1", "many", "1.5"])
def test_a_wrong_k_is_refused_by_name(client: httpx.Client, photo: bytes, k: str) -> None:
    assert check_problem(send(client, photo, k=k), 422, "invalid-request").startswith("k: ")


def test_a_missing_photo_is_refused(client: httpx.Client) -> None:
    told = check_problem(client.post("/api/search", data={"k": 3}), 422, "usage")
    assert told == "a search needs a photo, a product or a liked product; received none of them: send one"


def send_all(client: httpx.Client, photos: list[bytes], **form: object) -> httpx.Response:
    """POST /api/search with several photos."""
    return client.post("/api/search", files=[("photo", (f"{n}.png", data)) for n, data in enumerate(photos)], data=form)


def test_several_photos_are_one_query(client: httpx.Client, photo: bytes, service: SearchService) -> None:
    other = service.photo_path(service.search(photo, Question(k=24)).matches[-1].item.image_id).read_bytes()
    answer = send_all(client, [photo, other], k=3, product_by="mean").json()
    assert answer["query"] == "0.png + 1 more" and len(answer["matches"]) == 3
    expected = service.search([photo, other], Question(k=3, product_by="mean")).matches
    assert [match["item_id"] for match in answer["matches"]] == [match.item.item_id for match in expected]
    assert check_problem(send_all(client, [photo, b"text", other]), 422, "unsupported-format").startswith(
        "photo 2 of 3"
    )
    assert "at most 16 photos" in check_problem(send_all(client, [photo] * 17), 422, "usage")
    check_problem(send(client, photo, product_by="worst"), 422, "invalid-request")


def test_more_like_these_less_like_those(client: httpx.Client, photo: bytes) -> None:
    first, second = send(client, photo, k=2).json()["matches"]
    found = send(client, photo, k=50, liked=[first["item_id"]], disliked=[second["image_id"], "07.jpg"]).json()[
        "matches"
    ]
    assert len(found) == 22 and not {match["item_id"] for match in found} & {second["item_id"], "07.jpg"}
    liked = client.post("/api/search", data={"liked": [second["item_id"]], "k": 1}).json()
    assert liked["query"] == "liked products" and liked["matches"][0]["item_id"] == second["item_id"]
    assert 'has no "mug"' in check_problem(send(client, photo, liked="mug"), 422, "usage")


def test_media_is_sized_cached_and_by_id_only(client: httpx.Client, photo: bytes) -> None:
    match = send(client, photo, k=1).json()["matches"][0]
    small = client.get(match["media"], params={"w": 100})
    image = Image.open(BytesIO(small.content))
    assert image.format == "WEBP" and image.mode == "RGB" and image.size == (160, 160)
    assert Image.open(BytesIO(client.get(f"{match['media']}&w=640").content)).size == (240, 240)  # never enlarged
    assert "immutable" in client.get(match["media"]).headers["cache-control"]
    bare = client.get(f"/media/{match['image_id']}")
    assert bare.headers["cache-control"] == "private, no-cache"
    again = client.get(f"/media/{match['image_id']}", headers={"If-None-Match": bare.headers["etag"]})
    assert again.status_code == 304 and not again.content
    check_problem(client.get("/media/999999"), 404, "no-picture")
    check_problem(client.get("/media/05.jpg"), 422, "invalid-request")
    check_problem(client.get("/media/1?w=100000"), 422, "invalid-request")
    assert client.get("/media/..%2f..%2fetc%2fpasswd").status_code in (404, 422)


def test_a_photo_changed_on_disk_is_never_kept_under_the_old_address(
    own_store: Path, serving: Callable[[SearchService], str], image_ids: list[int]
) -> None:
    service = SearchService.open(own_store, device="cpu")
    path = service.photo_path(image_ids[1])
    original = path.read_bytes()
    url = serving(service)
    address = f"{url}/media/{image_ids[1]}?v={hashlib.sha256(original).hexdigest()[:12]}"
    try:
        Image.new("RGB", (64, 64), "red").save(path)
        assert httpx.get(address).headers["cache-control"] == "private, no-cache"
    finally:
        path.write_bytes(original)
    assert "immutable" in httpx.get(address).headers["cache-control"]


def test_health_in_one_word(client: httpx.Client) -> None:
    assert client.get("/healthz").text == "ok"
    ready = client.get("/readyz")
    assert ready.status_code == 200 and ready.text == "ready"


def ask(client: httpx.Client, **question: object) -> httpx.Response:
    """POST /api/search without a photo, as JSON."""
    return client.post("/api/search", json=question)


def found(response: httpx.Response) -> list[str]:
    """The item_ids of an answer, most alike first."""
    assert response.status_code == 200, response.text
    return [match["item_id"] for match in response.json()["matches"]]


def test_a_product_is_a_question_as_json_and_as_a_form(client: httpx.Client, service: SearchService) -> None:
    answer = ask(client, product="05.jpg", k=4, where="price < 12").json()
    expected = service.search((), Question(product="05.jpg", k=4, where="price < 12"))
    assert answer["query"] == "05.jpg" and len(answer["matches"]) == 4
    assert [match["item_id"] for match in answer["matches"]] == [match.item.item_id for match in expected.matches]
    assert "05.jpg" not in found(ask(client, product="05.jpg", k=50))
    form = client.post(
        "/api/search", data={"product": "05.jpg", "k": 4, "where": "price < 12", "crop": "", "liked": ""}
    )
    assert form.json()["matches"] == answer["matches"]
    image_id = service.product("05.jpg")[0].image_id
    assert found(ask(client, product=image_id)) == found(ask(client, product="05.jpg"))


def test_a_crop_is_a_part_of_the_photo(client: httpx.Client, photo: bytes, service: SearchService) -> None:
    box = (0.1, 0.2, 0.6, 0.9)
    picture = Image.open(BytesIO(photo))
    sides = (picture.width, picture.height) * 2
    left, top, right, bottom = (round(part * side) for part, side in zip(box, sides, strict=True))
    buffer = BytesIO()
    picture.crop((left, top, right, bottom)).save(buffer, "PNG")
    assert found(send(client, photo, crop="0.1,0.2, 0.6,0.9")) == found(send(client, buffer.getvalue()))
    assert found(ask(client, product="03.jpg", crop=[0, 0, 1, 0.5])) != found(ask(client, product="03.jpg"))
    check_problem(send(client, photo, crop="0.6,0.2,0.1,0.9"), 422, "usage")
    check_problem(send_all(client, [photo, photo], crop="0,0,1,1"), 422, "usage")


def test_answers_can_be_held_to_what_is_close_and_differs(client: httpx.Client, photo: bytes) -> None:
    everything, close = send(client, photo, k=24).json()["matches"], send(client, photo, k=24, close_only=True)
    assert found(close) == [match["item_id"] for match in everything if match["verdict"] != "no close match"]
    assert set(found(send(client, photo, k=24, hide_duplicates="on"))) <= {match["item_id"] for match in everything}


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"k": 0}, "k: "),
        ({"k": "many"}, "k: "),
        ({"colour": "red"}, "colour: "),
        ({"crop": [0, 0, 1]}, "crop.3: "),
        ({"liked": ["x"] * 65}, "liked: "),
        ({"liked": [{}]}, "liked.0: "),
        ({"product": {"$ne": 1}}, "product: "),
        ({"photo": "http://127.0.0.1/x.jpg"}, "photo: "),
        ({"path": "/etc/passwd"}, "path: "),
        ([], "request: "),
    ],
)
def test_what_is_not_a_question_is_refused_by_the_field_s_name(
    client: httpx.Client, question: object, field: str
) -> None:
    response = client.post("/api/search", json=question)
    assert check_problem(response, 422, "invalid-request").startswith(field)


def test_forms_are_held_to_the_same_rules(client: httpx.Client, photo: bytes) -> None:
    for form in (
        {"photo": "05.jpg"},
        {"k": ["3", "4"]},
        {"path": "/etc/passwd"},
        {"crop": "1,2,3"},
        {"liked": ["x"] * 65},
    ):
        told = check_problem(client.post("/api/search", data=form), 422, "invalid-request")
        assert told.startswith(next(iter(form)))
    told = check_problem(client.post("/api/search", files={"image": photo}), 422, "invalid-request")
    assert told.startswith("image: ")


def test_bodies_of_another_kind_are_refused(client: httpx.Client, photo: bytes) -> None:
    for kind in ("image/jpeg", "text/plain", "application/xml", ""):
        check_problem(
            client.post("/api/search", content=photo, headers={"content-type": kind}), 415, "unsupported-media-type"
        )
    json = {"content-type": "application/json"}
    for body in (b"", b"{", b"[" * 100_000, b'{"k": NaN}', b'"\\ud800"', b"\xff"):
        check_problem(client.post("/api/search", content=body, headers=json), 422, "invalid-request")
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        check_problem(client.post("/api/search", content=b"zz", headers={"content-type": kind}), 400, "bad-request")


STRANGE_IDS = (
    "mugs/blue 17",
    "100%25 off?",
    "a%2Fb#c",
    "帽子 ✓ é",
    "two\nlines\n",
    "/leading",
    "q&a=1;+",
    "🫖",
    ".hidden/..",
)


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory, store: Path, serving: Callable[[SearchService], str]) -> str:
    """Where a catalog is whose products have ids that addresses must escape; the first has three photos."""
    folder = tmp_path_factory.mktemp("strange")
    with (folder / "products.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("path", "item_id", "title", "size", "weight"))
        for number, item_id in enumerate((*STRANGE_IDS, STRANGE_IDS[0], STRANGE_IDS[0])):
            name = f"photo {number}.png"
            Image.new("RGB", (60 + number, 80), (20 * number, 90, 200 - 15 * number)).save(folder / name)
            table.writerow((name, item_id, f"Thing {number}", ("S", "M")[number % 2], "inf" if number == 3 else number))
    root = tmp_path_factory.mktemp("strange-store") / "store"
    scan(ScanConfig(catalog=folder / "products.csv", store=root))
    leave_start(Store.open(root))
    build_version(IndexConfig(store=root, encoder="imagenet", device="cpu"))
    return serving(SearchService.open(root, device="cpu"))


@pytest.mark.parametrize("item_id", STRANGE_IDS)
def test_a_product_has_an_address_whatever_its_id(strange: str, item_id: str) -> None:
    product = httpx.get(f"{strange}/api/products/{quote(item_id, safe='')}").json()
    assert product["item_id"] == item_id
    matches = httpx.post(f"{strange}/api/search", json={"product": item_id}).json()["matches"]
    assert {match["item_id"] for match in matches} == {*STRANGE_IDS} - {item_id}
    looked_up = httpx.get(f"{strange}/api/products", params={"q": item_id.strip()}).json()["products"]
    assert looked_up[0]["item_id"] == item_id


def test_a_product_is_shown_with_all_its_photos(strange: str) -> None:
    product = httpx.get(f"{strange}/api/products/mugs/blue%2017").json()
    assert set(product) == {"item_id", "title", "columns", "photos"}
    assert product["title"] == "Thing 0" and product["columns"] == {"title": "Thing 0", "size": "S", "weight": 0.0}
    assert [photo["path"] for photo in product["photos"]] == ["photo 0.png", "photo 9.png", "photo 10.png"]
    assert [(photo["width"], photo["height"]) for photo in product["photos"]] == [(60, 80), (69, 80), (70, 80)]
    for photo in product["photos"]:
        assert set(photo) == {"image_id", "path", "width", "height", "media"}
        assert httpx.get(strange + photo["media"]).headers["content-type"] == "image/webp"
        assert httpx.get(f"{strange}/api/products/{photo['image_id']}").json() == product


@pytest.mark.parametrize(
    "item_id", ["nothing", "", "99999999", "1" * 30, "-1", "1.0", "%00", "..%2f..%2fetc/passwd", "%ff"]
)
def test_a_product_that_is_not_there_is_a_problem(client: httpx.Client, item_id: str) -> None:
    told = check_problem(client.get(f"/api/products/{item_id}"), 404, "not-found")
    assert "take an item_id" in told


def test_products_are_found_by_what_they_are_called(client: httpx.Client, service: SearchService) -> None:
    products = client.get("/api/products", params={"q": "PRODUCT 2"}).json()["products"]
    assert [product["title"] for product in products] == ["Product 20", "Product 21", "Product 22", "Product 23"]
    assert set(products[0]) == {
        "image_id", "item_id", "path", "title", "width", "height", "columns", "media"
    }  # fmt: skip
    assert [product["item_id"] for product in client.get("/api/products?q=07.jpg").json()["products"]] == ["07.jpg"]
    assert len(client.get("/api/products", params={"q": "product"}).json()["products"]) == 10
    assert len(client.get("/api/products", params={"q": "product", "limit": 3}).json()["products"]) == 3
    assert client.get("/api/products", params={"q": "no such thing"}).json() == {"products": []}
    queries: list[dict[str, str | int]] = [{}, {"q": "x", "limit": 0}, {"q": "x", "limit": 51}, {"q": "x" * 201}]
    for query in queries:
        check_problem(client.get("/api/products", params=query), 422, "invalid-request")


def test_what_the_catalog_can_be_narrowed_down_by(client: httpx.Client, service: SearchService) -> None:
    answer = client.get("/api/facets").json()
    assert answer["version"] == service.version.id
    by_column = {facet["column"]: facet for facet in answer["facets"]}
    assert by_column["price"] == {"column": "price", "kind": "numbers", "choices": [], "least": 0.5, "most": 23.5}
    assert by_column["category"]["kind"] == "choices" and by_column["category"]["least"] is None
    assert {choice["value"]: choice["products"] for choice in by_column["category"]["choices"]} == dict.fromkeys(
        ("round", "square", "pointed", "striped"), 6
    )


def test_what_is_not_a_finite_number_is_null(strange: str) -> None:
    shown = facets("1-a", [Facet(column="weight", kind="numbers", least=-2.5, most=float("inf"))])
    assert (shown.facets[0].least, shown.facets[0].most) == (-2.5, None)
    by_column = {facet["column"]: facet for facet in httpx.get(f"{strange}/api/facets").json()["facets"]}
    assert by_column["weight"]["least"] == 0 and by_column["weight"]["most"] is None
    assert httpx.get(f"{strange}/api/products/{quote(STRANGE_IDS[3])}").json()["columns"]["weight"] is None


def test_the_status_names_the_version_and_no_path(client: httpx.Client, service: SearchService, store: Path) -> None:
    response = client.get("/api/status")
    status, version = response.json(), service.version
    assert status["readiness"] == "ready" and status["device"] == "cpu"
    assert status["version"] == {
        "id": version.id,
        "created": version.created,
        "kind": "exact",
        "recall": 1.0,
        "promised_recall": version.promised_recall,
        "encoder": "imagenet",
        "photos": 24,
        "products": 24,
        "dimension": sum(version.blocks.values()),
        "blocks": dict(version.blocks),
    }
    assert version.root not in response.text and str(store) not in response.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/search", 405),
        ("PUT", "/api/search", 405),
        ("POST", "/api/facets", 405),
        ("DELETE", "/api/products/05.jpg", 405),
        ("POST", "/healthz", 405),
        ("POST", "/metrics", 405),
        ("POST", "/openapi.json", 405),
        ("POST", "/media/1", 405),
        ("GET", "/api/nothing", 404),
        ("POST", "/api/nothing", 404),
        ("GET", "/api/search/", 404),
        ("GET", "/media/1/2", 404),
        ("GET", "/docs/redoc.standalone.js", 404),
        ("GET", "/redoc", 404),
    ],
)
def test_what_there_is_not_is_a_problem(client: httpx.Client, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    check_problem(response, status, {404: "not-found", 405: "method-not-allowed"}[status])
    assert ("allow" in response.headers) == (status == 405)


def test_errors_of_the_server_are_problems_that_tell_nothing() -> None:
    app = FastAPI(middleware=[Middleware(RequestLog)])
    add_error_handlers(app)

    @app.get("/busy")
    async def busy() -> None:
        raise Overloaded("try again")

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("/tmp/secret")

    with TestClient(app, raise_server_exceptions=False) as inside:
        overloaded: Any = inside.get("/busy")
        check_problem(overloaded, 503, "overloaded")
        assert overloaded.headers["retry-after"] == "2"
        failed: Any = inside.get("/broken")
        assert "secret" not in check_problem(failed, 500, "failed")
