"""`evaluate`: how good a run's embedding is, layer by layer, against what a user could pick instead."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from catalog import atomic
from catalog.errors import LookalikeError
from catalog.manifest import Manifest
from catalog.progress import progress
from catalog.store import Store
from training.device import choose_device
from training.encoder import load_encoder
from training.evaluation.answers_picture import draw_answers
from training.evaluation.config import EvaluateConfig
from training.evaluation.label_free import altered_copies, check_label_free, sample_by_content
from training.evaluation.linear_probe import LinearProbe, linear_probe
from training.evaluation.measures import Measures, table, verdict
from training.evaluation.photos import (
    GalleryPhoto,
    QueryPhoto,
    check_labels,
    gallery_photos,
    prepared_photos,
    prepared_queries,
    query_photos,
)
from training.evaluation.pictures import draw_confusion, draw_curves
from training.evaluation.ranking import Floats
from training.evaluation.representation import measure_representation
from training.evaluation.retrieval import find_category, find_original
from training.evaluation.subjects import BACKBONE, FIRST, IMAGENET, all_subjects, embed_all, embed_copies
from training.memory import keep_freed_memory
from training.preprocess import decode_size, preprocess
from training.runs import Run, run_to_use
from training.say import Say
from training.start import untrained_like

PROBE_PART = 0.2
"""Part of the catalog's photos that tests the linear probe where there are no queries, drawn by label."""
MOST_LABELS = 200
"""Columns of more labels are no categories: the linear probe is left out."""

Vectors = Mapping[str, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What an evaluation found."""

    run: str
    lines: tuple[str, ...]
    """The table and the verdict, for people."""
    unreadable: int
    """Photos of the catalog that are gone or damaged since the scan, and are left out."""
    figures: Mapping[str, Any]
    """Everything, as it stands in evaluation.json."""

    @property
    def exit_code(self) -> int:
        """3 where photos had to be left out, else 0."""
        return 3 if self.unreadable else 0

    def __str__(self) -> str:
        return "\n".join(self.lines)


def evaluate(config: EvaluateConfig, say: Say = print) -> Evaluation:
    """Measure a run's layers and the baselines; leave evaluation.json and pictures in the run's folder.

    Raises:
        UsageError: no such run, column or queries.
        LookalikeError: no finished run; fewer than 2 photos can be read.
    """
    begun = time.monotonic()
    store = Store.open(config.store)
    device = choose_device(config.device)
    keep_freed_memory()
    with store.writing("lookalike evaluate"):
        run = run_to_use(store, config.run)
        encoder, header = load_encoder(run.checkpoint_file)
        spec = header.spec
        root = Path(store.read_catalog()["root"])
        asked = query_photos(config)
        wanted = gallery_photos(root, Manifest.read(store.manifest_file), config)
        check_labels(wanted, asked, config)
        say(f"evaluating {run.name}: {len(wanted)} photos, {len(asked) or 'no'} queries of their own")
        prepare, fit = partial(preprocess, spec=spec), decode_size(spec)
        start = untrained_like(spec)
        subjects = all_subjects(encoder, start, device)
        gallery, vectors = embed_all(
            progress(prepared_photos(wanted, prepare, fit), total=len(wanted), description="encoding"), subjects
        )
        if len(gallery) < 2:
            raise LookalikeError(f'{len(gallery)} of {len(wanted)} photos can be read: run "lookalike scan" to see why')
        sample = sample_by_content(gallery, config.altered)
        made = progress(altered_copies(sample, prepare), total=len(sample), description="altered copies")
        copies_of, copies = embed_copies(made, subjects)
        queries, query_vectors = embed_all(
            progress(prepared_queries(asked, prepare, fit), total=len(asked), description="encoding queries"), subjects
        )
        indexed = spec.layer
        measures = {
            name: _measure(
                gallery,
                vectors[name],
                copies_of,
                copies[name],
                queries,
                query_vectors.get(name),
                probes=name == indexed or name != FIRST,
            )
            for name in _in_order(vectors)
        }
        differences = measures[indexed].better_than(measures[IMAGENET])
        lines = [*table(measures, indexed), ""]
        lines += [f"{indexed} minus {IMAGENET}, {name}: {value}" for name, value in differences.items()]
        if start.header.spec.backbone != spec.backbone:
            stands_in = f"{IMAGENET}: of {start.header.spec.backbone}"
            lines.append(f"{stands_in}, since there are no such weights of {spec.backbone} to be had")
        lines.append(verdict(differences["original recall@1"]))
        lines.append(measures[indexed].representation.verdict)
        lost = len(wanted) - len(gallery)
        if lost:
            lines.append(
                f'{lost} of {len(wanted)} photos cannot be read any more, and are left out: run "lookalike scan"'
            )
        if measures[indexed].category is not None and measures[indexed].probe is None:
            lines.append(f"no linear probe: it needs 2 to {MOST_LABELS} labels, some of 2 photos and more")
        figures = {
            "run": run.name,
            "encoder": spec.to_json(),
            "photos": len(gallery),
            "unreadable": lost,
            "labels": config.labels,
            "queries": None if config.queries is None else config.queries.name,
            "indexed": indexed,
            "embeddings": {name: one.figures() for name, one in measures.items()},
            "indexed_minus_imagenet_start": {name: value.to_json() for name, value in differences.items()},
            "seconds": round(time.monotonic() - begun, 1),
        }
        lines += _leave(run, figures, measures[indexed], gallery, vectors[indexed], queries, query_vectors.get(indexed))
    return Evaluation(run=run.name, lines=tuple(lines), unreadable=lost, figures=figures)


def _in_order(vectors: Vectors) -> list[str]:
    """The trained layers from the last to the first, then the baselines."""
    trained = [name for name in ("projection", "first", BACKBONE) if name in vectors]
    return trained + [name for name in vectors if name not in trained]


def _measure(
    gallery: Sequence[GalleryPhoto],
    vectors: Floats,
    copies_of: Sequence[str],
    copies: Floats,
    queries: Sequence[QueryPhoto],
    query_vectors: Floats | None,
    *,
    probes: bool,
) -> Measures:
    """All figures of one embedding; `probes` says whether a linear probe is among them, which takes long."""
    contents = np.array([photo.sha256 for photo in gallery])
    place = {content: row for row, content in enumerate(contents.tolist())}
    originals = np.repeat(vectors[[place[content] for content in copies_of]], len(copies) // len(copies_of), axis=0)
    original = check_label_free(copies_of, copies, vectors, contents.tolist())
    representation = measure_representation(vectors, pairs=(originals, copies))
    products = np.array([photo.item_id for photo in gallery])
    product = None
    if len(set(products.tolist())) < len(products):
        product = find_original(vectors, vectors, products, products, left_out=(contents, contents))
    labelled = np.array([row for row, photo in enumerate(gallery) if photo.label is not None], np.int64)
    if not len(labelled):
        return Measures(original=original, representation=representation, product=product)
    labels = np.array([gallery[row].label for row in labelled])
    known, keys = vectors[labelled], contents[labelled]
    if query_vectors is None:
        category = find_category(known, known, labels, labels, left_out=(keys, keys))
    else:
        category = find_category(query_vectors, known, np.array([query.label for query in queries]), labels)
    probe = None
    if probes and len(set(labels.tolist())) <= MOST_LABELS:
        probe = _probe(known, labels, query_vectors, [query.label for query in queries])
    return Measures(original=original, representation=representation, category=category, product=product, probe=probe)


def _probe(
    known: Floats, labels: np.ndarray[Any, Any], query_vectors: Floats | None, query_labels: Sequence[str]
) -> LinearProbe | None:
    """The linear probe: on the queries, or on a part of the catalog that it did not learn from."""
    if query_vectors is not None:
        return linear_probe(known, labels, query_vectors, np.array(query_labels))
    tested = _held_out(labels)
    if not tested.any() or len(set(labels[~tested].tolist())) < 2:
        return None
    return linear_probe(known[~tested], labels[~tested], known[tested], labels[tested])


def _held_out(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """A fifth of each label's photos, spread evenly over their order."""
    tested = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        tested[rows[:: round(1 / PROBE_PART)][: len(rows) // 2]] = True
    return tested


def _leave(
    run: Run,
    figures: Mapping[str, Any],
    indexed: Measures,
    gallery: Sequence[GalleryPhoto],
    vectors: Floats,
    queries: Sequence[QueryPhoto],
    query_vectors: Floats | None,
) -> list[str]:
    """Write figures and pictures into the run's folder; returns a line that names them."""
    for name in ("confusion.csv", "confusion.png", "answers.png"):
        (run.folder / name).unlink(missing_ok=True)  # of another evaluation: perhaps none takes its place
    written = ["evaluation.json"]
    atomic.write_json(run.folder / "evaluation.json", figures)
    rows = [json.loads(line) for line in run.metrics_file.read_text(encoding="utf-8").splitlines()]
    if rows:
        draw_curves(rows, run.folder / "curves.png")
        written.append("curves.png")
    if indexed.probe is not None:
        classification = indexed.probe.classification
        classification.write_confusion(run.folder / "confusion.csv")
        draw_confusion(classification.labels, classification.confusion(), run.folder / "confusion.png")
        written += ["confusion.csv", "confusion.png"]
    if indexed.category is not None:
        draw_answers(indexed.category, gallery, vectors, queries, query_vectors, run.folder / "answers.png")
        written.append("answers.png")
    return [f"written to {run.folder}: {', '.join(written)}"]
