"""Speed of training: lookalike beside lightly's own SimCLR, from the same JPEG files, in one run on the CPU.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.training --lightly PYTHON

FOLDER holds `clothing/`, a copy of the Clothing dataset (small) by Alexey Grigorev, with images/train in it. PYTHON is
that of an environment outside the project which has lightly, and for everything else looks into the project's:

    uv venv --python .venv/bin/python /tmp/peer
    .venv/bin/python -c 'import site; print(*site.getsitepackages())' > /tmp/peer/lib/python3.11/site-packages/ours.pth
    uv pip install --python /tmp/peer --no-deps lightly lightly-utils pytorch-lightning lightning-utilities torchmetrics
    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.training --lightly /tmp/peer/bin/python

Both sides train ResNet-18 (torchvision's, 7x7 stem) with an MLP head from random weights, on batches of 64 photos in
two views of lightly's distributions, with the same torch and as many threads. Ours runs the project's own functions,
optimiser and precision over a filled pixel cache, as every epoch after a catalog's first; what decoding adds to that
first one is given beside it. In each round, after lightly's and our views/s, the two parts of ours are timed alone:
making views, and a bare step (forward, loss, backward, optimiser) on views made before. Rates are medians over the
rounds, ratios medians of each round's ratio. At last a small run of `train` counts the photo files opened per epoch.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.our_side import BATCH, WARM, begin, seconds_per_step_and_view, seconds_per_view, training_rate
from benchmarks.record import write_record
from catalog.config import ScanConfig
from catalog.manifest import Manifest
from catalog.scan import scan
from catalog.store import Store
from training.config import TrainConfig, ViewConfig
from training.memory import keep_freed_memory
from training.photos import TrainingPhotos, training_photos
from training.train import train

STEPS = {64: 16, 128: 6}
"""Steps that are timed in each round, by the views' side."""


class Lightly:
    """The process that runs `benchmarks/lightly_side.py`; `about` holds its versions."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.about: dict[str, Any] = json.loads(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(
                "--lightly must be a Python with lightly (benchmarks/training.py says how); its side ended"
            )
        return line

    def training_rate(self, side: int, steps: int) -> float:
        """Views/s."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{side} {WARM} {steps}\n")
        self._process.stdin.flush()
        return float(self._answer())


@contextmanager
def lightly(python: str, photos: Path) -> Iterator[Lightly]:
    """Start lightly's side, check that it computes with the same torch, and end it."""
    script = Path(__file__).parent / "lightly_side.py"
    line = [python, "-P", str(script), str(photos), str(BATCH), str(torch.get_num_threads())]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        side = Lightly(process)
        if side.about["torch"] != torch.__version__:
            raise SystemExit(
                f"lightly's environment must have torch {torch.__version__}; received {side.about['torch']}: "
                "make it as benchmarks/training.py says"
            )
        yield side


def compare(peer: Lightly, photos: TrainingPhotos, rounds: int) -> dict[str, Any]:
    """Both sides in turn, `rounds` times: figures by the views' side."""
    ours = {side: begin(photos, side) for side in STEPS}
    rows: dict[int, list[dict[str, float]]] = {side: [] for side in STEPS}
    for epoch in range(rounds):
        for side, steps in STEPS.items():
            theirs = peer.training_rate(side, steps)
            rate = training_rate(ours[side], epoch, steps)
            t_views = seconds_per_view(ours[side], epoch, steps)
            t_step = seconds_per_step_and_view(ours[side], epoch, steps)
            row = {
                "lightly_views_per_second": theirs,
                "views_per_second": rate,
                "t_views_ms": t_views * 1e3,
                "t_step_ms": t_step * 1e3,
                "times_lightly": rate / theirs,
                "of_the_bound": rate * (t_step + t_views),
            }
            rows[side].append({name: round(value, 4) for name, value in row.items()})
            print(f"round {epoch + 1}, {side} px: {rows[side][-1]}", flush=True)
    return {
        f"{side}px": {
            "precision": ours[side].precision,
            **{name: round(median(row[name] for row in rows[side]), 3) for name in rows[side][0]},
            "rounds": rows[side],
        }
        for side in STEPS
    }


def files_opened_per_epoch(photos: Path, folder: Path, count: int = 128, epochs: int = 3) -> list[int]:
    """How many photo files `train` opens in each epoch, decoding before the first one counted to it.

    The run has one more epoch, which is not counted: at its end, it chooses the layer to index on the files themselves.
    """
    chosen = folder / "photos"
    chosen.mkdir()
    for number, path in enumerate(islice(sorted(photos.rglob("*.jpg")), count)):
        shutil.copyfile(path, chosen / f"{number}.jpg")
    store = folder / "counted"
    scan(ScanConfig(catalog=chosen, store=store))
    opened = [0]

    def count_photos(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith(".jpg"):
            opened[-1] += 1

    def next_epoch(line: str) -> None:
        if line.startswith("epoch "):
            opened.append(0)

    sys.addaudithook(count_photos)  # cannot be taken away again, so this measurement comes last
    config = TrainConfig(store=store, encoder="resnet10_narrow", weights="none", epochs=epochs + 1, device="cpu")
    train(replace(config, batch_size=BATCH, image_size=32, views=ViewConfig(size=32)), next_epoch)
    return opened[:epochs]


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--lightly", required=True, metavar="PYTHON", help="of an environment that has lightly")
    options.add_argument("--rounds", type=int, default=4)
    asked = options.parse_args()
    photos = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")).resolve() / "clothing" / "images" / "train"
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "store"
        scan(ScanConfig(catalog=photos, store=root))
        store = Store.open(root)
        begun = time.perf_counter()
        pixels = training_photos(store, Manifest.read(store.manifest_file), TrainConfig().pixels_side, print)
        decode_seconds = time.perf_counter() - begun
        with lightly(asked.lightly, photos) as peer:
            sizes, about = compare(peer, pixels, asked.rounds), peer.about
        for figures in sizes.values():
            epoch_seconds = 2 * len(pixels) / figures["views_per_second"]
            figures["views_per_second_with_decoding"] = round(2 * len(pixels) / (decode_seconds + epoch_seconds), 1)
        opened = files_opened_per_epoch(photos, Path(folder))
    result = {
        "photos": len(pixels),
        "batch": BATCH,
        "threads": torch.get_num_threads(),
        "lightly": about,
        "decoded_photos_per_second": round(len(pixels) / decode_seconds),
        "files_opened_per_epoch": opened,
        **sizes,
        "bars_met": {
            "at least 2.0 x lightly": all(figures["times_lightly"] >= 2 for figures in sizes.values()),
            "at least 0.9 / (t_step + t_views)": all(figures["of_the_bound"] >= 0.9 for figures in sizes.values()),
            "no file opened from the second epoch on": not any(opened[1:]),
        },
    }
    print(write_record("training-speed", result))
    print(result["bars_met"])


if __name__ == "__main__":
    main()
