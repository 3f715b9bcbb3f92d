"""Kinds of index beside exact search and bare FAISS, in one run: queries/s, recall, memory, filters, latency by size.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.index --folder WORK [--sizes 10000,100000,1000000]
        [--dimensions 512+colour,128] [--kinds auto]

WORK keeps the photos' vectors between runs. Vectors are drawn as benchmarks/drawn_vectors.py says, and queries are
further draws, which no tuning has seen, their blocks weighted as by default. Each index is built in a process of its
own, whose memory is what is reported. Kinds: "auto" is what `lookalike index` would choose for the size; others by
name. "drawn" is what the same index gives when it is tuned to the promise by other such draws, not by the harder
held-back queries. 512+colour is what the default recipe's versions hold: 512 numbers of the projection and the colour
block.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.drawn_vectors import Mixture, photo_blocks
from benchmarks.memory import resident_bytes
from benchmarks.record import write_record
from index.approximate import TUNED_FOR, ApproximateIndex
from index.config import IndexChoice
from index.faiss_index import FlatIndex
from index.ivf_index import least_nprobe
from index.ivf_pq_index import query_transform, rank
from index.kinds import choose_kind, files_of, read_index
from index.promise import TIE, Task, keep_promise
from index.promised_index import build_promised_index
from index.settings import Settings
from index.vectors import Blocks, Floats
from index.versions import INDEX_FILE, VECTORS_FILE

BATCH, BATCHES, K = 256, 4, 10
ROUNDS = 5
SINGLE = 200
"""Queries asked one by one."""
SELECTIVITY = 0.01
PROMISED = IndexChoice().recall
WITH_COLOUR = "+colour"
EXACT, FOUND = "exact", "found"


def build(folder: Path, kind: str, blocks: Blocks) -> dict[str, Any]:
    """Build an index over vectors.npy, write it, and tell what that took; for a process of its own."""
    vectors: Floats = np.load(folder / "vectors.npy")
    before = resident_bytes("VmRSS") - vectors.nbytes
    begun = time.monotonic()
    choice = IndexChoice(kind=kind)  # type: ignore[arg-type]
    built = build_promised_index(vectors, blocks, choice)
    seconds = time.monotonic() - begun
    for name, part in files_of(built.index).items():
        with (folder / name).open("wb") as file:
            part.write(file.write)
    return {
        "kind": built.index.kind,
        "parameters": built.settings.to_json() if built.settings else {},
        "recall_held_back": round(built.recall, 4),
        "recall_by_weight": {name: round(found, 4) for name, found in built.recalls.items()},
        "build_seconds": round(seconds, 1),
        "build_peak_by_vectors_bytes": round((resident_bytes("VmHWM") - before) / vectors.nbytes, 2),
    }


def settings_of(built: dict[str, Any], blocks: Blocks) -> Settings | None:
    """How far the built index looks; None where it is exact."""
    return Settings.from_json(built["parameters"], next(iter(blocks.values()))) if built["parameters"] else None


def memory(folder: Path, built: dict[str, Any], blocks: Blocks) -> dict[str, float]:
    """MB that a loaded index holds, and in its files; for a process of its own."""
    before = resident_bytes("RssAnon")
    index = read_index(folder, built["kind"], settings_of(built, blocks), "cpu")
    held = resident_bytes("RssAnon") - before
    files = sum((folder / name).stat().st_size for name in files_of(index))
    return {"memory_mb": round(held / 1e6, 1), "files_mb": round(files / 1e6, 1)}


def own_process(*arguments: str | Path) -> dict[str, Any]:
    """What this command prints in a process of its own."""
    line = [sys.executable, "-m", "benchmarks.index", *map(str, arguments)]
    done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return printed


def bare_search(folder: Path, built: dict[str, Any], blocks: Blocks, queries: Floats) -> Callable[[Floats], Any]:
    """The same search by FAISS alone: its own index from the same file, with the settings for these queries."""
    index = faiss.read_index(str(folder / INDEX_FILE))
    kind, settings, count = built["kind"], settings_of(built, blocks), index.ntotal
    if settings is None:
        return lambda queries: index.search(queries, K)
    ((_, parameters),) = settings.groups(queries)
    if kind == "hnsw":
        walk = faiss.SearchParametersHNSW(efSearch=max(parameters["ef_search"], 2 * TUNED_FOR))
        return lambda queries: index.search(queries, K, params=walk)
    if kind == "ivf":
        nprobe = max(parameters["nprobe"], least_nprobe(K, count, index.nlist))
        lists = faiss.SearchParametersIVF(nprobe=nprobe)
        return lambda queries: index.search(queries, K, params=lists)
    candidates = max(parameters["candidates"], 2 * TUNED_FOR)
    transform = query_transform(index)
    nlist = faiss.extract_index_ivf(index).nlist
    lists = faiss.SearchParametersIVF(nprobe=max(parameters["nprobe"], least_nprobe(candidates, count, nlist)))
    whole = faiss.read_index(str(folder / VECTORS_FILE), faiss.IO_FLAG_MMAP_IFC)

    def search(queries: Floats) -> Any:
        _, found = faiss.downcast_index(index.index).search(transform.apply(queries), candidates, params=lists)
        return rank(whole, queries, found, K)

    return search


def side_by_side(searches: dict[str, Callable[[Floats], Any]], queries: Floats) -> dict[str, float]:
    """Queries/s of each in batches of 256, taking turns batch by batch; the median batch of all rounds.

    Who begins changes, too: the second to look for the same finds some of it in the processor's caches.
    """
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    for search in searches.values():
        search(queries[:BATCH])
    turns = list(searches.items())
    for _ in range(ROUNDS):
        for start in range(0, len(queries), BATCH):
            turns = turns[1:] + turns[:1]
            for name, search in turns:
                begun = time.perf_counter()
                search(queries[start : start + BATCH])
                seconds[name].append(time.perf_counter() - begun)
    return {name: BATCH / statistics.median(taken) for name, taken in seconds.items()}


def single(search: Callable[[Floats], Any], queries: Floats) -> dict[str, float]:
    """Milliseconds of one query at a time: median, and 99th percentile."""
    taken = []
    for query in queries[:SINGLE]:
        begun = time.perf_counter()
        search(query[None])
        taken.append(1000 * (time.perf_counter() - begun))
    return {"p50_ms": round(statistics.median(taken), 2), "p99_ms": round(float(np.quantile(taken, 0.99)), 2)}


def tuned_by_draws(index: ApproximateIndex, exact: FlatIndex, asked: Floats, queries: Floats, first: int) -> Any:
    """Speed and recall of an index that is tuned by one set of draws and measured by another."""
    nowhere = np.full(len(asked), -1)
    task = Task(asked, nowhere, exact.search(asked, K).similarities[:, -1], K)
    keep_promise(index, {"drawn": task}, PROMISED, first)
    rates = side_by_side(
        {EXACT: lambda asked: exact.search(asked, K), FOUND: lambda asked: index.search(asked, K)}, queries
    )
    hits = index.search(queries, K).similarities >= exact.search(queries, K).similarities[:, -1:] - TIE
    return {
        "parameters": index.settings.to_json(),
        "recall_at_10": round(float(hits.mean()), 4),
        "queries_per_second": {name: round(rate) for name, rate in rates.items()},
        "times_exact": round(rates[FOUND] / rates[EXACT], 1),
    }


def measure(
    vectors: Floats, queries: Floats, others: Floats, folder: Path, kind: str, blocks: Blocks
) -> dict[str, Any]:
    """One kind at one size; `others` are further queries, to tune by."""
    np.save(folder / "vectors.npy", vectors)
    built = own_process("--build", folder, "--kinds", kind, "--blocks", json.dumps(dict(blocks)))
    held = own_process("--memory", folder, "--kinds", json.dumps(built), "--blocks", json.dumps(dict(blocks)))
    index = read_index(folder, built["kind"], settings_of(built, blocks), "cpu")
    exact = FlatIndex.build(vectors, "cpu")
    rates = side_by_side(
        {
            EXACT: lambda asked: exact.search(asked, K),
            FOUND: lambda asked: index.search(asked, K),
            "bare": bare_search(folder, built, blocks, queries),
        },
        queries,
    )
    allowed = np.random.default_rng(4).random(len(vectors)) < SELECTIVITY
    least = exact.search(queries, K).similarities[:, -1:]
    least_allowed = exact.search(queries[:BATCH], K, allowed).similarities[:, -1:]
    hits = index.search(queries, K).similarities >= least - TIE
    hits_allowed = index.search(queries[:BATCH], K, allowed).similarities >= least_allowed - TIE
    measured = {
        **built,
        "recall_at_10": round(float(hits.mean()), 4),
        "queries_per_second": {name: round(rate) for name, rate in rates.items()},
        "times_exact": round(rates[FOUND] / rates[EXACT], 1),
        "wrapper_overhead": round(rates["bare"] / rates[FOUND] - 1, 4),
        **held,
        "single": single(lambda asked: index.search(asked, K), queries),
        "single_exact": single(lambda asked: exact.search(asked, K), queries),
        "filter_1_percent": {
            "recall_at_10": round(float(hits_allowed.mean()), 4),
            **single(lambda asked: index.search(asked, K, allowed), queries),
        },
    }
    if isinstance(index, ApproximateIndex):
        measured["drawn"] = tuned_by_draws(index, exact, others, queries, next(iter(blocks.values())))
    return measured


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, help="where the photos' vectors are kept")
    options.add_argument("--sizes", default="10000,100000,1000000")
    options.add_argument("--dimensions", default=f"512{WITH_COLOUR},128")
    options.add_argument("--kinds", default="auto")
    options.add_argument("--build", type=Path, help="for the processes that this command starts itself")
    options.add_argument("--memory", type=Path, help="likewise")
    options.add_argument("--blocks", type=json.loads, help="likewise")
    chosen = options.parse_args()
    if chosen.build:
        print(json.dumps(build(chosen.build, chosen.kinds, chosen.blocks)))
        return
    if chosen.memory:
        print(json.dumps(memory(chosen.memory, json.loads(chosen.kinds), chosen.blocks)))
        return
    photos = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "clothing" / "images" / "train"
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="lookalike-benchmark-"))
    folder.mkdir(parents=True, exist_ok=True)
    embeddings, colours = photo_blocks(photos, folder)
    figures: dict[str, Any] = {"threads": faiss.omp_get_max_threads(), "batch": BATCH, "k": K}
    for name in chosen.dimensions.split(","):
        dimension = int(name.removesuffix(WITH_COLOUR))
        mixture = Mixture.fit(embeddings, dimension, colours if name.endswith(WITH_COLOUR) else None)
        figures[name] = {"blocks": dict(mixture.blocks), "nearest_similarity": mixture.likeness()}
        queries, others = (mixture.asked(mixture.draw(BATCH * BATCHES, seed=seed)) for seed in (2, 3))
        for size in map(int, chosen.sizes.split(",")):
            vectors = mixture.draw(size, seed=1)
            kinds = {choose_kind(kind, *vectors.shape) for kind in chosen.kinds.split(",")}
            for kind in sorted(kinds):
                with tempfile.TemporaryDirectory(dir=folder) as work:
                    figures[name][f"{size} {kind}"] = found = measure(
                        vectors, queries, others, Path(work), kind, mixture.blocks
                    )
                print(f"{size} x {name} {kind}: {json.dumps(found)}", flush=True)
    print(write_record("index", figures))


if __name__ == "__main__":
    main()
