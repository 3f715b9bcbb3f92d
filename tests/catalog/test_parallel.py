"""Work in threads: in order, bounded, and ended when nobody wants more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalog.parallel import default_workers, map_in_order
from catalog.progress import progress


def test_results_come_in_order() -> None:
    assert list(map_in_order(lambda n: n * n, range(1000), workers=7)) == [n * n for n in range(1000)]


def test_no_more_is_taken_than_the_reader_needs_soon() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = map_in_order(lambda n: n, items(), workers=3)
    assert next(results) == 1
    assert taken <= 4 * 3
    results.close()  # type: ignore[attr-defined]
    assert taken <= 4 * 3


def test_an_error_is_raised_in_its_turn() -> None:
    results = map_in_order(lambda n: 1 // n, [1, 1, 0, 1], workers=2)
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    list(map_in_order(lambda n: n, range(100), workers=4))
    assert threading.active_count() == before


def test_there_is_a_worker() -> None:
    assert default_workers() >= 1


class Terminal:
    """A stderr that says it is a terminal."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def test_progress_is_shown_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(progress(iter("abc"), total=3, description="scan")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert list(progress(iter("abc"), total=3, description="scan")) == ["a", "b", "c"]
    assert "scan" in terminal.text and "3/3" in terminal.text
    with ThreadPoolExecutor(1) as pool:  # and from another thread
        assert pool.submit(lambda: list(progress([1], total=None, description="x"))).result() == [1]
