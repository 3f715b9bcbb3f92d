"""Interruptions: training by SIGTERM and kill -9 at 20 moments each, and evaluation by SIGTERM.

    python -m benchmarks.interruptions [--times 20] [--of training evaluation]

A small run on drawn photos is trained once without interruption. Then, again and again, the same run is interrupted
after a delay that is drawn anew, and gone on with. Recorded are exit codes, the seconds from the signal to the exit,
what the run was doing, and whether its weights are those of the uninterrupted run, to the bit; every other run has two
loader threads, the rest none. `evaluate` of the uninterrupted run is ended by SIGTERM after drawn delays, too.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.main_job import COMMAND, lookalike
from benchmarks.record import write_record
from catalog.sample.catalog import SampleConfig, draw_sample
from training.checkpoint import load_checkpoint

RECIPE = (
    *("--encoder", "mobilenet_v3_small", "--weights", "none", "--epochs", "6", "--batch-size", "32"),
    *("--views.size", "64", "--pixels-side", "96", "--image-size", "96", "--patience", "6", "--device", "cpu"),
)
"""Patience makes every epoch end with a measurement that takes longer than the epoch: half of the signals meet one."""


def start(store: Path, *options: str) -> subprocess.Popen[str]:
    """Begin a command in a process of its own."""
    line = [*COMMAND, *options, "--store", str(store)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_first_row(process: subprocess.Popen[str], store: Path, name: str) -> None:
    """Until the run has begun to learn, or has ended."""
    metrics = store / "runs" / name / "metrics.jsonl"
    while not metrics.exists() and process.poll() is None:
        time.sleep(0.01)


def same_weights(store: Path, one: str, other: str) -> bool:
    """Whether two runs' encoders are equal to the bit."""
    a, b = (load_checkpoint(store / "runs" / name / "checkpoint.safetensors").weights for name in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def end_by_signal(process: subprocess.Popen[str], number: signal.Signals, delay: float) -> dict[str, Any]:
    """Send a signal after a delay, and tell how the process ended."""
    time.sleep(delay)
    begun = time.monotonic()
    process.send_signal(number)
    told, _ = process.communicate()
    return {
        "delay": round(delay, 2),
        "exit_code": process.returncode,
        "seconds_to_exit": round(time.monotonic() - begun, 2),
        "last_said": told.strip().splitlines()[-1] if told.strip() else "",
    }


def interrupt(store: Path, name: str, number: signal.Signals, delay: float, workers: int) -> dict[str, Any]:
    """Interrupt one run after a delay, go on with it, and compare its end."""
    process = start(store, "train", "--name", name, "--workers", str(workers), *RECIPE)
    wait_for_first_row(process, store, name)
    ended = end_by_signal(process, number, delay)
    resumed = start(store, "train", "--name", name, "--resume")
    resumed.communicate()
    return {
        **ended,
        "workers": workers,
        "resumed_exit_code": resumed.returncode,
        "same_weights": same_weights(store, "whole", name),
    }


def summed_up(runs: list[dict[str, Any]], expected: int) -> dict[str, Any]:
    """How often it went as it should, and how long it took."""
    return {
        "times": len(runs),
        "right_exit_code": sum(run["exit_code"] == expected for run in runs),
        "longest_seconds_to_exit": max(run["seconds_to_exit"] for run in runs),
        "median_seconds_to_exit": statistics.median(run["seconds_to_exit"] for run in runs),
    }


def interrupt_evaluation(store: Path, times: int) -> list[dict[str, Any]]:
    """SIGTERM to `evaluate`, at moments all over its length; the delays reach from the start of the process."""
    begun = time.monotonic()
    start(store, "evaluate", "--run", "whole", "--labels", "category").communicate()
    length = time.monotonic() - begun
    delays = np.random.default_rng(1).uniform(1.0, 0.9 * length, times)
    return [
        end_by_signal(start(store, "evaluate", "--run", "whole", "--labels", "category"), signal.SIGTERM, float(delay))
        for delay in delays
    ]


def interrupt_training(store: Path, times: int, length: float) -> dict[str, Any]:
    """SIGTERM and kill -9 to runs like the whole one, and how each went on."""
    figures: dict[str, Any] = {}
    for number, expected in ((signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)):
        delays = np.random.default_rng(0).uniform(0, 0.9 * length, times)
        runs = []
        for place, delay in enumerate(delays):
            runs.append(interrupt(store, f"{number.name.lower()}-{place}", number, float(delay), 2 * (place % 2)))
            print(number.name, runs[-1], flush=True)
        figures[number.name] = {
            **summed_up(runs, expected),
            "resumed_to_the_same_weights": sum(run["same_weights"] for run in runs),
            "runs": runs,
        }
    return figures


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--times", type=int, default=20)
    options.add_argument("--of", nargs="+", choices=("training", "evaluation"), default=["training", "evaluation"])
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sample = draw_sample(SampleConfig(folder=Path(folder) / "sample", products=120, image_size=128))
        store = Path(folder) / "store"
        lookalike("scan", sample.table, "--store", store)
        whole = start(store, "train", "--name", "whole", *RECIPE)
        wait_for_first_row(whole, store, "whole")
        begun = time.monotonic()
        whole.communicate()
        length = time.monotonic() - begun
        figures = {"recipe": " ".join(RECIPE), "uninterrupted_seconds": round(length, 1)}
        if "training" in chosen.of:
            interrupted = interrupt_training(store, chosen.times, length)
            print(write_record("interruptions-of-training", {**figures, **interrupted}))
        if "evaluation" in chosen.of:
            runs = interrupt_evaluation(store, chosen.times)
            ended = {"SIGTERM": {**summed_up(runs, 143), "runs": runs}}
            print(write_record("interruptions-of-evaluation", {**figures, **ended}))


if __name__ == "__main__":
    main()
