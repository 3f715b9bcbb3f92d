"""What docs/decisions/0019 quotes: how much held-back queries flatter an index, and 4-bit codes beside 8-bit scalars.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.index_choices --folder WORK

WORK and the vectors are those of benchmarks/index.py, without colours.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.drawn_vectors import Mixture, photo_blocks
from benchmarks.index import BATCH, BATCHES, side_by_side
from benchmarks.record import write_record
from index import held_back
from index.coarse import PER_CENTRE, list_count, sample, train_centres
from index.held_back import HeldBack, held_back_queries
from index.hnsw_index import HNSWIndex
from index.ivf_index import IVFIndex
from index.ivf_pq_index import IVFPQIndex
from index.promise import K, exact_tasks, recall
from index.settings import everywhere
from index.vectors import Floats

SIZE, DIMENSION = 60_000, 128
CODES_SIZE, CODES_DIMENSION = 100_000, 512
PARTS = (0.0, 0.5, 0.7, 1.0)
"""Of a displacement; 0 asks with the photos themselves."""


def flattery(mixture: Mixture) -> dict[str, Any]:
    """Recall by fresh draws, and by held-back queries at several parts of a displacement."""
    vectors = mixture.draw(SIZE, seed=1)
    fresh = mixture.draw(held_back.QUERIES, seed=2)
    asked = {"fresh draws": HeldBack(fresh, np.full(len(fresh), -1))}
    for part in PARTS:
        held_back.PART = part
        asked[f"moved by {part}"] = held_back_queries(vectors, [DIMENSION])
    figures: dict[str, Any] = {}
    for index, efforts in ((IVFIndex.build(vectors), (8, 16, 32, 64)), (HNSWIndex.build(vectors), (24, 32, 64, 128))):
        for name, queries in asked.items():
            task = exact_tasks(vectors, queries, {"": queries.vectors})[""]
            found = []
            for effort in efforts:
                index.settings = everywhere(dict.fromkeys(next(iter(index.settings.by_weight.values())), effort))
                found.append(round(recall(index, task), 4))
            figures[f"{index.kind} at {efforts}: {name}"] = found
    return figures


def codes(mixture: Mixture) -> dict[str, Any]:
    """Recall@10 of fresh draws, and speed: of ivf-pq, and of 8-bit scalars over as many lists, ranked likewise."""
    vectors, queries = mixture.draw(CODES_SIZE, seed=1), mixture.draw(BATCH * BATCHES, seed=2)
    exact = faiss.IndexFlatIP(CODES_DIMENSION)
    exact.add(vectors)
    least = exact.search(queries, K)[0][:, -1:]
    lists = list_count(CODES_SIZE)
    ours = IVFPQIndex.build(vectors)
    centres = train_centres(sample(vectors, PER_CENTRE * lists), lists)
    scalars = faiss.IndexIVFScalarQuantizer(
        centres, CODES_DIMENSION, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    scalars.train(sample(vectors, 32_768))
    scalars.add(vectors)
    ranked = faiss.IndexRefine(scalars, exact)
    figures: dict[str, Any] = {}
    for nprobe in (32, 64):
        probed = faiss.SearchParametersIVF(nprobe=nprobe)
        settings = faiss.IndexRefineSearchParameters(k_factor=4, base_index_params=probed)
        ours.settings = everywhere({"nprobe": nprobe, "candidates": 100})

        def by_scalars(asked: Floats, settings: Any = settings) -> Any:
            return ranked.search(asked, K, params=settings)

        rates = side_by_side(
            {
                "exact": lambda asked: exact.search(asked, K),
                "ivf-pq": lambda asked: ours.search(asked, K),
                "8-bit scalars": by_scalars,
            },
            queries,
        )
        found = {"ivf-pq": ours.search(queries, K).similarities, "8-bit scalars": by_scalars(queries)[0]}
        for name, similarities in found.items():
            figures[f"{name}, nprobe {nprobe}"] = {
                "recall_at_10": round(float((similarities >= least - 1e-6).mean()), 4),
                "times_exact": round(rates[name] / rates["exact"], 1),
            }
    return figures


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, required=True)
    folder: Path = options.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    photos = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "clothing" / "images" / "train"
    embeddings, _ = photo_blocks(photos, folder)
    figures = {"held_back": flattery(Mixture.fit(embeddings, DIMENSION))}
    print(figures, flush=True)
    figures["codes"] = codes(Mixture.fit(embeddings, CODES_DIMENSION))
    print(figures["codes"])
    print(write_record("index-choices", figures))


if __name__ == "__main__":
    main()
