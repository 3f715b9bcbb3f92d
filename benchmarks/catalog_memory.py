"""What a catalog's table takes beside its vectors: on disk, and in the memory of a server that answers from it.

    python -m benchmarks.catalog_memory [--sizes 10000,100000,1000000]

A drawn table: every photo a product, with a title, a category, a price and a text of 60 characters. Each size is read
in a process of its own, and used as searches use it: by product, by photo, by content, and by a condition.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.memory import resident_bytes
from benchmarks.record import write_record
from catalog.manifest import Manifest
from search.snapshot import Snapshot

CONDITION = 'price < 5 and category in ("mug", "cup")'
TIMES = 5
SMALL = "small.parquet"


def draw(count: int) -> Manifest:
    """A manifest of so many photos."""
    random = np.random.default_rng(0)
    hashes = random.bytes(32 * count).hex()
    words = np.array(["mug", "cup", "teapot", "saucer", "bowl", "plate", "jug", "vase"])
    columns: dict[str, Any] = {
        "image_id": pa.array(range(count), pa.int64()),
        "item_id": [f"sku-{one:09}" for one in range(count)],
        "path": [f"photos/{one // 1000:06}/{one:09}.jpg" for one in range(count)],
        "sha256": [hashes[64 * one : 64 * one + 64] for one in range(count)],
        "width": pa.array(np.full(count, 1200), pa.int32()),
        "height": pa.array(np.full(count, 1200), pa.int32()),
        "title": [f"Thing number {one}" for one in range(count)],
        "category": words[random.integers(0, len(words), count)],
        "price": random.uniform(1, 100, count).round(2),
        "about": [f"{one:060}" for one in random.integers(0, 2**62, count)],
    }
    return Manifest(pa.table(columns))


def read(file: Path) -> dict[str, Any]:
    """What it takes to read a table and to answer from it; for a process of its own."""
    Manifest.read(file.with_name(SMALL)).image_ids.sum()  # whatever is imported on the way
    before = resident_bytes("RssAnon")
    begun = time.monotonic()
    items = Manifest.read(file)
    seconds = time.monotonic() - begun
    loaded: Any = SimpleNamespace(items=items)  # nothing else of a version is asked for here
    snapshot = Snapshot(loaded)
    for held in (snapshot.products, snapshot.product_of, snapshot.position_of, snapshot.contents):
        assert held is not None
    memory = resident_bytes("RssAnon") - before
    taken = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        snapshot.allowed(CONDITION)
        taken.append(1000 * (time.perf_counter() - begun))
    return {
        "photos": len(items),
        "read_seconds": round(seconds, 2),
        "file_bytes_per_photo": round(file.stat().st_size / len(items)),
        "memory_bytes_per_photo": round(memory / len(items)),
        "condition_ms": round(median(taken), 2),
    }


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sizes", default="10000,100000,1000000")
    options.add_argument("--read", type=Path, help="for its own processes")
    chosen = options.parse_args()
    if chosen.read:
        print(json.dumps(read(chosen.read)))
        return
    sizes = []
    for count in map(int, chosen.sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "items.parquet"
            draw(count).write(file)
            draw(10).write(file.with_name(SMALL))
            command = [sys.executable, "-m", "benchmarks.catalog_memory", "--read", str(file)]
            sizes.append(json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout))
        print(sizes[-1], flush=True)
    print(write_record("catalog-memory", {"sizes": sizes}))


if __name__ == "__main__":
    main()
