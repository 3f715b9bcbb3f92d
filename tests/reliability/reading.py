"""Read files of any content in a process of its own, which tells what came of each and how much memory it took.

    python -m tests.reliability.reading MODULES READER=FILE…

The modules are imported first, so that what libraries take is not counted. The process ends at 4 GB, so that a fault
harms nothing else; a fault in C code ends it by a signal.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import LookalikeError
from catalog.memory_bound import bounded_memory

ROOT = Path(__file__).parents[2]
MOST_MEGABYTES = 500


@dataclass(frozen=True, slots=True)
class Read:
    """What came of reading one file.

    Attributes:
        outcome: "read", "refused" (a LookalikeError), or the name of another error.
        told: its message.
        megabytes: what the process had taken by then above its start, at most.
    """

    outcome: str
    told: str
    megabytes: int


def read_each(files: Sequence[tuple[str, Path]], modules: str) -> list[Read]:
    """Read files, each by one of the functions below, in one new process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.reliability.reading", modules, *(f"{kind}={path}" for kind, path in files)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=600)
    lines = [line for line in done.stdout.splitlines() if line.startswith('["')]  # FAISS may say something, too
    assert len(lines) == len(files), f"the process ended ({done.returncode}) by {files[len(lines)]}: {done.stderr}"
    return [Read(*json.loads(line)) for line in lines]


def all_refused(files: Sequence[tuple[str, Path]], modules: str) -> dict[str, int]:
    """See each refused in one line, by our own error, within bounds of memory; returns the figures."""
    found = read_each(files, modules)
    wrong = [
        (path.name, read)
        for (_, path), read in zip(files, found, strict=True)
        if read.outcome != "refused" or not read.told.isprintable() or read.megabytes > MOST_MEGABYTES
    ]
    assert not wrong, wrong
    return {"files": len(files), "refused": len(found), "megabytes": max(read.megabytes for read in found)}


def checkpoint(file: Path) -> None:
    from training.encoder import load_encoder

    load_encoder(file)


def weights(file: Path) -> None:
    from training.backbones import read_weights

    read_weights(file)


def table(file: Path) -> None:
    from catalog.table import read_table

    read_table(file)


def version(folder: Path) -> None:
    from index.loading import load_version

    load_version(folder, "cpu")


def store(folder: Path) -> None:
    from catalog.store import Store

    Store.open(folder)


def state(folder: Path) -> None:
    from training.runs import Run
    from training.state import load_resume

    load_resume(Run(folder))


def start_rows(file: Path) -> None:
    from training.keep_start import read_start_rows

    read_start_rows(file)


def index(file: Path) -> None:
    """Read an index of the kind that begins the file's name, and search it."""
    import numpy as np

    from index.faiss_index import FlatIndex
    from index.hnsw_index import HNSWIndex
    from index.ivf_index import IVFIndex
    from index.ivf_pq_index import IVFPQIndex
    from index.search_index import SearchIndex
    from index.settings import everywhere

    kind = file.name.partition(" ")[0]
    settings = everywhere({"nprobe": 4, "candidates": 50, "ef_search": 50})
    found: SearchIndex
    if kind == "ivf":
        found = IVFIndex.read(file, settings, "cpu")
    elif kind == "hnsw":
        found = HNSWIndex.read(file, settings)
    elif kind == "ivf-pq":
        found = IVFPQIndex.read(file, file.with_name("exact"), settings)
    else:
        found = FlatIndex.read(file, "cpu", mapped=kind == "mapped")
    queries = np.eye(found.dimension, dtype=np.float32)[:5]
    for allowed in (None, np.arange(len(found)) % 2 == 0):
        positions = found.search(queries, 10, allowed).positions
        assert ((positions >= 0) & (positions < len(found))).all()


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1000


def main() -> None:
    """See the top of this file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in sys.argv[1].split(","):
        importlib.import_module(name)
    start = _peak()
    with bounded_memory(4_000_000_000):
        for given in sys.argv[2:]:
            kind, _, path = given.partition("=")
            try:
                globals()[kind](Path(path))
                found = ("read", "")
            except LookalikeError as error:
                found = ("refused", str(error))
            except Exception as error:
                found = (type(error).__name__, str(error))
            print(json.dumps([*found, _peak() - start]), flush=True)


if __name__ == "__main__":
    main()
