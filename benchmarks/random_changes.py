"""A catalog that changes 10,000 times, taken in by `sync`, on every kind of index: does it end as a fresh build does?

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.random_changes [--kinds exact,ivf,hnsw,ivf-pq] [--rounds 20]

FOLDER holds `fashion_mnist/`, see benchmarks/fashion_mnist.py: real pictures, each used once. In every round 500 of
them are added, overwritten, deleted or renamed at random, and one `sync` follows. After each the photos and their
image_ids are held against a plain model of what happened; at the end the answers against NumPy over the vectors of a
store that was scanned and built anew. The encoder is that benchmark's after one epoch: how good it is does not matter.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.fashion_mnist import RECIPE, read_idx
from benchmarks.main_job import lookalike
from benchmarks.record import write_record
from catalog.store import Store
from index.blocks import weigh
from index.build import build_version
from index.colour_weights import COLOUR_GRID
from index.config import IndexConfig, SyncConfig
from index.loading import LoadedVersion, load_current
from index.promise import TIE
from index.query import vectors_at
from index.sync import sync

Pictures = npt.NDArray[np.uint8]
"""(N, 28, 28)."""

BEGIN_WITH = 3_000
TOGETHER = 500
"""Operations between two syncs."""
QUERIES, K = 1_000, 10
OPERATIONS = ("add", "change", "delete", "rename")


@dataclass
class Catalog:
    """A folder of pictures, and what lookalike must make of its changes."""

    folder: Path
    pictures: Iterator[Any]
    random: np.random.Generator
    content: dict[str, int] = field(default_factory=dict)
    """The number of the picture in each file."""
    ids: dict[str, int] = field(default_factory=dict)
    """The image_id of each file, as of the last sync."""
    next_id: int = 0
    written: int = 0

    def change(self) -> str:
        """One operation at random; returns which."""
        operation = OPERATIONS[self.random.integers(len(OPERATIONS))]
        names = list(self.content)
        name = names[self.random.integers(len(names))]
        if operation == "add":
            self._write(self._new_name())
        elif operation == "change":
            self._write(name)
        elif operation == "delete":
            (self.folder / name).unlink()
            del self.content[name]
        else:
            renamed = self._new_name()
            (self.folder / name).rename(self.folder / renamed)
            self.content[renamed] = self.content.pop(name)
        return operation

    def expected_ids(self, before: dict[str, int]) -> dict[str, int | None]:
        """The image_id that each file must have, None for a new one.

        A file keeps its number by its name, and one that has come by the content of one that has gone.

        Args:
            before: content by name, as of the last sync.
        """
        gone = {picture: self.ids[name] for name, picture in before.items() if name not in self.content}
        return {name: self.ids.get(name, gone.get(picture)) for name, picture in self.content.items()}

    def add(self, count: int) -> None:
        """Write that many new pictures."""
        for _ in range(count):
            self._write(self._new_name())

    def _new_name(self) -> str:
        return f"{self.random.integers(8)}/{self.written:06d}-{self.random.integers(1 << 30)}.png"

    def _write(self, name: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(next(self.pictures)).save(self.folder / name)
        self.content[name] = self.written
        self.written += 1


def check_photos(catalog: Catalog, before: dict[str, int], loaded: LoadedVersion) -> None:
    """Hold the version's photos and their numbers against what happened.

    Raises:
        AssertionError: they differ.
    """
    table = loaded.items.table
    found = dict(zip(table["path"].to_pylist(), table["image_id"].to_pylist(), strict=True))
    expected = catalog.expected_ids(before)
    assert found.keys() == expected.keys(), "other photos than the folder's"
    new = sorted(found[name] for name, number in expected.items() if number is None)
    assert all(found[name] == number for name, number in expected.items() if number is not None), "an id has shifted"
    assert new == list(range(catalog.next_id, catalog.next_id + len(new))), "new ids are not the next free ones"
    catalog.ids, catalog.next_id = found, catalog.next_id + len(new)


def against_a_fresh_build(store: Path, pictures: Path, folder: Path, queries: list[Image.Image]) -> dict[str, Any]:
    """Recall@10 at every weight of the colours, by NumPy over the vectors of a fresh store of the same encoder."""
    fresh = folder / "fresh"
    lookalike("scan", pictures, "--store", fresh)
    shutil.copytree(store / "runs", fresh / "runs")
    build_version(IndexConfig(store=fresh, kind="exact", device="cpu"))
    found, anew = (load_current(Store.open(one), "cpu") for one in (store, fresh))
    assert found.version.encoder_sha256 == anew.version.encoder_sha256
    vectors = vectors_at(anew.index, np.arange(len(anew.index)))
    asked = anew.embedder.embed([anew.embedder.prepare(photo) for photo in queries])
    paths = [np.array(one.items.table["path"].to_pylist()) for one in (found, anew)]
    row_of = {path: row for row, path in enumerate(paths[1])}
    recalls, differing = {}, 0
    for weight in COLOUR_GRID:
        weighed = weigh(asked, anew.version.blocks, weight)
        similarities = weighed @ vectors.T
        best = np.sort(similarities, axis=1)[:, ::-1][:, :K]
        answer = found.index.search(weighed, K)
        rows = np.array([[row_of[path] for path in paths[0][positions]] for positions in answer.positions])
        true = np.take_along_axis(similarities, rows, axis=1)  # of what was found, by the fresh vectors
        recalls[f"{weight:g}"] = round(float((true >= best[:, -1:] - TIE).mean()), 4)
        differing += int((np.abs(answer.similarities - best) > 10 * TIE).any(axis=1).sum())
    return {"recall_at_10": recalls, "answers_that_differ": differing, "answers": QUERIES * len(COLOUR_GRID)}


def run(kind: str, drawn: Pictures, others: Pictures, folder: Path, rounds: int) -> dict[str, Any]:
    """All of it for one kind.

    Args:
        drawn: what the catalog is made of, no two the same.
        others: what queries are drawn from.
    """
    random = np.random.default_rng(0)
    asked = others[random.permutation(len(others))[:QUERIES]]
    catalog = Catalog(folder / "pictures", (drawn[place] for place in random.permutation(len(drawn))), random)
    catalog.add(BEGIN_WITH)
    store = folder / "store"
    lookalike("scan", catalog.folder, "--store", store)
    lookalike("train", "--store", store, "--epochs", "1", *RECIPE)
    lookalike("index", "--store", store, "--kind", kind)
    check_photos(catalog, {}, load_current(Store.open(store), "cpu"))
    done = dict.fromkeys(OPERATIONS, 0)
    least, seconds, built = 1.0, 0.0, set()
    for _ in range(rounds):
        before = dict(catalog.content)
        for _ in range(TOGETHER):
            done[catalog.change()] += 1
        begun = time.monotonic()
        summary = sync(SyncConfig(store=store, device="cpu"))
        seconds += time.monotonic() - begun
        loaded = load_current(Store.open(store), "cpu")
        check_photos(catalog, before, loaded)
        least = min(least, summary.version.recall)
        built.add(summary.version.kind)
        print(summary, flush=True)
    queries = [Image.fromarray(picture).convert("RGB") for picture in asked]
    return {
        "operations": done,
        "photos_at_the_end": len(catalog.content),
        "kind": sorted(built),
        "least_recall_measured_by_sync": round(least, 4),
        "seconds_per_sync": round(seconds / rounds, 2),
        **against_a_fresh_build(store, catalog.folder, folder, queries),
    }


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kinds", default="exact,ivf,hnsw,ivf-pq")
    options.add_argument("--rounds", type=int, default=20)
    chosen = options.parse_args()
    source = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "fashion_mnist"
    drawn = np.unique(read_idx(source / "train-images-idx3-ubyte.gz"), axis=0)
    others = read_idx(source / "t10k-images-idx3-ubyte.gz")
    figures = {}
    for kind in chosen.kinds.split(","):
        with tempfile.TemporaryDirectory() as folder:
            figures[kind] = run(kind, drawn, others, Path(folder), chosen.rounds)
            print(kind, figures[kind], flush=True)
    print(write_record("random-changes", figures))


if __name__ == "__main__":
    main()
