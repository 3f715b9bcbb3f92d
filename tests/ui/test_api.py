"""The HTTP API, the pictures and the words about health, on a real port with the real service."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from search.service import SearchService


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
    assert told == "a search needs a photo or a liked product; received neither: send one"


def send_all(client: httpx.Client, photos: list[bytes], **form: object) -> httpx.Response:
    """POST /api/search with several photos."""
    return client.post("/api/search", files=[("photo", (f"{n}.png", data)) for n, data in enumerate(photos)], data=form)


def test_several_photos_are_one_query(client: httpx.Client, photo: bytes, service: SearchService) -> None:
    other = service.photo_path(service.search(photo, k=24).matches[-1].item.image_id).read_bytes()
    answer = send_all(client, [photo, other], k=3, product_by="mean").json()
    assert answer["query"] == "0.png + 1 more" and len(answer["matches"]) == 3
    expected = service.search([photo, other], k=3, product_by="mean").matches
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


def test_no_interactive_docs_but_a_description(client: httpx.Client) -> None:
    for path in ("/docs", "/redoc"):
        assert client.get(path).status_code == 404
    assert "/api/search" in client.get("/openapi.json").json()["paths"]
