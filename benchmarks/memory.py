"""How much memory a process holds."""

from __future__ import annotations

from pathlib import Path


def resident_bytes(what: str, process: int | str = "self") -> int:
    """Memory of a process; of this one by default.

    Args:
        what: "VmRSS", all of it; "VmHWM", the most of it so far (`ru_maxrss` begins with that of the process which
            started this one); "RssAnon", what no file holds, so that pages of a mapped one do not count.
    """
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024
