"""Two writers, a reader and a writer: the second writer is told who the first is, a killed one lets go, and readers go
on meanwhile."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog.command_line import main
from catalog.config import ScanConfig
from catalog.errors import StoreBusy, StoreError
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from search.service import SearchService
from tests.conftest import draw_photo
from tests.small_run import leave_run
from ui.commands import ALL_COMMANDS

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from catalog.store import Store
with Store(Path(sys.argv[1])).writing("lookalike train"):
    print("held", flush=True)
    sys.stdin.read()
"""
PUBLISHES, SHORT_PUBLISHES = 30, 2


@contextmanager
def holder(store: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes to the store, until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    photos, store = tmp_path / "photos", tmp_path / "store"
    photos.mkdir()
    for number in range(6):  # fewer than the gate measures anything with
        draw_photo(number).save(photos / f"{number}.png")
    scan(ScanConfig(catalog=photos, store=store))
    leave_run(Store(store), "one")
    index(store)
    return store


def index(store: Path) -> str:
    return build_version(IndexConfig(store=store, device="cpu")).version.id


def lookalike(*arguments: str | Path, store: Path) -> int:
    return main(ALL_COMMANDS, "lookalike", [*map(str, arguments), "--store", str(store)])


def writers(store: Path) -> list[list[str]]:
    photos = str(store.parent / "photos")
    return [["scan", photos], ["train"], ["evaluate"], ["index"], ["sync"], ["rollback"], ["prune"]]


def test_the_second_writer_is_told_who_the_first_is(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with holder(store) as first:
        who = f'"lookalike train" (process {first.pid} on {socket.gethostname()})'
        for command in writers(store):
            assert lookalike(*command, store=store) == 1, command
            told = capsys.readouterr().err
            assert who in told and told.count("\n") == 1, told


def test_readers_go_on_while_another_process_writes(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = store.parent / "photos" / "3.png"
    with holder(store):
        for command in (["search", query, "--device", "cpu"], ["status"], ["versions"], ["runs"]):
            assert lookalike(*command, store=store) == 0, capsys.readouterr().err


def test_kill_9_lets_go(store: Path) -> None:
    with holder(store) as first:
        with pytest.raises(StoreBusy):
            index(store)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert index(store).startswith("0002-")


def test_a_reader_beside_a_writer_always_has_an_answer(store: Path, long: bool) -> None:
    """Versions are published by another process, while this one opens the store anew for each question."""
    command = [sys.executable, "-m", "index", "index", "--store", str(store), "--device", "cpu"]
    photo = (store.parent / "photos" / "3.png").read_bytes()
    ended = threading.Event()
    failures: list[str] = []

    def publish() -> None:
        for _ in range(PUBLISHES if long else SHORT_PUBLISHES):
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            if done.returncode:
                failures.append(done.stderr)
        ended.set()

    writer = threading.Thread(target=publish)
    writer.start()
    versions: set[str] = set()
    while not ended.is_set():
        answer = SearchService.open(store, device="cpu").search(photo)
        assert answer.matches[0].item.path == "3.png"
        versions.add(answer.version)
    writer.join()
    assert not failures and len(versions) > 1


@pytest.mark.parametrize("made_anew", [False, True])
def test_a_lock_that_was_removed_meanwhile_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_anew: bool
) -> None:
    """Another process's first command fails just when this one has opened the lock: both would hold a lock."""
    store, lock = Store(tmp_path / "store"), fcntl.flock

    def after_its_removal(descriptor: int, how: int) -> None:
        monkeypatch.undo()
        store.lock_file.unlink()
        store.root.rmdir()
        if made_anew:  # by a third
            store.root.mkdir()
            store.lock_file.touch()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", after_its_removal)
    with store.writing("lookalike scan"), pytest.raises(StoreBusy, match="lookalike scan"):
        with Store(store.root).writing("lookalike index"):
            pass


def test_a_place_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(StoreError, match="put it on a local disk"):
        with Store(tmp_path / "store").writing("lookalike scan"):
            pass
