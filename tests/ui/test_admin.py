"""The owner's page: what it shows and does is the real thing, done to a real store, and nobody else can reach it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi.routing import APIRoute
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from catalog.config import ScanConfig
from catalog.decode_worker import DecodeWorkers
from catalog.errors import UsageError
from catalog.manifest import Manifest
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from index.versions import current_id, version_folders
from search.service import SearchService
from tests.small_run import leave_run
from tests.ui.conftest import HOSTILE_TITLES, ServerThread, draw_photo
from ui import admin, admin_jobs
from ui.config import ServeConfig
from ui.server import create_app
from ui.uploads import Uploads

LOGIN = ("anna", "correct horse")
PHOTOS = 10
DAMAGED = "damaged.jpg"
PATIENCE = 90.0
"""Seconds after which something that is waited for is not coming."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/, one of them cut short, and store/ with two versions by different encoders; not changed."""
    folder = tmp_path_factory.mktemp("shop")
    photos = folder / "photos"
    photos.mkdir()
    for number in range(PHOTOS):
        (photos / f"{number:02}.jpg").write_bytes(draw_photo(number))
    (photos / "twice.jpg").write_bytes(draw_photo(3))
    (photos / DAMAGED).write_bytes(draw_photo(2)[:900])
    scan(ScanConfig(catalog=photos, store=folder / "store"))
    store = Store(folder / "store")
    for name, seed in (("first", 0), ("second", 1)):
        leave_run(store, name, seed=seed)
        build_version(IndexConfig(store=store.root, device="cpu", run=name, force=True))
    run = store.runs_dir / "second"
    (run / "metrics.jsonl").write_text('{"step": 5, "loss": 4.5, "spread": NaN}\n{"step": 10, "loss": 3.5}\n{"step": 1')
    Image.new("RGB", (40, 30), "#0b6b61").save(run / "answers.png")
    return folder


@pytest.fixture
def own_shop(shop: Path, tmp_path: Path) -> Path:
    """A copy of it, for a test that changes it."""
    own = shutil.copytree(shop, tmp_path / "own")
    scan(ScanConfig(catalog=own / "photos", store=own / "store", moved=True))
    return own


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for --login that lets in `LOGIN`."""
    file = tmp_path_factory.mktemp("login") / "login.toml"
    file.write_text(f'[people]\n{LOGIN[0]} = "{LOGIN[1]}"\n')
    file.chmod(0o600)
    return file


Serve = Callable[[Path], httpx.Client]


@pytest.fixture
def serve(login: Path, workers: DecodeWorkers, tmp_path: Path) -> Iterator[Serve]:
    """Serves a shop with the owner's page; gives a client that is let in. All of it ends with the test."""
    with serving_all(login, workers, tmp_path) as start:
        yield start


@contextmanager
def serving_all(login: Path, workers: DecodeWorkers, folder: Path) -> Iterator[Serve]:
    """What `serve` gives."""
    with ExitStack() as stack:

        def start(shop: Path) -> httpx.Client:
            config = ServeConfig(store=shop / "store", device="cpu", poll_seconds=0.1, login=login, admin=True)
            service = SearchService.open(config.store, device="cpu", decode=workers.decode)
            uploads = stack.enter_context(Uploads(parent=folder))
            app = create_app(service, uploads=uploads, config=config, decode=workers.decode)
            url = stack.enter_context(ServerThread(app))
            return stack.enter_context(httpx.Client(base_url=url, auth=LOGIN, timeout=60))

        yield start


@pytest.fixture(scope="module")
def client(
    shop: Path, login: Path, workers: DecodeWorkers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Asks one server for all tests that change nothing and start no job."""
    with serving_all(login, workers, tmp_path_factory.mktemp("uploads")) as start:
        yield start(shop)


def wait_for(read: Callable[[], Any], is_there: Callable[[Any], bool]) -> Any:
    """What `read()` gives as soon as it is what is waited for."""
    deadline, pause = monotonic() + PATIENCE, threading.Event()
    while not is_there(value := read()):
        assert monotonic() < deadline, value
        pause.wait(0.05)
    return value


def ended(client: httpx.Client) -> dict[str, Any]:
    """The job, as soon as it no longer runs."""
    job: dict[str, Any] = wait_for(lambda: client.get("/api/admin/jobs").json(), lambda job: job["state"] != "running")
    return job


def start(client: httpx.Client, job: str) -> httpx.Response:
    return client.post("/api/admin/jobs", json={"job": job})


def admin_paths(shop: Path) -> list[tuple[str, str]]:
    """Method and path of each route, with values that would be found."""
    config = ServeConfig(store=shop / "store", login=Path("unread"), admin=True)
    service = SearchService.open(config.store, device="cpu")
    values = {"{row}": "0", "{name}": "second", "{picture}": "answers.png"}
    paths = []
    for route in admin.routes(service, decode=no_decoder, config=config).routes:
        assert isinstance(route, APIRoute) and route.methods
        path = re.sub(r"\{\w+\}", lambda found: values[found[0]], route.path)
        paths += [(method, path) for method in route.methods]
    return paths


def no_decoder(photo: bytes, fit: int | None) -> Image.Image:
    raise AssertionError("nothing is decoded here")


def test_it_must_come_with_a_login(login: Path) -> None:
    with pytest.raises(UsageError, match="--admin must come with --login") as refused:
        ServeConfig(admin=True)
    assert "\n" not in str(refused.value)
    assert ServeConfig(admin=True, login=login).admin


def test_without_admin_nothing_of_it_exists(
    shop: Path, login: Path, url: str, workers: DecodeWorkers, tmp_path: Path
) -> None:
    paths = admin_paths(shop)
    assert len(paths) >= 12 and ("GET", "/admin") in paths
    for method, path in paths:  # `url` serves without --login and --admin
        assert httpx.request(method, f"{url}{path}").status_code == 404, path
    config = ServeConfig(store=shop / "store", device="cpu", login=login)
    service = SearchService.open(config.store, device="cpu", decode=workers.decode)
    with Uploads(parent=tmp_path) as uploads, ServerThread(create_app(service, uploads=uploads, config=config)) as own:
        for method, path in paths:
            assert httpx.request(method, f"{own}{path}", auth=LOGIN).status_code == 404, path


def test_without_the_login_nothing_of_it_is_told(shop: Path, client: httpx.Client) -> None:
    with httpx.Client(base_url=client.base_url) as stranger:
        for method, path in admin_paths(shop):
            for auth in (None, (LOGIN[0], "wrong horse")):
                response = stranger.request(method, path, auth=auth)
                assert response.status_code == 401 and response.json()["code"] == "login-needed", path
    assert client.get("/api/admin/jobs").json() is None  # no request of theirs did anything
    assert current_id(Store(shop / "store")) == client.get("/api/admin/status").json()["in_use"]


def test_another_site_cannot_start_anything(client: httpx.Client) -> None:
    response = client.post("/api/admin/jobs", json={"job": "sync"}, headers={"Origin": "https://evil.example"})
    assert response.status_code == 403 and client.get("/api/admin/jobs").json() is None


def test_status_says_what_is_in_use(shop: Path, client: httpx.Client) -> None:
    response = client.get("/api/admin/status")
    assert response.headers["cache-control"] == "no-store"
    status = response.json()
    older, newer = (folder.name for folder in version_folders(Store(shop / "store")))
    assert (status["photos"], status["products"], status["left_out"]) == (PHOTOS + 1, PHOTOS + 1, 1)
    assert status["in_use"] == status["serving"] == newer and not status["behind"]
    assert [version["id"] for version in status["versions"]] == [newer, older]
    used = status["versions"][0]
    assert used["in_use"] and not status["versions"][1]["in_use"]
    assert used["encoder"] == "seed-1" and used["photos"] == PHOTOS + 1 and used["recall"] == 1


def test_a_damaged_version_is_named_and_the_others_are_told(own_shop: Path, serve: Serve) -> None:
    older, _ = version_folders(Store(own_shop / "store"))
    client = serve(own_shop)
    (older / "version.json").write_text("{")
    damaged = client.get("/api/admin/status").json()["versions"][1]
    assert damaged["id"] == older.name and "version.json" in damaged["problem"] and damaged["photos"] is None
    refused = client.post("/api/admin/rollback", json={"version": older.name})
    assert refused.status_code == 409 and refused.json()["code"] == "version-refused"


def test_a_sync_takes_a_new_photo_into_use(own_shop: Path, serve: Serve) -> None:
    client = serve(own_shop)
    before = client.get("/api/admin/status").json()
    (own_shop / "photos" / "new.jpg").write_bytes(draw_photo(20))
    begun = start(client, "sync")
    assert begun.status_code == 202 and begun.json()["state"] == "running" and begun.json()["exit_code"] is None
    again = start(client, "index")
    assert again.status_code == 409 and again.json()["code"] == "job-conflict"
    done = ended(client)
    assert done["job"] == "sync" and done["state"] == "finished" and done["exit_code"] == 3  # the damaged photo
    assert any("in use" in line for line in done["lines"])
    assert done["progress"]["percent"] == 100
    after = wait_for(
        lambda: client.get("/api/admin/status").json(), lambda status: status["serving"] != before["serving"]
    )
    assert after["serving"] == after["in_use"] and after["photos"] == before["photos"] + 1
    answer = client.post("/api/search", files={"photo": draw_photo(20)}).json()
    assert answer["matches"][0]["path"] == "new.jpg"


def test_a_rebuild_that_is_refused_says_why(own_shop: Path, serve: Serve) -> None:
    shutil.rmtree(own_shop / "store" / "runs")
    client = serve(own_shop)
    start(client, "index")
    failed = ended(client)
    assert failed["state"] == "failed" and failed["exit_code"] == 1
    assert "no finished training run" in failed["lines"][-1]


def test_a_job_is_stopped_when_told_and_the_version_in_use_stays(own_shop: Path, serve: Serve) -> None:
    client = serve(own_shop)
    before = client.get("/api/admin/status").json()["in_use"]
    assert client.delete("/api/admin/jobs").status_code == 409
    start(client, "index")
    assert client.delete("/api/admin/jobs").status_code == 202
    assert ended(client)["state"] == "stopped"
    assert client.get("/api/admin/status").json()["in_use"] == before
    assert client.delete("/api/admin/jobs").status_code == 409


def test_nothing_is_started_while_another_process_writes(own_shop: Path, serve: Serve) -> None:
    client = serve(own_shop)
    older, _ = version_folders(Store(own_shop / "store"))
    with Store(own_shop / "store").writing("lookalike train"):
        for response in (start(client, "sync"), client.post("/api/admin/rollback", json={"version": older.name})):
            assert response.status_code == 409 and response.json()["code"] == "store-busy"
            assert str(own_shop) not in response.text
    assert client.get("/api/admin/jobs").json() is None


def test_a_job_ends_with_the_server(
    own_shop: Path, login: Path, workers: DecodeWorkers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = children(monkeypatch)
    with serving_all(login, workers, tmp_path) as serve:
        start(serve(own_shop), "sync")
        assert started[0].poll() is None
    assert started[0].poll() is not None


def test_rollback_puts_the_earlier_version_back(own_shop: Path, serve: Serve) -> None:
    client = serve(own_shop)
    older, newer = (folder.name for folder in version_folders(Store(own_shop / "store")))
    assert client.post("/api/admin/rollback", json={"version": older}).json()["in_use"] == older
    wait_for(lambda: client.get("/api/admin/status").json()["serving"], lambda serving: serving == older)
    assert client.post("/api/search", files={"photo": draw_photo(1)}).json()["version"] == older
    assert client.post("/api/admin/rollback", json={"version": newer}).json()["in_use"] == newer
    for wrong in ("", "../store", "9999-00000000"):
        assert client.post("/api/admin/rollback", json={"version": wrong}).status_code == 422
    assert client.get("/api/admin/status").json()["in_use"] == newer


def test_the_quarantine_says_why_and_shows_what_can_be_shown(own_shop: Path, serve: Serve) -> None:
    client = serve(own_shop)
    (file,) = client.get("/api/admin/quarantine").json()["files"]
    assert (file["path"], file["code"]) == (DAMAGED, "truncated") and "ends before the picture does" in file["reason"]
    picture = f"/api/admin/quarantine/{file['row']}/picture"
    assert client.get(picture).status_code == 204
    (own_shop / "photos" / DAMAGED).write_bytes(draw_photo(2))  # mended since
    shown = client.get(picture)
    assert shown.headers["content-type"] == "image/webp"
    assert Image.open(BytesIO(shown.content)).size == (240, 240)
    for row in ("1", "-1", str(10**30)):
        assert client.get(f"/api/admin/quarantine/{row}/picture").status_code == 404
    assert client.get("/api/admin/quarantine", params={"offset": 1}).json() == {"total": 1, "files": []}


def test_no_file_outside_the_catalog_is_shown(own_shop: Path, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(draw_photo(1))
    (own_shop / "photos" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    scan(ScanConfig(catalog=own_shop / "photos", store=own_shop / "store"))
    with (own_shop / "store" / "quarantine.csv").open("a") as table:
        table.write("../../secret.jpg,x,x\n/etc/passwd,x,x\n")
    client = serve(own_shop)
    files = client.get("/api/admin/quarantine").json()["files"]
    assert {"link.jpg", "../../secret.jpg", "/etc/passwd"} <= {file["path"] for file in files}
    for file in files:
        assert client.get(f"/api/admin/quarantine/{file['row']}/picture").status_code == 204


def test_runs_with_their_curves_and_pictures(client: httpx.Client) -> None:
    newest, _ = client.get("/api/admin/runs").json()
    assert newest["name"] == "second" and newest["state"] == "finished" and newest["pictures"] == ["answers.png"]
    assert newest["figures"] == {"steps": 10, "loss": 3.5}
    curves = client.get("/api/admin/runs/second/curves").json()
    assert curves == [{"name": "loss", "steps": [5, 10], "values": [4.5, 3.5]}]
    picture = client.get("/api/admin/runs/second/pictures/answers.png")
    assert picture.headers["content-type"] == "image/png" and Image.open(BytesIO(picture.content)).size == (40, 30)
    for path in (
        "second/pictures/config.json",
        "second/pictures/checkpoint.safetensors",
        "second/pictures/..%2Fsecond%2Fanswers.png",
        "second/pictures/confusion.png",
        "..%2Fruns%2Fsecond/pictures/answers.png",
        "third/pictures/answers.png",
        "third/curves",
        "../curves",
    ):
        assert client.get(f"/api/admin/runs/{path}").status_code == 404, path


def test_duplicates_are_looked_for_and_shown(shop: Path, serve: Serve) -> None:
    client = serve(shop)
    assert client.get("/api/admin/duplicates").json() == {"looked": None, "total": 0, "groups": []}
    start(client, "duplicates")
    assert ended(client)["state"] == "finished"
    found = client.get("/api/admin/duplicates").json()
    assert found["looked"]["job"] == "duplicates" and found["total"] == len(found["groups"]) == 1
    (group,) = found["groups"]
    assert group["kind"] == "identical"
    assert {member["path"] for member in group["members"]} == {"03.jpg", "twice.jpg"}
    for member in group["members"]:
        assert client.get(member["media"]).headers["content-type"] == "image/webp"
    assert client.get("/api/admin/duplicates", params={"offset": 1}).json()["groups"] == []


def test_two_versions_are_compared_by_a_product_and_by_a_photo(own_shop: Path, serve: Serve) -> None:
    client = serve(own_shop)
    older, newer = (folder.name for folder in version_folders(Store(own_shop / "store")))
    (product,) = [
        item for item in Manifest.read(own_shop / "store" / "manifest.parquet").items() if item.path == "05.jpg"
    ]
    told = client.post("/api/admin/compare", json={"versions": [older, newer], "product": product.item_id, "k": 4})
    found = told.json()
    assert found["product"]["path"] == "05.jpg" and (found["first"]["version"], found["second"]["version"]) == (
        older,
        newer,
    )
    first, second = (
        {place["match"]["path"]: place for place in found[side]["matches"]} for side in ("first", "second")
    )
    assert len(first) == len(second) == 4 and "05.jpg" not in first
    assert found["in_both"] == len(first.keys() & second.keys())
    for one, other in ((first, second), (second, first)):
        for path, place in one.items():
            assert place["other_rank"] == (other[path]["match"]["rank"] if path in other else None)
    form: dict[str, Any] = {"versions": [older, newer], "k": "3"}
    by_photo = client.post("/api/admin/compare", data=form, files={"photo": ("mine.jpg", draw_photo(7))}).json()
    assert by_photo["query"] == "mine.jpg" and by_photo["product"] is None
    for side, version in (("first", older), ("second", newer)):
        answer = by_photo[side]
        assert answer["version"] == version
        assert answer["matches"][0]["match"]["path"] == "07.jpg" and len(answer["matches"]) == 3
    client.post("/api/admin/rollback", json={"version": older})
    wait_for(lambda: client.get("/api/admin/status").json()["serving"], lambda serving: serving == older)
    again = client.post("/api/admin/compare", json={"versions": [older, newer], "product": product.item_id, "k": 4})
    assert again.json() == found


@pytest.mark.parametrize(
    "asked",
    [
        {"versions": ["9999-00000000", "9999-00000000"], "product": "05.jpg"},
        {"versions": ["../store", ".."], "product": "05.jpg"},
        {"versions": ["one"], "product": "05.jpg"},
        {"versions": [], "product": "05.jpg"},
        {"product": "05.jpg"},
        {"path": "/etc/passwd"},
        [],
    ],
)
def test_what_cannot_be_compared_is_refused(client: httpx.Client, asked: object) -> None:
    response = client.post("/api/admin/compare", json=asked)
    assert response.status_code == 422 and response.headers["content-type"] == "application/problem+json"


def test_a_comparison_needs_something_to_ask_with(shop: Path, client: httpx.Client) -> None:
    versions = [folder.name for folder in version_folders(Store(shop / "store"))]
    for further in ({}, {"product": "nothing is called this"}, {"product": "05.jpg", "k": 0}):
        assert client.post("/api/admin/compare", json={"versions": versions, **further}).status_code == 422
    text = client.post("/api/admin/compare", data={"versions": versions}, files={"photo": b"just some text"})
    assert text.status_code == 422 and text.json()["code"] == "unsupported-format"


# In the browser.

Visit = Callable[[httpx.Client], Page]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens the owner's page. Afterwards: no page error, no console error, and nothing asked of another machine."""
    troubles: list[str] = []
    context = browser.new_context(
        viewport={"width": 1200, "height": 900}, http_credentials={"username": LOGIN[0], "password": LOGIN[1]}
    )

    def open_page(client: httpx.Client) -> Page:
        url = str(client.base_url).rstrip("/")
        own = (f"{url}/", f"blob:{url}/", "data:")
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: troubles.append(f"page error: {error}"))
        page.on("console", lambda said: troubles.append(said.text) if said.type in ("error", "warning") else None)
        page.on("request", lambda sent: None if sent.url.startswith(own) else troubles.append(f"left: {sent.url}"))
        page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        page.goto(f"{url}/admin")
        page.locator("html[data-ready]").wait_for()
        return page

    yield open_page
    context.close()
    assert troubles == []


def children(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[str]]:
    """The processes of the jobs that are started from now on."""
    started: list[subprocess.Popen[str]] = []

    class Watched(admin_jobs._Job):
        def __init__(self, name: admin_jobs.JobName, command: list[str]) -> None:
            super().__init__(name, command)
            started.append(self._process)

    monkeypatch.setattr(admin_jobs, "_Job", Watched)
    return started


def test_the_page_shows_the_store_and_goes_back_to_an_earlier_version(
    own_shop: Path, serve: Serve, visit: Visit
) -> None:
    client = serve(own_shop)
    older, newer = (folder.name for folder in version_folders(Store(own_shop / "store")))
    page = visit(client)
    store = page.locator("#store")
    expect(store).to_contain_text(newer)
    expect(store).to_contain_text("seed-1")
    expect(page.locator("#versions li")).to_have_count(2)
    left_out = page.locator("#quarantine li")
    expect(left_out).to_have_count(1)
    expect(left_out).to_contain_text(DAMAGED)
    expect(left_out).to_contain_text("ends before the picture does")
    left_out.scroll_into_view_if_needed()
    expect(left_out.locator(".frame")).to_have_class("frame missing")
    page.get_by_role("button", name=f"Use version {older}").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Use version {older}?")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(store.locator("dd").first).to_have_text(newer)
    page.get_by_role("button", name=f"Use version {older}").click()
    dialog.get_by_role("button", name="Use it").click()
    expect(store.locator("dd").first).to_have_text(older)
    expect(store.locator(".note")).to_be_hidden()  # once the server has taken it into use
    assert client.get("/api/admin/status").json()["serving"] == older


def test_a_job_is_still_there_after_a_reload(
    own_shop: Path, serve: Serve, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = children(monkeypatch)
    (own_shop / "photos" / "new.jpg").write_bytes(draw_photo(20))
    page = visit(serve(own_shop))
    expect(page.locator(".job")).to_be_hidden()
    page.get_by_role("button", name="Take in changes").click()
    headline = page.locator(".job h3")
    expect(headline).to_have_text("Taking in changes")
    started[0].send_signal(signal.SIGSTOP)  # so that it is certainly not done before the page is there again
    page.reload()
    expect(headline).to_have_text("Taking in changes")
    expect(page.get_by_role("button", name="Rebuild the index")).to_be_disabled()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    started[0].send_signal(signal.SIGCONT)
    expect(headline).to_have_text("Taking in changes: done", timeout=PATIENCE * 1000)
    expect(page.locator(".job pre")).to_contain_text("in use: +1")
    expect(page.locator("#store dl")).to_contain_text(str(PHOTOS + 2))
    expect(page.get_by_role("button", name="Rebuild the index")).to_be_enabled()
    page.reload()
    expect(headline).to_have_text("Taking in changes: done")


def test_a_job_is_stopped_from_the_page(own_shop: Path, serve: Serve, visit: Visit) -> None:
    page = visit(serve(own_shop))
    page.get_by_role("button", name="Rebuild the index").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".job h3")).to_have_text("Rebuilding the index: stopped", timeout=PATIENCE * 1000)


def test_two_versions_side_by_side(shop: Path, client: httpx.Client, visit: Visit) -> None:
    page = visit(client)
    older, newer = (folder.name for folder in version_folders(Store(shop / "store")))
    section = page.locator("#compare")
    before, after = section.locator("select").all()
    expect(before).to_have_value(older)
    expect(after).to_have_value(newer)
    section.get_by_role("combobox", name="Find a product").fill("05.jpg")
    section.locator(".lookup .option").first.click()
    columns = section.locator(".columns section")
    expect(columns.nth(0).locator("li")).to_have_count(10)
    expect(columns.nth(0).locator("h3")).to_have_text(f"Before: {older}")
    expect(columns.nth(1).locator("h3")).to_have_text(f"After: {newer}")
    expect(section.locator(".asked-of-two")).to_contain_text("05.jpg: 10 of 10 products in both answers")
    moves = columns.nth(1).locator(".move").all_inner_texts()
    assert len(moves) == 10 and all(re.fullmatch(r"same place|▲ up \d+|▼ down \d+", move) for move in moves)
    section.locator("input[type=file]").set_input_files(
        {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": draw_photo(7)}
    )
    expect(section.locator(".asked-of-two")).to_contain_text("mine.jpg")
    expect(columns.nth(1).locator("li").first).to_contain_text("07.jpg")
    before.select_option(newer)
    expect(columns.nth(0).locator("h3")).to_have_text(f"Before: {newer}")
    assert set(columns.nth(1).locator(".move").all_inner_texts()) == {"same place"}


def test_runs_and_duplicates_on_the_page(shop: Path, serve: Serve, visit: Visit) -> None:
    page = visit(serve(shop))
    run = page.locator("#runs details").first
    run.locator("summary").click()
    expect(run.get_by_role("img", name="Loss over 10 steps: from 4.50 to 3.50")).to_be_visible()
    picture = run.get_by_role("img", name="Queries and their nearest photos")
    picture.scroll_into_view_if_needed()
    wait_for(lambda: picture.evaluate("image => image.naturalWidth"), lambda width: width == 40)
    page.get_by_role("button", name="Look for duplicates").click()
    group = page.locator("#duplicates .group")
    expect(group).to_have_count(1, timeout=PATIENCE * 1000)
    expect(group).to_contain_text("Identical: 2 photos")
    expect(group.locator("li")).to_have_count(2)
    expect(group.locator("img.there")).to_have_count(2)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (820, "dark"), (1440, "light"), (1440, "dark")])
def test_everyone_can_read_and_reach_it(
    shop: Path, client: httpx.Client, visit: Visit, width: int, scheme: Literal["light", "dark"]
) -> None:
    page = visit(client)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    expect(page.locator("html.dark")).to_have_count(int(scheme == "dark"))
    page.locator("#runs summary").first.press("Enter")
    expect(page.locator("#runs .curves svg").first).to_be_visible()
    page.locator("#compare .lookup input").fill("05.jpg")
    expect(page.locator("#compare .lookup .option").first).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#compare .columns li")).to_have_count(20)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    assert [(one["id"], one["nodes"][0]["html"]) for one in found.response["violations"]] == []


def test_hostile_text_is_only_text(store: Path, tmp_path: Path, serve: Serve, visit: Visit) -> None:
    own = tmp_path / "hostile"
    shutil.copytree(store, own / "store")
    with (own / "store" / "quarantine.csv").open("a", encoding="utf-8") as table:
        table.write("<img src=x onerror=alert(1)>.jpg,<b>code</b>,<script>alert(1)</script>\n")
    page = visit(serve(own))
    expect(page.locator("#quarantine li .name")).to_have_text("<img src=x onerror=alert(1)>.jpg")
    expect(page.locator("#quarantine li")).to_contain_text("<script>alert(1)</script>")
    section = page.locator("#compare")
    section.get_by_role("combobox", name="Find a product").fill("00.jpg")
    section.locator(".lookup .option").first.click()
    expect(section.locator(".asked-of-two")).to_contain_text(HOSTILE_TITLES[0])
    assert page.title() == "Lookalike: admin"
