"""How right `lookalike tag` is: categories of real photos, every fifth emptied, proposed, and held against the truth.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.tag

The val and test photos of the Clothing dataset (small), FOLDER/clothing/images, indexed by the untrained encoder, with
the names of their folders as the column. Nothing was chosen on them: the vote is that of `train --knn-column`.
"""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.main_job import lookalike
from benchmarks.record import write_record
from catalog.files import find_photos
from search.tag import tag
from search.tag_config import TagConfig

EMPTIED = 5
"""One category in so many is emptied."""


def main() -> None:
    """Measure and record."""
    images = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "clothing" / "images"
    paths = [f"{part}/{path}" for part in ("val", "test") for path in find_photos(images / part).paths]
    truth = {path: Path(path).parent.name for path in paths}
    emptied = set(np.random.default_rng(0).choice(paths, len(paths) // EMPTIED, replace=False).tolist())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table, store, output = folder / "table.csv", folder / "store", folder / "proposals.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("path", "category"))
            writer.writerows((path, "" if path in emptied else truth[path]) for path in paths)
        lookalike("scan", table, "--root", images, "--store", store)
        lookalike("index", "--encoder", "imagenet", "--store", store)
        summary = tag(TagConfig(column="category", store=store, output=str(output)))
        print(summary)
        proposals = pd.read_csv(output)
    right = proposals["proposed"] == proposals["path"].map(truth)
    sure = proposals["confidence"] >= 0.9
    figures = {
        "known": len(summary.judged.values),
        "categories": len(summary.judged.names),
        "leave_one_out_accuracy": round(summary.judged.accuracy, 4),
        "by_confidence": [
            {"from": low, "to": high, "products": count, "mean_confidence": round(mean, 4), "right": round(part, 4)}
            for low, high, count, mean, part in summary.judged.by_band()
        ],
        "emptied": len(proposals),
        "emptied_right": round(float(right.mean()), 4),
        "emptied_mean_confidence": round(float(proposals["confidence"].mean()), 4),
        "emptied_confident_0.9": {"products": int(sure.sum()), "right": round(float(right[sure].mean()), 4)},
        "seconds": round(summary.seconds, 1),
    }
    print(write_record("tag", figures))


if __name__ == "__main__":
    main()
