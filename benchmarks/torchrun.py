"""Two processes under torchrun on two cores against one process pinned to one core: in training, and in embedding.

    python -m benchmarks.torchrun [--rounds 3] [--products 432] [--epochs 3]

Photos of the drawn sample catalog, three of each product. Every process computes with one thread. Each round runs one
process, then two, the next round two, then one. Starting up is not counted: training's rate is the median of the
views a second that the run logs, but for the first row (metrics.jsonl; batches of 128, the default preset); embedding's
is what `embed` says, from when its encoder is ready until all processes are done (the ImageNet start).
The figures that count are medians over the rounds; a ratio is the median of each round's ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.main_job import ENVIRONMENT, lookalike
from benchmarks.record import write_record
from catalog.sample.catalog import SampleConfig, draw_sample
from catalog.store import Store

BAR = 1.6
PROCESSES = (1, 2)
BATCH = 128
"""Photos of a step."""
ONE_THREAD = {**dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"), "GLOO_SOCKET_IFNAME": "lo"}


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured of one kind of work, a number for each round."""

    unit: str
    by_one: list[float] = field(default_factory=list)
    by_two: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """For the record."""
        ratios = [two / one for one, two in zip(self.by_one, self.by_two, strict=True)]
        return {
            "unit": self.unit,
            "one_process_on_one_core": [round(rate, 1) for rate in self.by_one],
            "two_processes_on_two_cores": [round(rate, 1) for rate in self.by_two],
            "medians": [round(median(self.by_one), 1), round(median(self.by_two), 1)],
            "ratios": [round(ratio, 2) for ratio in ratios],
            "ratio": round(median(ratios), 2),
            "bar": BAR,
            "bar_met": median(ratios) >= BAR,
        }


def pinned(processes: int, module: str, *arguments: str | Path) -> str:
    """Run a command of ours as one process, or as two under torchrun, on as many cores; returns what it said."""
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node", str(processes), "-m"]
    started = [sys.executable, "-m"] if processes == 1 else torchrun
    cores = sorted(os.sched_getaffinity(0))[:processes]
    print(f"$ {processes} on cores {cores}:", module, *arguments, flush=True)
    ended = subprocess.run(
        [*started, module, *map(str, arguments)],
        env={**ENVIRONMENT, **ONE_THREAD},
        preexec_fn=partial(os.sched_setaffinity, 0, cores),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return ended.stdout


def training_rate(store: Store, processes: int, epochs: int) -> float:
    """Views/s in training with the default preset."""
    name = f"by-{processes}-{len(list(store.runs_dir.glob('*')))}"
    options = ("--name", name, "--epochs", str(epochs), "--batch-size", str(BATCH), "--device", "cpu")
    pinned(processes, "training", "train", "--store", store.root, *options)
    rows = [json.loads(line) for line in (store.runs_dir / name / "metrics.jsonl").read_text().splitlines()]
    return median(float(row["views_per_second"]) for row in rows[1:])


def embedding_rate(store: Store, processes: int) -> float:
    """Photos/s in embedding with the ImageNet start, which is exported already."""
    for vectors in store.embeddings_dir.glob("*/vectors-*"):
        vectors.unlink()
    said = pinned(processes, "index.embed", "--store", store.root, "--encoder", "imagenet", "--device", "cpu")
    found = re.search(r"\(([0-9.]+) photos/s\)", said)
    assert found, said
    return float(found[1])


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--products", type=int, default=432)
    options.add_argument("--epochs", type=int, default=3, help="of each training, 2 at least; the first is not counted")
    options.add_argument("--no-record", action="store_true", help="only print")
    chosen = options.parse_args()
    training, embedding = Rates("views/s"), Rates("photos/s")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        draw_sample(SampleConfig(folder=folder / "drawn", products=chosen.products))
        lookalike("scan", folder / "drawn", "--store", folder / "store")
        store = Store.open(folder / "store")
        embedding_rate(store, 1)  # exports the encoder
        for number in range(chosen.rounds):
            for processes in PROCESSES if number % 2 == 0 else reversed(PROCESSES):
                rates = training_rate(store, processes, chosen.epochs), embedding_rate(store, processes)
                for kind, rate in zip((training, embedding), rates, strict=True):
                    (kind.by_one if processes == 1 else kind.by_two).append(rate)
                    print(f"{rate:.1f} {kind.unit} by {processes}", flush=True)
    figures = {
        "photos": 3 * chosen.products,
        "photos_in_a_step": BATCH,
        "training": training.figures(),
        "embedding": embedding.figures(),
    }
    print(json.dumps(figures, indent=2))
    if not chosen.no_record:
        print(write_record("torchrun", figures))


if __name__ == "__main__":
    main()
