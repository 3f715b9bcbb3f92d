"""Training from nothing: Fashion-MNIST as an unlabelled catalog of PNG files, no pretrained weights.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.fashion_mnist [--epochs 40] [--folder WHERE]

FOLDER holds `fashion_mnist/` with the four raw idx files of the data set. They are written out as PNG, one folder per
label; the labels are read by the evaluation only. The 60,000 training pictures are the catalog, the 10,000 test
pictures the queries: kNN and a linear probe on the frozen encoder. A run that --folder holds already is evaluated, not
trained again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.main_job import lookalike
from benchmarks.record import write_record
from catalog.store import Store
from training.evaluation.config import EvaluateConfig
from training.evaluation.evaluate import evaluate
from training.runs import newest_finished, run_to_use

NAMES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")
SPLITS = {"train": "train", "test": "t10k"}
RECIPE = (
    *("--encoder", "resnet10_narrow", "--weights", "none", "--batch-size", "256", "--image-size", "28"),
    *("--pixels-side", "28", "--views.size", "28", "--views.min-area", "0.6", "--views.hue", "0", "--views.grey", "0"),
    *("--views.saturation", "0", "--views.brightness", "0.4", "--views.contrast", "0.4", "--views.blur", "0"),
    *("--learning-rate", "3e-3", "--head-learning-rate", "3e-3", "--projection-dim", "128", "--temperature", "0.1"),
)


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array in a gzipped idx file: uint8, of the shape its header names."""
    with gzip.open(path) as file:
        content = file.read()
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def write_pictures(source: Path, target: Path) -> None:
    """Write both splits as PNG files, `<split>/<label>/<number>.png`; what is there already is kept."""
    for split, prefix in SPLITS.items():
        if (target / split).is_dir():
            continue
        pictures = read_idx(source / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz")
        for name in NAMES:
            (target / f"{split}.part" / name).mkdir(parents=True, exist_ok=True)
        for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            Image.fromarray(picture).save(target / f"{split}.part" / NAMES[label] / f"{number:05d}.png")
        (target / f"{split}.part").rename(target / split)


def main() -> None:
    """Write the pictures, train, evaluate, record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--epochs", default="40", help="how long to train; each picture is seen in two views an epoch")
    options.add_argument("--folder", type=Path, help="where pictures and store go, and stay; default: a temporary one")
    chosen = options.parse_args()
    source = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "fashion_mnist"
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        write_pictures(source, folder)
        store = folder / "store"
        lookalike("scan", folder / "train", "--store", store)
        if newest_finished(Store.open(store)) is None:
            lookalike("train", "--store", store, "--epochs", chosen.epochs, *RECIPE)
        run = run_to_use(Store.open(store))
        trained = json.loads(run.result_file.read_text(encoding="utf-8"))
        result = evaluate(
            EvaluateConfig(store=store, labels="folder", queries=folder / "test", photos=60_000, altered=200)
        )
        print(result)
        figures = {
            "recipe": " ".join(RECIPE),
            "photos": trained["photos"],
            "epochs": trained["epochs"],
            "views_shown": 2 * trained["photos"] * trained["epochs"],
            "training_minutes": round(trained["seconds"] / 60, 1),
            "backbone_moved": round(trained["moved"], 3),
            "evaluation_minutes": round(result.figures["seconds"] / 60, 1),
            "embeddings": {
                name: {
                    "knn_accuracy": one["category"]["mean"]["knn_accuracy"],
                    "recall@1": one["category"]["mean"]["recall@1"],
                    "map@r": one["category"]["mean"]["map@r"],
                    "linear_probe_accuracy": one.get("linear_probe", {}).get("accuracy"),
                }
                for name, one in result.figures["embeddings"].items()
            },
        }
    print(write_record("fashion-mnist", figures))


if __name__ == "__main__":
    main()
