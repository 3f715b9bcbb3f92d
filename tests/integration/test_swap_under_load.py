"""New versions while people search: no failed answer, none that mixes two versions, each names its version."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from catalog.store import Store
from index.build import build_version
from index.colour_weights import DEFAULT_COLOUR
from index.config import IndexConfig
from index.loading import load_version
from search.snapshot import Snapshot
from tests.conftest import DrawPhotos, draw_photo
from tests.small_run import leave_run

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("LOOKALIKE_SWAP_ROUNDS", "20"))
CLIENTS = 4
K = 5


@pytest.fixture
def store(draw_photos: DrawPhotos, tmp_path: Path) -> Store:
    from catalog.config import ScanConfig
    from catalog.scan import scan

    root = tmp_path / "store"
    scan(ScanConfig(catalog=draw_photos(30), store=root))
    store = Store.open(root)
    leave_run(store, "one")
    leave_run(store, "two", seed=1)
    build_version(IndexConfig(store=root, device="cpu", run="one"))
    return store


@pytest.fixture
def address(store: Store) -> Iterator[str]:
    """A real `lookalike serve` on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ui", "serve", "--store", str(store.root), "--port", "0", "--device", "cpu"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.search(r"http://[\d.:]+", said)
    assert found, said
    try:
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 143


def test_twenty_versions_under_four_clients(store: Store, address: str) -> None:
    photo = store.root.parent / "query.png"
    draw_photo(7).rotate(5).save(photo)
    answers: list[tuple[str, tuple[tuple[str, float], ...]]] = []
    failures: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=address, timeout=30) as client:
            while not stop.is_set():
                response = client.post("/api/search", files={"photo": photo.read_bytes()}, data={"k": str(K)})
                if response.status_code != 200:
                    failures.append(response.text)
                    return
                body = response.json()
                matches = tuple((match["path"], match["similarity"]) for match in body["matches"])
                answers.append((body["version"], matches))

    def wait_until_answered_by(version: str) -> float:
        begun = time.monotonic()
        while time.monotonic() - begun < 60 and not failures:
            if answers and answers[-1][0] == version:
                return time.monotonic() - begun
            time.sleep(0.02)
        raise AssertionError(f"{version} was never answered with: {failures}")

    with httpx.Client(base_url=address, timeout=60) as client:
        while client.get("/readyz").text.strip() != "ready":
            time.sleep(0.1)
    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client_thread in clients:
        client_thread.start()
    expected: dict[str, tuple[tuple[str, float], ...]] = {}
    delays = []
    try:
        for number in range(ROUNDS):
            run = "two" if number % 3 == 0 else "one"
            version = build_version(IndexConfig(store=store.root, device="cpu", run=run)).version
            snapshot = Snapshot(load_version(store.versions_dir / version.id, "cpu"))
            expected[version.id] = _answer(snapshot, photo)
            delays.append(wait_until_answered_by(version.id))
    finally:
        stop.set()
        for client_thread in clients:
            client_thread.join(timeout=60)
    assert not failures
    assert len(expected) == ROUNDS
    assert max(delays) < 5
    checked = 0
    for version_id, matches in answers:
        if version_id in expected:  # the first version was built before the clients came
            checked += 1
            paths = [path for path, _ in matches]
            assert paths == [path for path, _ in expected[version_id]], (matches, expected[version_id])
            for (_, similarity), (_, other) in zip(matches, expected[version_id], strict=True):
                assert similarity == pytest.approx(other, abs=1e-4)
    assert checked >= ROUNDS
    print(f"{len(answers)} answers, {ROUNDS} versions, slowest swap {max(delays):.1f} s")


def _answer(snapshot: Snapshot, photo: Path) -> tuple[tuple[str, float], ...]:
    """What a version must answer, asked without the server."""
    from catalog.image import decode_upload

    embedder = snapshot.loaded.embedder
    image = decode_upload(photo.read_bytes(), embedder.decode_size)
    query = snapshot.weighed(snapshot.encode([embedder.prepare(image)]), DEFAULT_COLOUR)
    (matches,) = snapshot.nearest_products(query, K)
    return tuple((match.item.path, match.similarity) for match in matches)
