"""A progress bar for every step that walks over many things: on stderr, and only where a person is looking."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(iterable: Iterable[T], *, total: int | None, description: str, unit: str = "photos") -> Iterator[T]:
    """Pass the items on, showing how far they are when stderr is a terminal.

    Args:
        iterable: the items, passed on unchanged and one by one.
        total: how many there will be, where that is known.
        description: what is being done, such as "scan".
        unit: what is counted.
    """
    if not sys.stderr.isatty():
        yield from iterable
        return
    from tqdm import tqdm  # only now: it is not needed where nobody is looking

    yield from tqdm(iterable, total=total, desc=description, unit=f" {unit}", file=sys.stderr, dynamic_ncols=True)
