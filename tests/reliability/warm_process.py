"""Commands in forked children of a process that has everything imported: a thousand of them can be killed in minutes.

    python -m tests.reliability.warm_process

Reads a line of JSON for each command, runs it by `catalog.command_line.main`, as `lookalike` does, and answers with
a line of JSON. `Warm` is the side of the tests.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

ROOT = Path(__file__).parents[2]
IMPORTED = (
    *("catalog.scan", "training.train", "training.start", "index.build", "index.sync", "index.encoder_files"),
    *("ui.command", "pandas", "tyro", "torch.utils.tensorboard", "torch.export", "torch._inductor.decomposition"),
    *("torch.onnx._internal.exporter._core", "torch.onnx._internal.exporter._onnx_program", "onnxscript.optimizer"),
)
"""What the commands import as they run, and what a first export to ONNX takes longest to."""
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"}
"""Audit events of operations that change files, besides those that open one to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    """As `subprocess` tells it: negative where a signal ended it."""
    seconds: float
    said: str
    """On stdout and stderr, until then."""
    operations: int = 0
    """On files, that change one; 0 where it was killed."""

    @property
    def killed(self) -> bool:
        """Whether kill -9 ended it."""
        return self.code == -signal.SIGKILL


class Warm:
    """The process, as the tests see it. Use it as a context manager."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._said = folder / "said"
        line = [sys.executable, "-m", "tests.reliability.warm_process"]
        self._process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=dict(environment)
        )

    def run(
        self,
        arguments: Sequence[str],
        *,
        after: float | None = None,
        at_operation: int | None = None,
        late: float = 0.0,
    ) -> Ended:
        """Run a command, and kill it: after so many seconds, or as it changes a file for the so-many-th time.

        Whichever is None does not happen; a command may end before it is killed.

        Args:
            late: seconds from the beginning of that operation; 0: before it.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._said.write_text("")  # a child may be killed before it has said anything
        asked = {"arguments": arguments, "said": str(self._said), "after": after}
        asked |= {"at_operation": at_operation, "late": late}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        return Ended(said=self._said.read_text(errors="replace"), **told)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


def _run(
    arguments: Sequence[str], said: str, after: float | None, at_operation: int | None, late: float
) -> Mapping[str, Any]:
    """Fork a child that runs a command, kill it where asked to, and tell how it ended."""
    counted, tell = os.pipe()
    reached, tell_reached = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_the_command(arguments, said, at_operation, late, tell, tell_reached)
    os.close(tell)
    with suppress(OSError):  # it has done so itself already
        os.setpgid(child, child)
    descriptor = os.pidfd_open(child)
    ready = select.select([descriptor, reached], [], [], after)[0]
    if ready == [reached]:
        ready = select.select([descriptor], [], [], late)[0]
    if not ready:
        os.killpg(child, signal.SIGKILL)  # with whatever it has started
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    operations = os.read(counted, 20)
    for opened in (descriptor, counted, reached, tell_reached):
        os.close(opened)
    return {"code": code, "seconds": time.monotonic() - begun, "operations": int(operations or 0)}


def _be_the_command(
    arguments: Sequence[str], said: str, at_operation: int | None, late: float, tell: int, tell_reached: int
) -> NoReturn:
    os.setpgid(0, 0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    file = os.open(said, os.O_WRONLY | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    operations = 0

    def count(event: str, about: tuple[Any, ...]) -> None:
        nonlocal operations
        if event in CHANGES or (event == "open" and about[2] & (os.O_WRONLY | os.O_RDWR)):
            if operations == at_operation:
                os.write(tell_reached, b"!")
                if not late:
                    signal.pause()  # until the kill
            operations += 1

    from catalog.command_line import main
    from ui.commands import ALL_COMMANDS

    sys.addaudithook(count)
    try:
        code = main(ALL_COMMANDS, "lookalike", arguments)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        code = 99
    os.write(tell, str(operations).encode())
    os._exit(code)


def _serve() -> None:
    for module in IMPORTED:
        importlib.import_module(module)
    for line in sys.stdin:
        print(json.dumps(_run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    _serve()
