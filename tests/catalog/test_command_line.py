"""The command line itself, in processes of its own: what a signal does before a command has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE = """
import os, signal
try:
    os.kill(os.getpid(), signal.{name})
    os.getpid()  # where Python looks for signals
    print("went on")
except BaseException as error:
    raise RecursionError("taken for a failure of this library") from error
def begin(config):
    print("begun")
"""
MAIN = """
import sys
from catalog.command_line import Command, main
command = Command(help="", config="catalog.config:ScanConfig", function="interrupted_library:begin")
sys.exit(main({"scan": command}, "lookalike", ["scan", "photos"]))
"""


@pytest.mark.parametrize(("name", "code", "told"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated")])
def test_a_signal_during_a_commands_imports_ends_it_at_once(tmp_path: Path, name: str, code: int, told: str) -> None:
    (tmp_path / "interrupted_library.py").write_text(MODULE.format(name=name))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell's jobs ignore it
    try:
        done = subprocess.run([sys.executable, "-c", MAIN], capture_output=True, text=True, env=environment, timeout=60)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr == f"lookalike: {told}; what was done is kept\n"
