"""The main job on real photos, by the same commands as people use: times, how good the answers are, photos that find
themselves.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.main_job [--preset fast --split val]

FOLDER holds `clothing/`, a copy of the Clothing dataset (small) by Alexey Grigorev: images/train, images/val and
images/test, each with one folder per category. The test photos are asked once, at the end; no setting was chosen on
them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.record import write_record
from catalog.manifest import Manifest
from catalog.store import Store
from search.question import Question
from search.service import SearchService

COMMAND = (sys.executable, "-c", "from ui.command import main; main()")
"""What `lookalike` is, without its being installed."""
COLOURLESS = ("--colour", "same-design")
"""The labels say nothing of colours; what the colour block does to them: benchmarks/colour.py."""
K = 10
SELF_QUERIES = 500
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Commands run as on anyone's machine, where Python keeps what it compiled; else each begins with a second of that."""


def lookalike(*arguments: str | Path) -> float:
    """Run a command; returns the seconds it took."""
    begun = time.monotonic()
    line = [str(argument) for argument in arguments]
    print("$ lookalike", *line, flush=True)
    subprocess.run([*COMMAND, *line], check=True, env=ENVIRONMENT)
    return time.monotonic() - begun


def category_recall(output: Path) -> dict[str, float]:
    """How often rank 1 shares the query's category (its folder's name), plain and as the mean over categories."""
    answers = pd.read_csv(output)
    first = answers[answers["rank"] == 1]
    right = first["query"].str.split("/").str[0] == first["path"].str.split("/").str[0]
    by_category = right.groupby(first["query"].str.split("/").str[0]).mean()
    return {
        "rows": len(answers),
        "queries": len(first),
        "r_at_1": round(float(right.mean()), 4),
        "r_at_1_macro": round(float(by_category.mean()), 4),
    }


def self_retrieval(store: Path) -> dict[str, Any]:
    """Photos of the catalog as queries: how many find themselves first, with which least similarity."""
    service = SearchService.open(store)
    items = Manifest.read(Store.open(store).manifest_file)
    rows = np.random.default_rng(0).choice(len(items), min(SELF_QUERIES, len(items)), replace=False)
    found, least = 0, 1.0
    for row in rows:
        item = items.item(int(row))
        best = service.search(service.photo_path(item.image_id).read_bytes(), Question(k=1)).matches[0]
        found += best.item.sha256 == item.sha256
        least = min(least, best.similarity)
    return {"asked": len(rows), "first": found, "least_similarity": round(least, 6)}


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--preset", default="balanced")
    options.add_argument("--split", choices=("test", "val"), default="test", help="the queries")
    chosen = options.parse_args()
    preset = chosen.preset
    photos = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "clothing" / "images"
    queries = photos / chosen.split
    with tempfile.TemporaryDirectory() as folder:
        store, output = Path(folder) / "store", Path(folder) / "out.csv"
        seconds = {"scan": lookalike("scan", photos / "train", "--store", store)}
        seconds["index_untrained"] = lookalike("index", "--encoder", "imagenet", "--store", store)
        lookalike("search", queries, "--store", store, "-k", str(K), "--output", output, *COLOURLESS)
        start = category_recall(output)
        seconds["train"] = lookalike("train", "--preset", preset, "--store", store)
        seconds["index"] = lookalike("index", "--store", store)
        seconds["search"] = lookalike(
            "search", queries, "--store", store, "-k", str(K), "--output", output, *COLOURLESS
        )
        seconds["evaluate"] = lookalike("evaluate", "--store", store, "--labels", "folder", "--queries", queries)
        evaluation = json.loads((store / "runs" / "run-1" / "evaluation.json").read_text())
        end_to_end = sum(seconds[name] for name in ("scan", "train", "index", "search"))
        figures = {
            "preset": preset,
            "split": chosen.split,
            "seconds": {name: round(value, 1) for name, value in seconds.items()},
            "scan_train_index_search_minutes": round(end_to_end / 60, 1),
            "untrained_index": start,
            "trained_index": category_recall(output),
            "finds_itself": self_retrieval(store),
            "evaluation": {
                name: evaluation[name] for name in ("indexed", "embeddings", "indexed_minus_imagenet_start")
            },
        }
    print(write_record("main-job" if preset == "balanced" else f"main-job-{preset}", figures))


if __name__ == "__main__":
    main()
