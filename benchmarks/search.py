"""Searching and embedding beside the bare libraries, in one run: one query, a cold process, a folder, a batch.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.search [--folder WHERE] [--products 10000]

FOLDER holds `clothing/`, see benchmarks/main_job.py. Its train photos, each under several item_ids, are the catalog of
so many products; its test photos are the queries (only times are taken of them). Bare are: Pillow's decoding and
resizing, ONNX Runtime on the encoder's graph, FAISS on the version's vectors. Ours and bare take turns, photo by photo
or round by round, so that other work on the machine meets both.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import onnxruntime
from PIL import Image

from benchmarks.main_job import lookalike
from benchmarks.record import write_record
from catalog.files import find_photos
from catalog.manifest import CatalogPhoto
from catalog.parallel import default_workers, map_in_order
from catalog.records import RecordFile
from index.embedding import embed_missing
from index.versions import INDEX_FILE, ONNX_FILE
from search.batch import Asking, answer_all, find_queries
from search.question import Question
from search.service import SearchService

QUERIES, WARM, K = 200, 10, 10
ROUNDS = 3
COLD = 5
BATCH = 32
SEARCH_AND_TELL = """
import sys
from catalog.command_line import main
from search.commands import COMMANDS
code = main(COMMANDS, "lookalike", sys.argv[1:])
print("imported:", *(name for name in ("torch", "pandas") if name in sys.modules))
sys.exit(code)
"""
"""`lookalike search`, and which of two slow libraries it has imported."""


class Bare:
    """The libraries by themselves, on one version's files."""

    def __init__(self, service: SearchService, store: Path) -> None:
        folder = store / "versions" / service.version.id
        spec = service.version.spec
        self.side, self.crop = spec.image_size, spec.centre_crop
        self.dimension = service.version.dimension
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = default_workers()
        self._session = onnxruntime.InferenceSession(
            str(folder / ONNX_FILE), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        self._index = faiss.read_index(str(folder / INDEX_FILE))

    def decode(self, data: bytes) -> Any:
        """A file's bytes as the encoder's input, uint8 (S, S, 3)."""
        image = Image.open(BytesIO(data))
        image.draft("RGB", (round(self.side / self.crop), round(self.side / self.crop)))
        width, height = image.size
        part = min(width, height) * self.crop
        left, top = (width - part) / 2, (height - part) / 2
        box = (left, top, left + part, top + part)
        return np.asarray(image.convert("RGB").resize((self.side, self.side), Image.Resampling.BICUBIC, box))

    def forward(self, photos: Any) -> Any:
        """Outputs of a batch, (B, d)."""
        return self._session.run(None, {self._input: photos})[0]

    def answer(self, data: bytes) -> None:
        """One query from bytes to positions."""
        vector = np.zeros((1, self.dimension), np.float32)
        output = self.forward(self.decode(data)[None])
        vector[:, : output.shape[1]] = output
        self._index.search(vector, K)


def seconds(function: Callable[[], object]) -> float:
    """What a call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def one_query(service: SearchService, bare: Bare, photos: Sequence[bytes]) -> dict[str, Any]:
    """Image bytes to answer, in milliseconds; ours and bare by turns."""
    ours, others = [], []
    for place, data in enumerate(photos):
        mine = seconds(partial(service.search, data, Question(k=K)))
        theirs = seconds(partial(bare.answer, data))
        if place >= WARM:
            ours.append(mine * 1000)
            others.append(theirs * 1000)
    p50, p99 = np.percentile(ours, [50, 99])
    bare_p50 = float(np.median(others))
    return {
        "queries": len(ours),
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
        "bare_p50_ms": round(bare_p50, 2),
        "p50_over_bare": round(float(p50) / bare_p50, 3),
        "p99_over_p50": round(float(p99 / p50), 3),
        "bars_met": bool(p50 <= 1.2 * bare_p50 and p99 <= 2 * p50),
    }


def cold(store: Path, photo: Path) -> dict[str, Any]:
    """A whole process for one query."""
    times, imported = [], ""
    for _ in range(COLD):
        line = [sys.executable, "-c", SEARCH_AND_TELL, "search", str(photo), "--store", str(store)]
        begun = time.monotonic()
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        times.append(time.monotonic() - begun)
        imported = done.stdout.splitlines()[-1].partition(":")[2].strip()
    return {
        "seconds": [round(value, 2) for value in times],
        "median": round(statistics.median(times), 2),
        "imported_of_torch_and_pandas": imported,
        "bar_met": statistics.median(times) <= 2.0 and not imported,
    }


def one_round(service: SearchService, bare: Bare, photos: Sequence[Path]) -> tuple[float, float, float, float]:
    """Seconds of bare decoding and bare encoding, both on all cores, of embedding, and of a batch search."""
    snapshot = service.pin()
    embedder = snapshot.loaded.embedder
    scanned = [CatalogPhoto(root=path.parent, path=path.name, sha256=sha256_of(path)) for path in photos]
    queries = list(find_queries(photos, []))
    contents = [path.read_bytes() for path in photos]
    prepared: list[Any] = []
    decode = seconds(lambda: prepared.extend(map_in_order(bare.decode, contents, workers=default_workers())))
    groups = [np.stack(prepared[first : first + BATCH]) for first in range(0, len(prepared), BATCH)]
    forward = seconds(lambda: [bare.forward(group) for group in groups])
    with tempfile.TemporaryDirectory() as name:
        cache = RecordFile(Path(name), "vectors", embedder.dimension * 4)
        embedding = seconds(lambda: embed_missing(scanned, embedder, cache))
    return decode, forward, embedding, seconds(lambda: list(answer_all(queries, snapshot, Asking(k=K), [])))


def folder_rates(service: SearchService, bare: Bare, photos: Sequence[Path]) -> dict[str, Any]:
    """Photos/s of embedding a folder and of a batch search over it, beside decoding and encoding by themselves."""
    rounds = [one_round(service, bare, photos) for _ in range(ROUNDS)]
    decode, forward, embedding, batch = (statistics.median(values) for values in zip(*rounds, strict=True))
    count = len(photos)
    of_possible = statistics.median((one[0] + one[1]) / one[2] for one in rounds)
    of_embedding = statistics.median(one[2] / one[3] for one in rounds)
    return {
        "photos": count,
        "bare_decode_per_second": round(count / decode, 1),
        "bare_forward_per_second": round(count / forward, 1),
        "embedding_per_second": round(count / embedding, 1),
        "embedding_over_bare": round(of_possible, 3),
        "embedding_bar_met": of_possible >= 0.85,
        "batch_search_per_second": round(count / batch, 1),
        "batch_over_embedding": round(of_embedding, 3),
        "batch_bar_met": of_embedding >= 0.9,
    }


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_table(photos: Sequence[Path], root: Path, products: int, target: Path) -> None:
    """A table of so many products, the photos again and again, by their paths in `root`."""
    with target.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "item_id"))
        for number in range(products):
            table.writerow((photos[number % len(photos)].relative_to(root), f"item-{number:06d}"))


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, help="where the store goes, and stays; default: a temporary one")
    options.add_argument("--products", type=int, default=10_000)
    chosen = options.parse_args()
    parts = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "clothing" / "images"
    catalog, asked = ([parts / part / path for path in find_photos(parts / part).paths] for part in ("train", "test"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        store = folder / "search-store"
        if not store.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_table(catalog, parts / "train", chosen.products, folder / "products.csv")
            lookalike("scan", folder / "products.csv", "--root", parts / "train", "--store", store)
            lookalike("index", "--encoder", "imagenet", "--store", store)
        service = SearchService.open(store, device="cpu")
        bare = Bare(service, store)
        figures = {
            "products": chosen.products,
            "image_size": bare.side,
            "dimension": bare.dimension,
            "one_query": one_query(service, bare, [path.read_bytes() for path in asked[: QUERIES + WARM]]),
            "cold_process": cold(store, asked[0]),
            "folder": folder_rates(service, bare, catalog[:1000]),
        }
    print(figures)
    print(write_record("search", figures))


if __name__ == "__main__":
    main()
