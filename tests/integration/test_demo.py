"""The whole loop as a new user meets it, on a small drawn catalog: draw, scan, search, train, index, search again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_runs_from_nothing_and_again(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "ui", "demo", "--no-serve", "--products", "36", "--epochs", "1"]
    line += ["--folder", str(tmp_path / "demo")]
    told = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "36 photos of 36 products" in told
    assert "by imagenet" in told
    assert "by run-1" in told
    rows = re.findall(r"^  (ImageNet start|trained on).*?(\d\.\d{3})\s+(\d\.\d{3})$", told, re.MULTILINE)
    assert [row[0] for row in rows] == ["ImageNet start", "trained on"]
    for _, first, among_five in rows:
        assert 0.2 < float(first) <= float(among_five) <= 1
    assert told.count("; found:") == 3
    again = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "trained run" not in again  # what was trained is used again
    assert re.findall(r"trained on.*", again) == re.findall(r"trained on.*", told)
