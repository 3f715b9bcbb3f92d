"""Keep freed memory for the next step instead of handing it back to the system after each.

A training step on a CPU frees and asks for the same hundreds of megabytes again; glibc returns blocks of that size to
the kernel, which then has to clear every page anew. Measured: two fifths of the time of a step (docs/decisions/0005).
"""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # numbers of glibc's mallopt(3)
ALL = 2**31 - 1


def keep_freed_memory() -> None:
    """Tell glibc to keep what the process frees; elsewhere than on Linux with glibc it does nothing."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, ALL)
        mallopt(M_TRIM_THRESHOLD, ALL)
