"""A disk that is full in the middle of a run: one line, and the run can be gone on with once there is room.

The limit on a file's size (RLIMIT_FSIZE) stands in for the disk: a real one cannot be filled without harm to others.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.store import Store
from training.runs import Run

ROOT = Path(__file__).parents[2]
MAIN = """
import resource, sys
if sys.argv[1] != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from ui.command import main
sys.argv[1:] = sys.argv[2:]
sys.exit(main())
"""
SETTINGS = (
    *("--encoder", "mobilenet_v3_small", "--weights", "none", "--views.size", "32", "--pixels-side", "64"),
    *("--image-size", "64", "--epochs", "2", "--batch-size", "6", "--projection-dim", "8", "--device", "cpu"),
)


def run(store: Store, *arguments: str, largest_file: int = 0) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", MAIN, str(largest_file), *arguments, "--store", str(store.root)]
    return subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=300)


@pytest.mark.parametrize("settings", [SETTINGS, (*SETTINGS, "--patience", "2")])
def test_a_full_disk_is_one_line_and_loses_nothing(
    make_store: Callable[[int], Store], settings: tuple[str, ...]
) -> None:
    """The first resume state fits; the next, with the optimiser's moments, is three times as large."""
    store = make_store(12)
    done = run(store, "train", "--name", "one", *settings, largest_file=10_000_000)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("lookalike: the disk is full"), done.stderr
    kept = Run(store.runs_dir / "one")
    assert kept.resumable and not kept.finished
    assert sorted(path.name for path in kept.folder.glob(".*")) == []
    assert run(store, "train", "--resume").returncode == 0
    assert kept.finished
