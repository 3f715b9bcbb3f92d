"""Progress as lines, for a program that watches a command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from catalog.progress import LINES, VARIABLE, Progress, progress


def test_lines_say_how_far_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(VARIABLE, LINES)
    passed = progress(iter("abc"), total=3, description="embedding", unit="photos")
    assert "".join(passed) == "abc"
    told = capsys.readouterr()
    assert told.out == ""
    found = [Progress.from_line(line) for line in told.err.splitlines()]
    assert found[0] == Progress("embedding", 0, 3, "photos") and found[-1] == Progress("embedding", 3, 3, "photos")


def test_many_quick_steps_are_few_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(VARIABLE, LINES)
    ticks = iter(range(10_000))
    monkeypatch.setattr("catalog.progress.time.monotonic", lambda: next(ticks) / 100)  # 10 ms a step
    assert sum(1 for _ in progress(range(1000), total=None, description="scan")) == 1000
    lines = capsys.readouterr().err.splitlines()
    assert 20 < len(lines) < 60
    last = Progress.from_line(lines[-1])
    assert last == Progress("scan", 1000, None, "photos") and last.percent is None


def test_an_interruption_is_not_passed_off_as_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    monkeypatch.setenv(VARIABLE, LINES)
    with pytest.raises(KeyboardInterrupt):
        list(progress(interrupted(), total=2, description="scan"))
    found = [Progress.from_line(line) for line in capsys.readouterr().err.splitlines()]
    assert all(line is not None and line.done < 2 for line in found)


def test_nothing_is_said_where_nobody_asks(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress([1, 2], total=2, description="scan")) == [1, 2]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "line",
    [
        "",
        "scan: 3 of 4 photos",
        '{"progress": ',
        '{"progress": 3}',
        '{"progress": {}}',
        '{"progress": {"description": "x", "done": 1, "total": 2, "unit": "y", "more": 1}}',
        '{"epoch": 1}',
    ],
)
def test_other_lines_are_no_progress(line: str) -> None:
    assert Progress.from_line(line) is None


@pytest.mark.parametrize(("done", "total", "percent"), [(0, 3, 0), (1, 3, 33), (3, 3, 100), (5, 3, 100), (0, 0, 100)])
def test_percent(done: int, total: int, percent: int) -> None:
    assert Progress("scan", done, total, "photos").percent == percent
