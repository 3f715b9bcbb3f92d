"""Memory of a server that lives long: what is not needed any more goes soon, above all a version that was replaced."""

from __future__ import annotations

import ctypes
import gc
import sys

ARENAS = 2
PYTHONS_THRESHOLDS = (700, 10, 10)
"""After how much Python looks for garbage in cycles, by default; the command line looks far less often."""
_M_ARENA_MAX = -8
"""Of mallopt(3)."""


def share_arenas() -> None:
    """Let all threads allocate from `ARENAS` arenas; call it before they start.

    By default glibc gives each thread one of its own, up to eight a core, none of which takes what is free in another:
    encoders and indexes that come and go with versions leave holes in each of them.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not in every C library
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, ARENAS)


def collect_often() -> None:
    """Look for garbage as often as Python does by default, but not among what is there now, which stays.

    An error that was caught is often in a cycle with the calls that it came through, and they hold the version that
    answered: until the cycle is found, so is all of its memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*PYTHONS_THRESHOLDS)


def let_go() -> None:
    """After a version was replaced: collect what may still hold it, and give its memory back."""
    gc.collect()
    give_back()


def give_back() -> None:
    """Give the system the memory that is free now; glibc by itself gives back only what is free at an arena's end."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # not in every C library
        if trim is not None:
            trim(0)
