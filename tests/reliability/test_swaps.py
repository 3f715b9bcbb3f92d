"""Swapping drops nothing: new versions come into use while people search, and no answer fails or mixes two of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.image import decode_upload
from index.build import build_version
from index.colour_weights import DEFAULT_COLOUR
from index.config import IndexConfig
from index.loading import load_version
from search.snapshot import Snapshot
from tests.reliability.served import served, small_store, wait_until
from tests.ui.conftest import draw_photo

CLIENTS = 16
K = 5
PHOTO = draw_photo(7, kind="PNG")

Matches = tuple[tuple[str, float], ...]
"""Paths and similarities of an answer."""


class Client(threading.Thread):
    """Asks the same again and again until it is told to stop, or something goes wrong.

    Attributes:
        answers: the different ones of each version.
        count: how many there were.
        failure: what went wrong; empty where nothing did.
    """

    def __init__(self, url: str, stop: threading.Event) -> None:
        super().__init__()
        self.url, self.stop = url, stop
        self.answers: dict[str, set[Matches]] = {}
        self.count = 0
        self.failure = ""

    def run(self) -> None:
        """Ask."""
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self.stop.is_set():
                try:
                    response = client.post("/api/search", files={"photo": PHOTO}, data={"k": str(K)})
                except httpx.HTTPError as error:
                    self.failure = repr(error)
                    return
                if response.status_code != 200:
                    self.failure = response.text
                    return
                body = response.json()
                matches = tuple((match["path"], round(match["similarity"], 4)) for match in body["matches"])
                self.answers.setdefault(body["version"], set()).add(matches)
                self.count += 1


def test_no_answer_is_lost_or_mixed_while_versions_change(
    tmp_path: Path, long: bool, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    rounds = 200 if long else 4
    store = small_store(tmp_path / "catalog", encoder="small")
    stop = threading.Event()
    expected: dict[str, Matches] = {}
    delays: list[float] = []
    memory: list[int] = []
    with served(store, tmp_path, "--poll-seconds", "0.2") as server:
        clients = [Client(server.url, stop) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for number in range(rounds):
                run = ("two", "one", "one")[number % 3]
                built = build_version(IndexConfig(store=store, device="cpu", run=run, force=True)).version.id
                expected[built] = _answer(Snapshot(load_version(store / "versions" / built, "cpu")))
                delays.append(wait_until(partial(_everyone_has, clients, built)))
                memory.append(server.memory())
        finally:
            stop.set()
            for client in clients:
                client.join()
    assert [client.failure for client in clients] == [""] * CLIENTS
    assert len(expected) == rounds and len(set(expected.values())) > 1
    for client in clients:
        for version, answers in client.answers.items():
            if version in expected:  # all but the first, which was there before
                (matches,) = answers
                assert [path for path, _ in matches] == [path for path, _ in expected[version]]
                assert [similarity for _, similarity in matches] == pytest.approx(
                    [similarity for _, similarity in expected[version]], abs=2e-4
                )
    warm = max(memory[: len(memory) // 4 or 1])
    figures = {
        "swaps": rounds,
        "clients": CLIENTS,
        "answers": sum(client.count for client in clients),
        "failed": 0,
        "mixed": 0,
        "slowest_until_everyone_had_the_new_version_s": round(max(delays), 2),
        "memory_after_a_quarter_mb": round(warm / 2**20, 1),
        "memory_at_the_end_mb": round(memory[-1] / 2**20, 1),
    }
    record_figures("swaps", figures)
    print(figures)
    assert memory[-1] <= 1.05 * warm + (0 if long else 50 * 2**20)


def _everyone_has(clients: list[Client], version: str) -> bool:
    assert not any(client.failure for client in clients), [client.failure for client in clients]
    return all(version in client.answers for client in clients)


def _answer(snapshot: Snapshot) -> Matches:
    """What a version must answer, asked without the server."""
    embedder = snapshot.loaded.embedder
    image = decode_upload(PHOTO, embedder.decode_size)
    query = snapshot.weighed(snapshot.encode([embedder.prepare(image)]), DEFAULT_COLOUR)
    (matches,) = snapshot.nearest_products(query, K)
    return tuple((match.item.path, round(match.similarity, 4)) for match in matches)
