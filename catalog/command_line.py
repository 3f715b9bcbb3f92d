"""Run a command of the command line: find it, read its settings, call its function, say how it went.

`lookalike` and `python -m catalog | training | index | search | ui` all go through `main`. What a command needs is
imported only when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import itertools
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

from catalog.disk import FAULTS, place_of
from catalog.errors import LookalikeError, Terminated, UsageError
from catalog.stopping import SIGNALS

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes after Ctrl+C and after SIGTERM."""
ENDED = {INTERRUPTED: "interrupted; what was done is kept", TERMINATED: "terminated; what was done is kept"}
"""What is said then, by exit code."""

STDERR = 2
"""The file descriptor, whatever `sys.stderr` is at the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command: one frozen config dataclass in, one result out.

    The result's text is printed (on stderr where `--output -` puts answers on stdout), and its `exit_code`, where it
    has one, becomes the process's.
    """

    help: str
    """One line."""
    config: str
    """The config dataclass, as "module:name"."""
    function: str
    """The function that takes it, as "module:name"."""
    presets: str = ""
    """Named configs that `--preset` chooses among, as "module:name" of a dictionary."""


Commands = Mapping[str, Command]

GARBAGE_THRESHOLDS = (50_000, 20, 20)
"""When Python looks for garbage in cycles: by default after 700 new objects, a fifth of the time that a large catalog's
scan takes, whose hundreds of thousands of small objects are in none."""


def main(commands: Commands, program: str, arguments: Sequence[str]) -> int:
    """Run one of the commands; returns the exit code.

    Args:
        program: what people type before the command's name.
        arguments: what they typed after it. Where there is only one command, its name may be left out.
    """
    signal.signal(signal.SIGTERM, _terminate)
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a log shows each line when it is said
    try:
        name, rest = _choose(commands, program, arguments)
        if not name:
            return 0
        return _run(commands[name], f"{program} {name}", rest)
    except LookalikeError as error:
        return _fail(program, str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail(program, ENDED[INTERRUPTED], INTERRUPTED)
    except Terminated:
        return _fail(program, ENDED[TERMINATED], TERMINATED)
    except BrokenPipeError:  # the reader of our output has gone (`lookalike search … | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(program, "the program that read the output has ended", 1)
    except OSError as error:
        if error.errno not in FAULTS:
            raise
        place = f" at {place_of(error)}" if error.filename else ""
        fault, remedy = FAULTS[error.errno]
        return _fail(program, f"{fault}{place} ({os.strerror(error.errno)}): what was done is kept; {remedy}", 1)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


@contextlib.contextmanager
def _imports(program: str) -> Iterator[None]:
    """Around a command's imports, which may take ten seconds: a signal ends the process at once.

    Nothing has begun that would have to be finished, and no exception can do it: a library that is interrupted while
    it loads may take that for a failure of its own and go on with half of itself (NumPy), or abort (torch).
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        code = 128 + number
        os.write(STDERR, f"{program}: {ENDED[code]}\n".encode())
        os._exit(code)

    before = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(program: str, message: str, code: int) -> int:
    print(f"{program}: {' '.join(message.splitlines())}", file=sys.stderr)
    return code


def _choose(commands: Commands, program: str, arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The command that was asked for and its own arguments; no name where only help was asked for."""
    first = arguments[0] if arguments else ""
    if first in commands:
        return first, list(arguments[1:])
    if len(commands) == 1:
        return next(iter(commands)), list(arguments)
    if first in ("", "-h", "--help"):
        print(_overview(commands, program))
        return "", []
    raise UsageError(f'there is no command "{first}"; there are: {", ".join(commands)}')


def _overview(commands: Commands, program: str) -> str:
    width = max(len(name) for name in commands)
    lines = [f"  {name:<{width}}  {command.help}" for name, command in commands.items()]
    return "\n".join(
        [f"usage: {program} COMMAND [OPTIONS]", "", *lines, "", f'"{program} COMMAND --help" tells the options of one.']
    )


def _run(command: Command, program: str, arguments: list[str]) -> int:
    with _imports(program.partition(" ")[0]):
        config = _read_config(command, program, arguments)
        function = _import(command.function)
    result = function(config)
    if result is not None:
        answers_on_stdout = getattr(config, "output", None) == "-"  # then nothing else may stand there
        print(result, file=sys.stderr if answers_on_stdout else sys.stdout, flush=True)
    return int(getattr(result, "exit_code", 0))


def _read_config(command: Command, program: str, arguments: list[str]) -> Any:
    """The config that the arguments describe.

    Raises:
        UsageError: they describe none.
    """
    import tyro

    config_class = _import(command.config)
    default = tyro.MISSING_NONPROP
    if command.presets:
        default = _preset(_import(command.presets), arguments, config_class())
    wants_help = "-h" in arguments or "--help" in arguments
    told = io.StringIO()
    try:
        with contextlib.nullcontext() if wants_help else contextlib.redirect_stderr(told):
            return tyro.cli(config_class, prog=program, args=arguments, default=default, description=command.help)
    except SystemExit as error:
        if wants_help or not error.code:
            raise
    raise UsageError(f'{_gist(told.getvalue())}: see "{program} --help"')


def _gist(box: str) -> str:
    """The sentence that matters of the framed text in which tyro says what is wrong: all up to its first rule."""
    lines = [line.strip("│ ") for line in box.splitlines()[1:]]
    sentence = itertools.takewhile(lambda line: not line.startswith(("─", "╰")), lines)
    return " ".join(sentence).partition("Got errors")[0].strip(" .") or "the options could not be read"


def _preset(presets: Mapping[str, Any], arguments: list[str], default: Any) -> Any:
    """The config that `--preset NAME` begins with.

    Raises:
        UsageError: there is no preset of that name.
    """
    name = default.preset
    for place, argument in enumerate(arguments):
        if argument == "--preset" and place + 1 < len(arguments):
            name = arguments[place + 1]
        elif argument.startswith("--preset="):
            name = argument.partition("=")[2]
    if name not in presets:
        raise UsageError(f'--preset must be one of {", ".join(presets)}; received "{name}"')
    return presets[name]


def _import(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)
