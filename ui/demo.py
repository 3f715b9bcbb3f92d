"""`demo`: the main job from the first photo to the open page, on a catalog that the project draws itself."""

from __future__ import annotations

import time
from dataclasses import replace

from catalog import stopping
from catalog.config import ScanConfig
from catalog.sample.catalog import SampleConfig, draw_sample
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from search.recall import KnownAnswer, Recall, measure_recall
from training.config import PRESETS
from training.runs import newest_finished
from ui.config import DemoConfig, ServeConfig

EXAMPLES = 3


def demo(config: DemoConfig) -> None:
    """Draw, scan, search untrained, train, index, search again, print both figures, open the page.

    Raises:
        LookalikeError: whatever a step cannot do.
    """
    begun = time.monotonic()
    sample = draw_sample(SampleConfig(folder=config.folder / "sample", products=config.products))
    print(f"drew {config.products} products, and {2 * config.products} customer photos to search with", flush=True)
    store = config.folder / "store"
    print(scan(ScanConfig(catalog=sample.table, store=store)), flush=True)
    index = IndexConfig(store=store, device=config.device)
    untrained = replace(index, encoder="imagenet", force=True)  # a second demo would find it worse than what it trained
    print(build_version(untrained), flush=True)
    before = measure_recall(store, sample.customer_photos, sample.answers, device=config.device)
    if newest_finished(Store.open(store)) is None:
        _train(config)
    print(build_version(index), flush=True)
    after = measure_recall(store, sample.customer_photos, sample.answers, device=config.device)
    print(_report(before, after, time.monotonic() - begun), flush=True)
    if config.serve:
        with stopping.imports():
            from ui.server import serve  # only now: it imports gradio

        serve(ServeConfig(store=store, port=config.port, device=config.device))


def _train(config: DemoConfig) -> None:
    with stopping.imports():
        from training.train import train  # only where there is something to train: it imports torch

    settings = replace(PRESETS["fast"], store=config.folder / "store", device=config.device)
    print(train(replace(settings, epochs=config.epochs) if config.epochs else settings), flush=True)


def _report(before: Recall, after: Recall, seconds: float) -> str:
    """The two figures side by side, and a few answers."""
    lines = [
        "",
        f"customer photo -> product, {len(after.answers)} queries   first    among the first five",
        f"  ImageNet start, untrained               {before.at(1):.3f}    {before.at(5):.3f}",
        f"  trained on the catalog's own photos     {after.at(1):.3f}    {after.at(5):.3f}",
        "",
        *(_example(answer) for answer in after.answers[:: max(1, len(after.answers) // EXAMPLES)][:EXAMPLES]),
        f"all of it took {seconds:.0f} s",
    ]
    return "\n".join(lines)


def _example(answer: KnownAnswer) -> str:
    lines = [f"{answer.result.query} shows {answer.item_id}; found:"]
    for match in answer.result.matches[:3]:
        right = "  <- right" if match.item.item_id == answer.item_id else ""
        lines.append(f"  {match.rank}. {match.similarity:.3f}  {match.item.title} ({match.item.item_id}){right}")
    return "\n".join([*lines, ""])
