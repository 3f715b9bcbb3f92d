"""Fine-tuning with few labels and with all: from a SimCLR run, from ImageNet weights, and from nothing.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.finetuning

FOLDER holds `clothing/`, see benchmarks/main_job.py. Catalog, training without labels and training with them: its train
photos. Queries: its test photos, seen once, at the end; no setting was chosen on them. All three starts are the same
network with the same views, and learn from the same labelled photos. A quick trial of the benchmark itself:

    python -m benchmarks.finetuning --per-category 8 --fractions 0.5 --draws 1 --epochs 1 --split val --no-record
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from benchmarks.record import write_record
from catalog.config import ScanConfig
from catalog.errors import UsageError
from catalog.manifest import Manifest
from catalog.scan import scan
from catalog.store import Store
from training.checkpoint import read_header
from training.classifier import load_classifier
from training.config import PRESETS, ViewConfig
from training.device import choose_device
from training.encode_photos import Looking, encode_photos
from training.encoder import Encoder, load_encoder
from training.evaluation.bootstrap import bootstrap_difference, bootstrap_mean
from training.evaluation.classification import Classification
from training.evaluation.retrieval import find_category
from training.finetune import finetune
from training.finetune_config import FinetuneConfig
from training.finetune_start import run_to_fine_tune
from training.photos import TrainingPhotos, column_values, training_photos
from training.runs import Run
from training.start import untrained
from training.train import train

STARTS = ("simclr", "imagenet", "none")
FROM_NOTHING = 1e-3
"""Learning rate of an encoder that begins with random weights; the others keep the default."""
RETRIEVAL = ("recall@1", "map@r")

PerQuery = dict[str, npt.NDArray[np.float64]]
"""Numbers by name, one per query, (Q,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photos:
    """The photos of one part of the data set, each labelled by its folder."""

    store: Store
    photos: TrainingPhotos
    labels: npt.NDArray[np.str_]

    def vectors(self, encoder: Encoder, device: torch.device) -> npt.NDArray[np.float32]:
        """What an index would hold of them: unit norm, (N, D)."""
        spec, network = encoder.spec, encoder.eval().to(device)
        vectors = encode_photos(
            lambda pixels: functional.normalize(getattr(network(pixels), spec.layer), dim=1),
            self.photos,
            np.arange(len(self.photos)),
            Looking(side=spec.image_size, centre_crop=spec.centre_crop, device=device),
            "encoding",
        )
        return np.asarray(vectors.cpu().numpy(), dtype=np.float32)


def open_photos(folder: Path, root: Path) -> Photos:
    """Scan a folder into a store at `root`, or open that store where it is there already."""
    if not root.exists():
        scan(ScanConfig(catalog=folder, store=root))
    store = Store.open(root)
    manifest = Manifest.read(store.manifest_file)
    photos = training_photos(store, manifest, PRESETS["balanced"].pixels_side, print)
    return Photos(store=store, photos=photos, labels=np.array(column_values(manifest, photos, "folder", "--labels")))


def some_of(folder: Path, target: Path, per_category: int) -> Path:
    """Copies of a few photos of each category."""
    for category in sorted(folder.iterdir()):
        (target / category.name).mkdir(parents=True)
        for file in sorted(category.iterdir())[:per_category]:
            shutil.copyfile(file, target / category.name / file.name)
    return target


def retrieval(encoder: Encoder, gallery: Photos, queries: Photos, device: torch.device) -> PerQuery:
    """Whether each query finds its category."""
    asked, offered = queries.vectors(encoder, device), gallery.vectors(encoder, device)
    metrics = find_category(asked, offered, queries.labels, gallery.labels).metrics()
    return {name: metrics[name] for name in RETRIEVAL}


def before(start: str, run: Run, gallery: Photos, queries: Photos, device: torch.device) -> dict[str, Any]:
    """What a start finds before it has seen a label; without a run, its backbone's features."""
    encoder, header = load_encoder(run.checkpoint_file)
    if start != "simclr":
        plain = untrained(header.spec.backbone, image_size=header.spec.image_size, weights=start)
        encoder = Encoder(plain.header.spec)
        encoder.load_state_dict(dict(plain.weights))
    found = retrieval(encoder, gallery, queries, device)
    return {name: bootstrap_mean(values).to_json() for name, values in found.items()}


def fine_tuned(
    config: FinetuneConfig, gallery: Photos, queries: Photos, device: torch.device
) -> tuple[PerQuery, dict[str, float]]:
    """Fine-tune, then classify the queries and search the gallery with them."""
    result = finetune(config)
    classifier = load_classifier(result.checkpoint.parent / "classifier.safetensors")
    encoder = load_encoder(result.checkpoint)[0]
    given = classifier.predict(torch.from_numpy(queries.vectors(encoder, device)))
    told = Classification(truth=queries.labels, predicted=given, learned=np.array(classifier.labels))
    values = {"accuracy": told.correct, **retrieval(encoder, gallery, queries, device)}
    figures = {name: float(value.mean()) for name, value in values.items()}
    return values, {
        "labelled_photos": result.photos,
        "macro_f1": told.macro_f1,
        **figures,
        "seconds": round(result.seconds, 1),
    }


def settings(start: str, run: Run, options: argparse.Namespace, fraction: float, draw: int) -> FinetuneConfig:
    """How one start is fine-tuned; network and views are those of the run."""
    told = read_header(run.checkpoint_file).config
    config = FinetuneConfig(
        labels="folder",
        store=run.folder.parent.parent,
        held_out=0.0,
        label_fraction=fraction,
        seed=draw,
        epochs=options.epochs,
        views=ViewConfig(**told["views"]),
    )
    if start == "simclr":
        return replace(config, run=run.name)
    rate = FROM_NOTHING if start == "none" else config.learning_rate
    return replace(config, encoder=told["encoder"], weights=start, learning_rate=rate)


def differences(values: dict[str, PerQuery]) -> dict[str, Any]:
    """The SimCLR run's lead over each other start, paired by query, with 95 % intervals."""
    return {
        f"simclr minus {other}": {
            name: bootstrap_difference(values["simclr"][name], values[other][name]).to_json()
            for name in values["simclr"]
        }
        for other in values
        if other != "simclr" and "simclr" in values
    }


def compare(options: argparse.Namespace, run: Run, gallery: Photos, queries: Photos) -> dict[str, Any]:
    """Every start with every part of the labels: figures of each draw, and differences of their means."""
    device = choose_device("auto")
    figures: dict[str, Any] = {
        "before": {start: before(start, run, gallery, queries, device) for start in options.starts}
    }
    for fraction in options.fractions:
        draws = range(options.draws if fraction < 1 else 1)
        rows: dict[str, Any] = {}
        means: dict[str, PerQuery] = {}
        for start in options.starts:
            found = [
                fine_tuned(settings(start, run, options, fraction, draw), gallery, queries, device) for draw in draws
            ]
            rows[start] = [row for _, row in found]
            means[start] = {name: np.mean([values[name] for values, _ in found], axis=0) for name in found[0][0]}
            print(f"{fraction:.0%} of the labels, {start}: {rows[start]}", flush=True)
        figures[f"{fraction:.0%}"] = {"draws": rows, **differences(means)}
    return figures


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    options.add_argument("--fractions", nargs="+", type=float, default=[0.01, 0.1, 1.0])
    options.add_argument("--draws", type=int, default=3, help="draws of the labelled photos, where not all are")
    options.add_argument("--epochs", type=int, default=0, help="0: as many as finetune chooses")
    options.add_argument("--preset", default="balanced", help="of the SimCLR run")
    options.add_argument("--train-epochs", type=int, help="of the SimCLR run, instead of the preset's")
    options.add_argument(
        "--store", type=Path, help="a store of the train photos; its newest run of train is then the SimCLR run"
    )
    options.add_argument("--split", choices=("test", "val"), default="test", help="the queries")
    options.add_argument("--per-category", type=int, default=0, help="photos of each category; 0: all")
    options.add_argument("--no-record", action="store_true", help="print the figures only")
    return options.parse_args(arguments)


def main() -> None:
    """Measure and record."""
    options = read_options()
    parts = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "clothing" / "images"
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = {part: parts / part for part in ("train", options.split)}
        if options.per_category:
            sources = {part: some_of(sources[part], folder / part, options.per_category) for part in sources}
        gallery = open_photos(sources["train"], options.store or folder / "gallery")
        queries = open_photos(sources[options.split], folder / "queries")
        try:
            run = run_to_fine_tune(gallery.store)
        except UsageError:
            preset = replace(PRESETS[options.preset], store=gallery.store.root)
            train(replace(preset, epochs=preset.epochs if options.train_epochs is None else options.train_epochs))
            run = run_to_fine_tune(gallery.store)
        figures = {
            "split": options.split,
            "gallery": len(gallery.photos),
            "queries": len(queries.photos),
            "simclr": dict(read_header(run.checkpoint_file).config),
            **compare(options, run, gallery, queries),
            "minutes": round((time.monotonic() - begun) / 60, 1),
        }
    if not options.no_record:
        print(write_record("finetuning", figures))
    print(figures)


if __name__ == "__main__":
    main()
