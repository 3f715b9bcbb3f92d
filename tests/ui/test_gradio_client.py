"""Gradio's own client asks the page's server as it asks any other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.question import Question
from search.service import SearchService

os.environ["HF_HUB_OFFLINE"] = "1"  # the client would look for a hub
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError


@pytest.fixture(scope="module")
def client(store: Path) -> Iterator[Client]:
    """A client of a server in a process of its own: Gradio knows one folder of uploads per process."""
    line = [sys.executable, "-m", "ui", "serve", "--store", str(store), "--port", "0", "--device", "cpu"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield Client(server.stdout.readline().split()[1], verbose=False)  # Open <address> (…
        server.terminate()


def test_a_photo_is_searched_with(client: Client, photo: bytes, service: SearchService, tmp_path: Path) -> None:
    (tmp_path / "mine.png").write_bytes(photo)
    question = {"k": 3, "where": "price < 9", "colour": 0.4}
    told = client.predict(handle_file(tmp_path / "mine.png"), question, api_name="/search")
    expected = service.search(photo, Question(k=3, where="price < 9", colour=0.4))
    assert [match["image_id"] for match in told["matches"]] == [match.item.image_id for match in expected.matches]
    assert told["version"] == expected.version


def test_what_cannot_be_answered_is_said_in_words(client: Client, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_bytes(b"just some text")
    with pytest.raises(AppError, match="a photo must be JPEG, PNG"):
        client.predict(handle_file(tmp_path / "text.jpg"), {}, api_name="/search")
    with pytest.raises(AppError, match="k: Input should be"):
        client.predict(handle_file(tmp_path / "text.jpg"), {"k": 0}, api_name="/search")


def test_nothing_of_the_server_is_read_by_a_path(client: Client, store: Path) -> None:
    """A path that the client makes up names no upload."""
    for secret in (store / "manifest.parquet", Path("/etc/passwd"), Path("05.jpg")):
        with pytest.raises(AppError, match="this photo is no longer on the server"):
            client.predict({"path": str(secret)}, {}, api_name="/search")
