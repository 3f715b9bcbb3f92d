"""A progress bar for every step that walks over many things: on stderr, and only where a person is looking.

Where a program is looking instead, it sets LOOKALIKE_PROGRESS=lines, and gets a line of JSON now and then, which
`Progress.from_line` tells from whatever else is written there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TypeVar

T = TypeVar("T")

VARIABLE, LINES = "LOOKALIKE_PROGRESS", "lines"
"""The environment variable, and its value that asks for lines."""
SECONDS_BETWEEN_LINES = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is."""

    description: str
    """What is being done, such as "scan"."""
    done: int
    total: int | None
    """How many there will be, where that is known."""
    unit: str
    """What is counted."""

    @property
    def percent(self) -> int | None:
        """0 … 100, where the total is known."""
        return None if self.total is None else 100 if self.total == 0 else min(100, 100 * self.done // self.total)

    def to_line(self) -> str:
        """As one line of JSON."""
        return json.dumps({"progress": asdict(self)})

    @classmethod
    def from_line(cls, line: str) -> Progress | None:
        """From a line that may be anything; None where it is not of `to_line`."""
        try:
            return cls(**json.loads(line)["progress"]) if line.startswith('{"progress": ') else None
        except (ValueError, TypeError):
            return None


def progress(iterable: Iterable[T], *, total: int | None, description: str, unit: str = "photos") -> Iterator[T]:
    """Pass the items on, showing how far they are: a bar when stderr is a terminal, lines where they are asked for.

    Args:
        iterable: the items, passed on unchanged and one by one.
        total: how many there will be, where that is known.
        description: what is being done, such as "scan".
        unit: what is counted.
    """
    if os.environ.get(VARIABLE) == LINES:
        yield from _with_lines(iterable, Progress(description, 0, total, unit))
        return
    if not sys.stderr.isatty():
        yield from iterable
        return
    from tqdm import tqdm  # only now: it is not needed where nobody is looking

    yield from tqdm(iterable, total=total, desc=description, unit=f" {unit}", file=sys.stderr, dynamic_ncols=True)


def _with_lines(iterable: Iterable[T], begun: Progress) -> Iterator[T]:
    """Pass the items on; say how far they are at the beginning, at the end, and not too often between."""

    def say(done: int) -> None:
        print(Progress(begun.description, done, begun.total, begun.unit).to_line(), file=sys.stderr, flush=True)

    done, said, due = 0, 0, time.monotonic() + SECONDS_BETWEEN_LINES
    say(0)
    for item in iterable:
        yield item
        done += 1
        if time.monotonic() >= due:
            say(done)
            said, due = done, time.monotonic() + SECONDS_BETWEEN_LINES
    if done > said:
        say(done)
