"""A version is whole or not there: a disk that is full or fails at any call of a publish, once or from then on, ends
it with one line; exactly the version before or the new one is served; the next publish works and leaves nothing behind.
"""

from __future__ import annotations

import errno
import itertools
import math
import os
import random
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from catalog.command_line import main
from tests.reliability.file_operations import LARGE, Operation, Watch
from tests.reliability.test_publish_crash import Publish, answer, files_of, publish, run, served
from ui.commands import ALL_COMMANDS

KINDS = ("index", "sync", "first")
CALLS = ("open", "create", "write", "truncate", "fsync", "mkdir", "rename")
ERRORS = (errno.ENOSPC, errno.EIO)
SHORT_CASES = 6


@pytest.fixture(scope="module", params=KINDS)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Publish:
    return publish(tmp_path_factory.mktemp("publish"), request.param)


class Refusal:
    """Refuses one of the CALLS, by its number, or all from there on; keeps them."""

    def __init__(self, first: float, error: int = 0, *, lasting: bool = False) -> None:
        self._first, self._error, self._lasting = first, error, lasting
        self.calls: list[Operation] = []

    def __call__(self, operation: Operation) -> None:
        if operation.kind in CALLS:
            number = len(self.calls)
            self.calls.append(operation)
            if number == self._first or (self._lasting and number > self._first):
                raise OSError(self._error, os.strerror(self._error), operation.path)


def copied(store: Path, folder: Path) -> Path:
    """A store like it; encoders, which are never written in place, are linked."""

    def copy(source: str, target: str) -> None:
        (os.link if os.path.getsize(source) >= LARGE else shutil.copyfile)(source, target)

    return Path(shutil.copytree(store, folder, copy_function=copy))


def publish_command(kind: str, store: Path) -> int:
    """As it is typed; returns the exit code."""
    return main(
        ALL_COMMANDS,
        "lookalike",
        [kind.replace("first", "index"), "--store", str(store), "--device", "cpu", "--keep", "1"],
    )


def check_after(published: Publish, store: Path, code: int, told: str, where: str) -> None:
    """One line, exactly the old or the new, and the next publish as if nothing had been."""
    found = served(store, published.photo)
    assert code in (0, 1), where
    if code:
        assert told.count("\n") == 1 and told.startswith("lookalike: "), (where, told)
        assert found in (published.before, published.after), (where, told)
        assert found == published.before or "the version in use stays" not in told, (where, told)
    else:
        assert found == published.after, where
    run(published.kind, store)
    assert answer(store, published.photo)[1] == published.after[1], where
    assert files_of(store) == published.files, where


def test_a_disk_that_is_full_or_fails_at_any_call(
    published: Publish,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    long: bool,
    record_figures: Callable[[str, dict[str, Any]], None],
) -> None:
    counted = Refusal(math.inf)
    store = copied(published.store, tmp_path / "counted")
    with Watch(store, counted):
        assert publish_command(published.kind, store) == 0
    possible = list(itertools.product(range(len(counted.calls)), ERRORS, (False, True)))
    cases = possible if long else random.Random(0).sample(possible, SHORT_CASES)
    told_of = 0
    for number, error, lasting in cases:
        where = f"{errno.errorcode[error]} {'from' if lasting else 'at'} call {number}: {counted.calls[number]}"
        store = copied(published.store, tmp_path / "store")
        capsys.readouterr()
        with Watch(store, Refusal(number, error, lasting=lasting)):
            code = publish_command(published.kind, store)
        check_after(published, store, code, capsys.readouterr().err, where)
        told_of += code
        shutil.rmtree(store)
    figures = {"calls": len(counted.calls), "cases": len(cases), "ended with one line": told_of}
    record_figures(f"publish-errors-{published.kind}", figures)


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """The system refuses larger files, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_for_native_code(
    published: Publish, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet files are written by pyarrow's own code, past Python."""
    store = copied(published.store, tmp_path / "store")
    write = pq.write_table
    capsys.readouterr()

    def write_on_a_full_disk(*args: Any) -> None:
        with full_after(100):
            write(*args)

    monkeypatch.setattr(pq, "write_table", write_on_a_full_disk)
    code = publish_command(published.kind, store)
    monkeypatch.undo()
    assert code == 1
    check_after(published, store, code, capsys.readouterr().err, "pyarrow")
