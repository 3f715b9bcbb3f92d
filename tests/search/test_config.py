"""`lookalike search` as it is typed: what is wrong is said in one line, before anything is opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from catalog.command_line import main
from search.commands import COMMANDS


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "needs a query: give photos, a folder of photos, or --products"),
        ("--liked p1", "needs a query"),
        ("--products", "needs a query"),
        ("a.jpg --together --products p1", "received --products too: leave one of them out"),
        ("a.jpg --crop 0 0 0.5", "Missing value for argument '--crop'. Expected 4 values"),
        ("--crop 0 0 0.5 a.jpg", "--crop"),
        ("a.jpg --crop 0 0 half 1", "Error parsing --crop"),
        ("--crop -0.1 0 1 1 a.jpg", "a crop must be left, top, right, bottom within 0 to 1, at least 0.01 apart"),
        ("--crop 0.6 0 0.4 1 a.jpg", "received 0.6, 0, 0.4, 1: for example 0.1, 0.1, 0.6, 0.9"),
        ("--crop 0 nan 1 1 a.jpg", "received 0, nan, 1, 1"),
        ("--crop 0 0 0.5 1 absent.jpg", "there is no absent.jpg"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(
    typed: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--store", str(tmp_path / "none")]
    assert main(COMMANDS, "lookalike", ["search", *typed.split(), *(store if "absent" in typed else ())]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and told in captured.err


def test_help_names_every_option_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from catalog.command_line import main; from search.commands import COMMANDS\n"
        "try: main(COMMANDS, 'lookalike', ['search', '--help'])\n"
        "except SystemExit: print([name for name in ('numpy', 'PIL', 'faiss', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    for option in ("--products [STR", "--crop LEFT TOP RIGHT BOTTOM", "--hide-duplicates", "--together"):
        assert option in done.stdout
    assert done.stdout.endswith("[]\n")
