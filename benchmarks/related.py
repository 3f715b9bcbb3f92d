"""`related`: the table of related products of a large catalog, on random vectors: what it takes of time and memory.

    python -m benchmarks.related [--photos 100000] [--million 1000000] [--dimension 256] [--product-by best]

The table of the first catalog is written whole, as CSV. An exact search grows with the square of the catalog, so of
the second one only a few batches are related, and the time for all of it is worked out from them. Each catalog has a
process of its own. Random vectors have no structure that would help a search.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.record import write_record
from catalog.manifest import Manifest
from index.embedder import Embedder, Pixels
from index.faiss_index import FlatIndex
from index.loading import LoadedVersion
from index.vectors import Floats, unit_norm
from index.versions import IndexVersion
from search.config import RelatedConfig
from search.neighbours import QUERIES
from search.related import related_products
from search.snapshot import Snapshot
from search.writers import open_writer
from training.spec import EncoderSpec

K = 10
BATCHES = 2
"""Batches of products of the second catalog that are related."""


def random_catalog(photos: int, dimension: int) -> Snapshot:
    """A version of so many random vectors; every tenth photo is a second one of the product before it."""
    random = np.random.default_rng(0)
    vectors = np.empty((photos, dimension), np.float32)
    for first in range(0, photos, 100_000):
        part = vectors[first : first + 100_000]
        part[:] = unit_norm(random.standard_normal(part.shape, np.float32))
    numbers = np.arange(photos)
    owners = np.where(numbers % 10 == 9, numbers - 1, numbers)
    table = pa.table(
        {
            "image_id": pa.array(numbers, pa.int64()),
            "item_id": [f"product-{owner:07d}" for owner in owners],
            "path": [f"photos/{number:07d}.jpg" for number in numbers],
            "sha256": [f"{number:064x}" for number in numbers],
            "width": pa.array(np.full(photos, 256), pa.int32()),
            "height": pa.array(np.full(photos, 256), pa.int32()),
            "title": [f"Product {owner}" for owner in owners],
        }
    )
    items, index = Manifest(table), FlatIndex.build(vectors, "cpu")
    spec = EncoderSpec(
        backbone="efficientnet_lite0",
        feature_dim=1280,
        image_size=64,
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        projection_dim=dimension,
    )
    return Snapshot(LoadedVersion(_description(items, index, spec), items, index, Embedder(spec, _encode_nothing)))


def _encode_nothing(photos: Pixels) -> Floats:
    raise AssertionError("related asks with the vectors that the index holds")


def _description(items: Manifest, index: FlatIndex, spec: EncoderSpec) -> IndexVersion:
    return IndexVersion(
        id="0001-random",
        created="",
        photos=len(items),
        products=items.product_count,
        dimension=index.dimension,
        blocks={"projection": index.dimension},
        kind=index.kind,
        recall=1.0,
        encoder_name="random",
        encoder_sha256="",
        spec=spec,
        manifest_fingerprint="",
        root="",
        files={},
        canaries=(),
        probe=(),
    )


def measure(photos: int, dimension: int, product_by: str, whole: bool) -> dict[str, Any]:
    """Relate a catalog's products, or the first of them; seconds, rows and memory."""
    snapshot = random_catalog(photos, dimension)
    products = len(snapshot.products)
    before = most = resident()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "related.csv"
        config = RelatedConfig(
            output=str(output), k=K, product_by="mean" if product_by == "mean" else "best", colour=0.0
        )
        begun, cpu = time.monotonic(), time.process_time()
        answers = related_products(snapshot, config)
        if not whole:
            answers = islice(answers, BATCHES * QUERIES)
        asked, searching, rows = 0, 0.0, 0
        with open_writer(config.output, snapshot.loaded.items) as writer:
            for answer in answers:
                writer.write(answer)
                asked, searching, rows = asked + 1, searching + answer.seconds, rows + len(answer.matches)
                if asked % QUERIES == 0:
                    most = max(most, resident())
        seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
        size = output.stat().st_size
    return {
        "photos": photos,
        "products": products,
        "dimension": dimension,
        "product_by": product_by,
        "products_related": asked,
        "rows": rows,
        "threads": os.environ.get("OMP_NUM_THREADS", "one per core"),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "of_these_searching": round(searching, 1),
        "products_per_second": round(asked / seconds, 1),
        "seconds_for_all_products": round(seconds / asked * products),
        "cpu_seconds_for_all_products": round(cpu / asked * products),
        "table_mb": round(size / 1e6, 1),
        "vectors_mb": round(photos * dimension * 4 / 1e6),
        "mb_before": before,
        "most_mb_while_relating": most,
    }


def resident() -> int:
    """Memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--photos", type=int, default=100_000)
    options.add_argument("--million", type=int, default=1_000_000)
    options.add_argument("--dimension", type=int, default=256)
    options.add_argument("--product-by", choices=("best", "mean"), default="best")
    options.add_argument("--measure", type=int, help="for the processes that this command starts itself")
    chosen = options.parse_args()
    if chosen.measure:
        whole = chosen.measure == chosen.photos
        print(json.dumps(measure(chosen.measure, chosen.dimension, chosen.product_by, whole)))
        return
    figures: dict[str, Any] = {}
    for count in (chosen.photos, chosen.million):
        line = [sys.executable, "-m", "benchmarks.related", "--measure", str(count), "--photos", str(chosen.photos)]
        line += ["--dimension", str(chosen.dimension), "--product-by", chosen.product_by]
        done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
        figures[str(count)] = json.loads(done.stdout.splitlines()[-1])
        print(figures[str(count)], flush=True)
    print(write_record("related", figures))


if __name__ == "__main__":
    main()
