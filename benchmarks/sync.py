"""`lookalike sync` on Fashion-MNIST as 70,000 PNG files: nothing changed, one in a hundred, and a full build.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.sync [--folder WHERE]

FOLDER holds `fashion_mnist/`, see benchmarks/fashion_mnist.py. The encoder is that benchmark's, after one epoch: how
good it is does not matter here. A full build is scan and index of a store without any vector. All are whole processes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmarks.fashion_mnist import RECIPE, write_pictures
from benchmarks.main_job import lookalike
from benchmarks.record import write_record
from catalog.store import Store
from training.runs import newest_finished

ROUNDS = 5
PART = 0.01
"""Of the photos, how many change: half are overwritten, a quarter deleted, a quarter new."""
MOST_SECONDS, MOST_PART = 5.0, 0.03
"""The bars: of a sync where nothing has changed, and of one in a hundred as a part of a full build."""


def change_some(pictures: Path, seed: int) -> int:
    """Overwrite, delete and add pictures; returns how many."""
    files = sorted(pictures.rglob("*.png"))
    chosen = np.random.default_rng(seed).choice(len(files), round(PART * len(files)), replace=False)
    half, quarter = len(chosen) // 2, len(chosen) // 4
    for place in chosen[:half]:
        ImageOps.invert(Image.open(files[place])).save(files[place])
    for place in chosen[half : half + quarter]:
        files[place].unlink()
    for place in chosen[half + quarter :]:
        ImageOps.flip(Image.open(files[place])).save(files[place].with_name(f"new-{files[place].name}"))
    return len(chosen)


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, help="where pictures and store go, and stay; default: a temporary one")
    chosen = options.parse_args()
    source = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "fashion_mnist"
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        pictures, store = folder / "sync-pictures", folder / "sync-store"
        shutil.rmtree(pictures, ignore_errors=True)
        write_pictures(source, pictures)
        full = lookalike("scan", pictures, "--store", store, "--reopen")
        if newest_finished(Store.open(store)) is None:
            lookalike("train", "--store", store, "--epochs", "1", *RECIPE)
        shutil.rmtree(store / "embeddings", ignore_errors=True)
        full += lookalike("index", "--store", store, "--force")
        unchanged = [lookalike("sync", "--store", store) for _ in range(ROUNDS)]
        changed, some = 0, []
        for seed in range(ROUNDS):
            changed = change_some(pictures, seed)
            some.append(lookalike("sync", "--store", store))
        part = statistics.median(some) / full
        figures = {
            "photos": 70_000,
            "full_build_seconds": round(full, 1),
            "unchanged_seconds": [round(seconds, 2) for seconds in unchanged],
            "unchanged_bar_met": statistics.median(unchanged) <= MOST_SECONDS,
            "changed": changed,
            "changed_seconds": [round(seconds, 2) for seconds in some],
            "changed_part_of_full": round(part, 4),
            "changed_bar_met": part <= MOST_PART,
        }
    print(figures)
    print(write_record("sync", figures))


if __name__ == "__main__":
    main()
