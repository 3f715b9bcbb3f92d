"""Damaged photos never crash a decoder: whatever the bytes, the answer is a picture or `BadImage`.

A real decode worker, in which anything else (another exception, a fault in a decoder's C code, an endless loop) is seen
as "decoder-failed" or "decoder-timeout".
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from catalog.decode_worker import DecodeWorkers
from catalog.errors import BadImage
from tests.reliability.mutated_photos import mutated_photos

ROOT = Path(__file__).parents[2]
FAULTS = {"decoder-failed", "decoder-timeout", "out-of-memory"}


def test_mutated_photos(long: bool, record_figures: Callable[[str, dict[str, Any]], None]) -> None:
    answers: Counter[str] = Counter()
    begun = time.monotonic()
    with DecodeWorkers(1) as pool:
        processes = pool.processes
        for number, data in enumerate(islice(mutated_photos(0), 100_000 if long else 1500)):
            try:
                pool.decode(data, fit=8 if number % 2 else None)
                answers["a picture"] += 1
            except BadImage as error:
                answers[error.code] += 1
                assert error.code not in FAULTS, f"mutation {number}"
        assert pool.processes == processes
    assert answers["a picture"] > 0.05 * answers.total()  # or the damage was always too great to reach a decoder
    record_figures("fuzz-mutated", {"files": answers.total(), "seconds": time.monotonic() - begun, "answers": answers})


@pytest.mark.skipif(find_spec("atheris") is None, reason='needs atheris: .venv/bin/uv pip install -e ".[fuzz]"')
def test_fuzzing_guided_by_coverage(
    long: bool, tmp_path: Path, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    seconds = 600 if long else 5
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.mutated_photos", tmp_path / "corpus", str(seconds)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not list((tmp_path / "corpus").glob("crash-*"))
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs is not None and int(runs[1]) > 100 * seconds
    found = len([file for file in (tmp_path / "corpus").iterdir() if not file.name.startswith("seed-")])
    record_figures("fuzz-atheris", {"seconds": seconds, "files": int(runs[1]), "kept_for_new_paths": found})
