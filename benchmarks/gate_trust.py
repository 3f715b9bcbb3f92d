"""Can the gate's verdict, which needs no labels, be trusted? Good and bad checkpoints, ordered with labels and without.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.gate_trust --folder CACHE

FOLDER holds `clothing/`, see benchmarks/main_job.py: a catalog of its train photos, asked with its val photos (the test
photos are never opened). The other data set is the drawn sample catalog, asked with its customer photos. For every
ordered pair of checkpoints the gate itself (`index.gate.measure_quality`) holds one as new against the other as in use;
the labels say which of the two finds more. Everything made is kept in CACHE, so that an interrupted benchmark goes on.
A quick trial of the benchmark itself:

    python -m benchmarks.gate_trust --photos 60 --views-shown 128 --view-size 32 --image-size 48 --no-record
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.deliberate_checkpoints import RECIPES, make_checkpoints
from benchmarks.labelled_catalogs import DATA_SETS, DataSet
from benchmarks.pair_order import Comparison, agreement, discordant, gate_decisions, mean_width
from benchmarks.record import write_record
from catalog.errors import UsageError
from catalog.manifest import Manifest
from catalog.store import Store
from index.blocks import projected
from index.config import IndexConfig
from index.embedding import embed_missing, open_vectors, read_vectors
from index.encoders import EncoderFiles, chosen_encoder
from index.gate import FEWEST, SEARCHED, Quality, measure_quality
from training.config import TrainConfig, ViewConfig, require
from training.evaluation.bootstrap import Estimate, bootstrap_difference, bootstrap_mean
from training.evaluation.label_free import LabelFreeCheck
from training.evaluation.ranking import Floats, rank_gallery
from training.evaluation.representation import rank_me, uniformity
from training.evaluation.retrieval import find_category
from training.evaluation.text_table import aligned
from training.photos import labels_of

BAR = 0.9
"""Part of the pairs told apart by labels that must be ordered the same way without them."""
MEASURES = ("recall@1", "map@r", "reciprocal_rank")
"""The labelled ones."""
SHOWN = ("recall@1", "recall@5", "rank_me")
"""Label-free scores in the table; the record holds all."""

Values = npt.NDArray[np.float64]
Keys = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One checkpoint."""

    encoder: EncoderFiles
    labelled: Mapping[str, Values]
    """By measure, one value per query, (Q,)."""
    label_free: Mapping[str, float]
    """By score; higher is better."""


def measure(data: DataSet, run: str) -> Measured:
    """Encode gallery and queries, and let the gate ask for altered copies; all of it is kept in the stores."""
    encoder = chosen_encoder(data.gallery, IndexConfig(store=data.gallery.root, run=run))
    gallery, gallery_keys = _vectors(data.gallery, data.key, encoder)
    queries, query_keys = _vectors(data.queries, data.key, encoder)
    check = _gate(data, encoder, encoder, run).check
    return Measured(
        encoder=encoder,
        labelled=_labelled(queries, gallery, query_keys, gallery_keys),
        label_free={**_scores(check), "rank_me": rank_me(gallery), "minus_uniformity": -uniformity(gallery)},
    )


def _vectors(store: Store, key: str, encoder: EncoderFiles) -> tuple[Floats, Keys]:
    """A store's photos as projected embeddings (N, D), each content once, and their keys (N,)."""
    manifest = Manifest.read(store.manifest_file)
    photos = manifest.distinct_photos(Path(store.read_catalog()["root"]))
    keys = np.array(labels_of(manifest, key, "key", manifest.first_rows))
    with store.writing("benchmarks.gate_trust"):
        embedder, cache = open_vectors(store, encoder, "cpu")
        embed_missing(photos, embedder, cache)
        vectors = read_vectors(cache, [photo.sha256 for photo in photos], embedder.dimension)
        return projected(vectors, embedder.blocks), keys


def _labelled(queries: Floats, gallery: Floats, query_keys: Keys, gallery_keys: Keys) -> dict[str, Values]:
    found = find_category(queries, gallery, query_keys, gallery_keys).metrics()
    rankings = rank_gallery(queries, gallery, query_keys, gallery_keys, depth=len(gallery))
    first = np.concatenate([ranking.relevant.argmax(axis=1) for ranking in rankings])
    return {"recall@1": found["recall@1"], "map@r": found["map@r"], "reciprocal_rank": 1 / (1 + first)}


def _scores(check: LabelFreeCheck) -> dict[str, float]:
    return {
        "recall@1": check.recall(1).value,
        "recall@5": check.recall(5).value,
        **{f"recall@1, {family}": value for family, value in check.by_family().items()},
    }


def _gate(data: DataSet, new: EncoderFiles, in_use: EncoderFiles, name: str) -> Quality:
    """What `lookalike index` would find of a new encoder."""
    with data.gallery.writing("benchmarks.gate_trust"):
        quality = measure_quality(data.gallery, Manifest.read(data.gallery.manifest_file), new, (in_use, name), "auto")
    if quality is None:
        raise UsageError(f"the gate needs {FEWEST} photos that can be read; {data.name} has fewer: raise --photos")
    return quality


def compare(data: DataSet, measured: Mapping[str, Measured]) -> list[Comparison]:
    """Every ordered pair, as the gate would meet it."""
    comparisons = []
    for (new, mine), (in_use, theirs) in permutations(measured.items(), 2):
        quality = _gate(data, mine.encoder, theirs.encoder, in_use)
        assert quality.difference is not None  # something is in use
        differences = {name: bootstrap_difference(mine.labelled[name], theirs.labelled[name]) for name in mine.labelled}
        comparisons.append(
            Comparison(
                new=new, in_use=in_use, labelled=differences, label_free=quality.difference, refused=quality.worse
            )
        )
    return comparisons


def figures_of(data: DataSet, measured: Mapping[str, Measured], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Everything found of a data set, as plain values."""
    scores = {name: one.label_free for name, one in measured.items()}
    return {
        "judged_by": data.measure,
        "checkpoints": {
            name: {
                "about": RECIPES[name].about,
                "labelled": {key: bootstrap_mean(values).to_json() for key, values in one.labelled.items()},
                "label_free": {key: round(value, 4) for key, value in one.label_free.items()},
            }
            for name, one in measured.items()
        },
        "mean_width_of_intervals": {name: round(mean_width(comparisons, name), 4) for name in MEASURES},
        "agreement": {name: agreement(comparisons, name, scores) for name in MEASURES},
        "gate": gate_decisions(comparisons, data.measure),
        "discordant": discordant(comparisons, data.measure),
    }


def report(name: str, figures: Mapping[str, Any]) -> list[str]:
    """A data set's figures as lines of text, the best checkpoint by labels first."""
    judge = figures["judged_by"]
    rows = [[name, *MEASURES, *(f"label-free {score}" for score in SHOWN)]]
    found = figures["checkpoints"].items()
    for checkpoint, one in sorted(found, key=lambda item: -item[1]["labelled"][judge]["value"]):
        labelled = [f"{one['labelled'][key]['value']:.3f}" for key in MEASURES]
        rows.append([checkpoint, *labelled, *(f"{one['label_free'][score]:.3f}" for score in SHOWN)])
    lines = [*aligned(rows), f"told apart by {judge}, ordered the same way without labels:"]
    lines += [f"  {score}: {told['same']} of {told['pairs']}" for score, told in figures["agreement"][judge].items()]
    lines += [f"the gate, by labels: {figures['gate']}", f"ordered the other way: {len(figures['discordant'])}"]
    for pair in figures["discordant"]:
        differences = [Estimate(**pair[kind]) for kind in ("labelled", "label_free")]
        lines.append(f"  {pair['better']} over {pair['worse']}: {judge} {differences[0]}, verdict {differences[1]}")
    return lines


def measure_data_set(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Make and measure the checkpoints of one data set."""
    data = DATA_SETS[name](options.folder, options.photos)
    base = TrainConfig(
        store=data.gallery.root,
        views_shown=options.views_shown,
        image_size=options.image_size,
        views=ViewConfig(size=options.view_size),
    )
    measured = {}
    for checkpoint, run in make_checkpoints(base):
        begun = time.monotonic()
        measured[checkpoint] = measure(data, run.name)
        print(f"{name}, {checkpoint}: measured in {time.monotonic() - begun:.0f} s", flush=True)
    print(f"{name}: comparing {len(measured)} checkpoints", flush=True)
    figures = figures_of(data, measured, compare(data, measured))
    print("\n".join(report(name, figures)), flush=True)
    return figures


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "lookalike-gate-trust",
        help="keeps stores, checkpoints and vectors; the same folder goes on where it was interrupted",
    )
    options.add_argument("--only", choices=tuple(DATA_SETS), help="one of the data sets")
    options.add_argument("--photos", type=int, default=SEARCHED, help="most photos of a catalog")
    options.add_argument("--views-shown", type=int, default=4000, help="in each training; at least every photo twice")
    options.add_argument("--view-size", type=int, default=96, help="side of a view, in pixels")
    options.add_argument("--image-size", type=int, default=224, help="side when embedding, in pixels")
    options.add_argument("--no-record", action="store_true", help="print the figures only")
    return options.parse_args(arguments)


def main() -> None:
    """Measure and record."""
    options = read_options()
    require(options.photos >= FEWEST, f"--photos must be at least {FEWEST}", options.photos, f"try {SEARCHED}")
    begun = time.monotonic()
    found = {name: measure_data_set(name, options) for name in DATA_SETS if options.only in (None, name)}
    verdicts = [figures["agreement"][figures["judged_by"]]["verdict"] for figures in found.values()]
    same, pairs = (sum(told[key] for told in verdicts) for key in ("same", "pairs"))
    figures = {
        "settings": {name: str(value) for name, value in vars(options).items()},
        "pairs_told_apart_by_labels": pairs,
        "ordered_the_same_way": same,
        "bar": BAR,
        "bar_met": same >= BAR * pairs,
        "data_sets": found,
        "minutes": round((time.monotonic() - begun) / 60, 1),
    }
    print(f"{same} of {pairs} pairs told apart by labels are ordered the same way without; the bar is {BAR:.0%}")
    if not options.no_record:
        print(write_record("gate-trust", figures))


if __name__ == "__main__":
    main()
