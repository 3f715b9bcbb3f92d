"""Interrupted training: SIGTERM and kill -9 at 20 moments each, also while it measures; each run goes on to its end.

    python -m benchmarks.interruptions [--times 20]

A small run on drawn photos is trained once without interruption. Then, again and again, the same run is interrupted
after a delay that is drawn anew, and gone on with. Recorded are exit codes, the seconds from the signal to the exit,
what the run was doing, and whether its weights are those of the uninterrupted run, to the bit.
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


def start(store: Path, name: str, *options: str) -> subprocess.Popen[str]:
    """Begin a training in a process of its own."""
    line = [*COMMAND, "train", "--store", str(store), "--name", name, *options]
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


def interrupt(store: Path, name: str, number: signal.Signals, delay: float) -> dict[str, Any]:
    """Interrupt one run after a delay, go on with it, and compare its end."""
    process = start(store, name, *RECIPE)
    wait_for_first_row(process, store, name)
    time.sleep(delay)
    begun = time.monotonic()
    process.send_signal(number)
    told, _ = process.communicate()
    seconds = time.monotonic() - begun
    resumed = start(store, name, "--resume")
    resumed.communicate()
    return {
        "delay": round(delay, 2),
        "exit_code": process.returncode,
        "seconds_to_exit": round(seconds, 2),
        "last_said": told.strip().splitlines()[-1] if told.strip() else "",
        "resumed_exit_code": resumed.returncode,
        "same_weights": same_weights(store, "whole", name),
    }


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--times", type=int, default=20)
    times = options.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        sample = draw_sample(SampleConfig(folder=Path(folder) / "sample", products=120, image_size=128))
        store = Path(folder) / "store"
        lookalike("scan", sample.table, "--store", store)
        whole = start(store, "whole", *RECIPE)
        wait_for_first_row(whole, store, "whole")
        begun = time.monotonic()
        whole.communicate()
        length = time.monotonic() - begun
        print(f"uninterrupted: {length:.1f} s", flush=True)
        found: dict[str, list[dict[str, Any]]] = {}
        for number in (signal.SIGTERM, signal.SIGKILL):
            delays = np.random.default_rng(0).uniform(0, 0.9 * length, times)
            found[number.name] = []
            for place, delay in enumerate(delays):
                one = interrupt(store, f"{number.name.lower()}-{place}", number, float(delay))
                found[number.name].append(one)
                print(number.name, one, flush=True)
        expected = {"SIGTERM": 143, "SIGKILL": -signal.SIGKILL}
        figures = {
            "recipe": " ".join(RECIPE),
            "uninterrupted_seconds": round(length, 1),
            **{
                name: {
                    "times": len(runs),
                    "right_exit_code": sum(run["exit_code"] == expected[name] for run in runs),
                    "longest_seconds_to_exit": max(run["seconds_to_exit"] for run in runs),
                    "median_seconds_to_exit": statistics.median(run["seconds_to_exit"] for run in runs),
                    "resumed_to_the_same_weights": sum(run["same_weights"] for run in runs),
                    "runs": runs,
                }
                for name, runs in found.items()
            },
        }
    print(write_record("interruptions", figures))


if __name__ == "__main__":
    main()
