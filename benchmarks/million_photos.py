"""Training on a catalog of a million photos: what it takes of memory.

    python -m benchmarks.million_photos [--photos 1000000] [--steps 10]

The pixel cache is a sparse file, 150 GB at 224 px of which nothing is on the disk: its photos are all black, so only
memory and time mean something here, not what is learned. Each catalog size is tried in a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from benchmarks.memory import resident_bytes
from benchmarks.record import write_record
from catalog.manifest import Manifest
from catalog.store import Store
from training.config import TrainConfig, ViewConfig
from training.photos import training_photos
from training.start import start_encoder
from training.state import State, new_optimizer
from training.step import epoch_batches, take_step, views_of

SMALL = 10_000
"""The catalog to compare with."""
SIDE = 224


def make_store(root: Path, count: int) -> Store:
    """A store with a manifest of so many photos and a sparse pixel cache that holds them all."""
    root.mkdir()
    store = Store.create(root)
    store.write_catalog({"root": str(root)})
    keys = [hashlib.sha256(str(number).encode()).digest() for number in range(count)]
    table = pa.table(
        {
            "image_id": pa.array(np.arange(count), pa.int64()),
            "item_id": [f"photos/{number:07d}.jpg" for number in range(count)],
            "path": [f"photos/{number:07d}.jpg" for number in range(count)],
            "sha256": [key.hex() for key in keys],
            "width": pa.array(np.full(count, 256), pa.int32()),
            "height": pa.array(np.full(count, 256), pa.int32()),
        }
    )
    Manifest(table).write(store.manifest_file)
    store.pixels_dir.mkdir()
    (store.pixels_dir / f"{SIDE}.keys").write_bytes(b"".join(keys))
    with (store.pixels_dir / f"{SIDE}.records").open("wb") as file:
        file.truncate(count * SIDE * SIDE * 3)
    return store


def measure(root: Path, steps: int) -> dict[str, Any]:
    """Train a few steps; peak memory at each stage, in MB."""
    torch.manual_seed(0)
    store = Store.open(root)
    peaks = {"imports": resident_bytes("VmHWM") // 2**20}
    begun = time.monotonic()
    manifest = Manifest.read(store.manifest_file)
    photos = training_photos(store, manifest, SIDE, print)
    peaks["photos"] = resident_bytes("VmHWM") // 2**20
    config = TrainConfig(
        encoder="mobilenet_v3_small", weights="none", store=root, pixels_side=SIDE, views=ViewConfig(size=64)
    )
    encoder = start_encoder(config)
    state = State(encoder=encoder, optimizer=new_optimizer(encoder, config))
    batches = epoch_batches(config, None, len(photos), 0)
    seconds = {"until_the_first_step": round(time.monotonic() - begun, 1)}
    for batch in batches[:steps]:
        images = views_of(config, photos, batch, 0, torch.device("cpu"))
        take_step(config, state, encoder, batch, images + torch.rand_like(images), "float32")
    peaks["steps"] = resident_bytes("VmHWM") // 2**20
    return {"photos": len(photos), "batches": len(batches), "peak_mb": peaks, "seconds": seconds}


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--photos", type=int, default=1_000_000)
    options.add_argument("--steps", type=int, default=10)
    options.add_argument("--measure", type=Path, help="for the processes that this command starts itself")
    chosen = options.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.measure, chosen.steps)))
        return
    figures: dict[str, Any] = {}
    for count in (SMALL, chosen.photos):
        with tempfile.TemporaryDirectory() as folder:
            store = make_store(Path(folder) / "store", count)
            cache = store.pixels_dir / f"{SIDE}.records"
            size, on_disk = cache.stat().st_size, cache.stat().st_blocks * 512
            line = [sys.executable, "-m", "benchmarks.million_photos", "--measure", str(store.root)]
            line += ["--steps", str(chosen.steps)]
            done = subprocess.run(line, check=True, capture_output=True, text=True)
            figures[str(count)] = {
                "pixel_cache_gb": round(size / 1e9, 1),
                "of_it_on_disk_gb": round(on_disk / 1e9, 1),
                **json.loads(done.stdout.splitlines()[-1]),
            }
            print(figures[str(count)], flush=True)
    small, large = (figures[str(count)]["peak_mb"]["steps"] for count in (SMALL, chosen.photos))
    figures["bytes_per_photo"] = round((large - small) * 1024 * 1024 / (chosen.photos - SMALL))
    print(write_record("million-photos", figures))


if __name__ == "__main__":
    main()
