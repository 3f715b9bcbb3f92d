"""The colour block: which descriptor, and which weight where nobody says one.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.colour [--preset balanced] [--folder WHERE]

Two data sets, each with an encoder trained on its own photos without labels: the drawn sample catalog (864 customer
photos ask for their product, so its design *and* its colours; and catalog photos for others of their design, of their
main colour) and FOLDER/clothing, whose validation photos ask for their category (colours do not matter there, so this
is where a large weight harms). The rule for the default weight: the largest sum of the sample's product R@1 and
clothing's mAP@R. No test photo is looked at.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.main_job import lookalike
from benchmarks.record import write_record
from catalog.files import find_photos
from catalog.image import decode_photo, read_photo
from catalog.parallel import default_workers, map_in_order
from catalog.sample.catalog import SampleConfig, draw_sample
from catalog.store import Store
from index.batches import batches
from index.colour import colour_descriptor, object_weights, soft_histogram, to_lab
from index.config import IndexConfig
from index.embedder import open_embedder
from index.encoders import chosen_encoder
from index.vectors import Floats, unit_norm
from training.checkpoint import read_header
from training.evaluation.colour_histogram import colour_histogram
from training.evaluation.retrieval import find_category

WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
OTHERS = 5
"""Other products looked at beside a photo's own."""

Pixels = npt.NDArray[np.uint8]
Descriptor = Callable[[Pixels], npt.NDArray[np.floating[Any]]]


def lab(bins: tuple[int, int, int], *, whole: bool = False) -> Descriptor:
    """A soft CIELAB histogram, of the object or of the whole photo."""

    def describe(pixels: Pixels) -> npt.NDArray[np.float64]:
        values = to_lab(pixels)
        weights = np.ones(values.shape[:2]) if whole else object_weights(values)
        histogram: npt.NDArray[np.float64] = np.sqrt(soft_histogram(values, weights, bins))
        return histogram

    return describe


def hsv_of_the_object(pixels: Pixels) -> npt.NDArray[np.float64]:
    """An HSV histogram, 16 x 4 x 4 bins, with the weights of the object."""
    weights = object_weights(to_lab(pixels))
    small = Image.fromarray(pixels).resize(weights.shape, Image.Resampling.BOX).convert("HSV")
    hue, saturation, value = np.moveaxis(np.asarray(small).astype(np.int64), -1, 0)
    bins = (hue * 16 // 256 * 4 + saturation * 4 // 256) * 4 + value * 4 // 256
    return np.sqrt(np.bincount(bins.ravel(), weights.ravel(), minlength=256))


def dominant_colours(pixels: Pixels) -> npt.NDArray[np.float64]:
    """How much of the object has each of 32 colours that are spread over the sRGB cube, shared among near ones."""
    values = to_lab(pixels)
    distance = ((values[..., None, :] - PALETTE) ** 2).sum(axis=-1)
    share = np.exp(-distance / (2 * 12.0**2)) + 1e-9
    share *= (object_weights(values) / share.sum(axis=-1))[..., None]
    histogram: npt.NDArray[np.float64] = np.sqrt(share.sum(axis=(0, 1)))
    return histogram


def _palette(count: int) -> npt.NDArray[np.float64]:
    """Colours of the sRGB cube, each the farthest in CIELAB from those before it: (count, 3)."""
    levels = np.linspace(0, 255, 5).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 1, 1, 3)
    colours = np.stack([to_lab(np.broadcast_to(colour, (32, 32, 3)).copy())[0, 0] for colour in grid])
    chosen = [0]
    nearest = np.linalg.norm(colours - colours[0], axis=1)
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(colours - colours[chosen[-1]], axis=1))
    return np.asarray(colours[chosen])


PALETTE = _palette(32)
DESCRIPTORS: dict[str, Descriptor] = {
    "lab 4x5x5, object (chosen)": colour_descriptor,
    "lab 4x5x5, whole photo": lab((4, 5, 5), whole=True),
    "lab 3x5x5, object": lab((3, 5, 5)),
    "lab 4x7x7, object": lab((4, 7, 7)),
    "hsv 16x4x4, whole photo": colour_histogram,
    "hsv 16x4x4, object": hsv_of_the_object,
    "32 dominant colours, object": dominant_colours,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Photos:
    """Some photos as the encoder sees them, (N, S, S, 3), and their projected embeddings, (N, D)."""

    pixels: Sequence[Pixels]
    projected: Floats

    def similarities(self, gallery: Photos, describe: Descriptor) -> tuple[Floats, Floats]:
        """Cosines of every query with every photo of a gallery, by each block: (Q, N) twice."""
        mine, theirs = (unit_norm(np.stack([describe(one) for one in p.pixels])) for p in (self, gallery))
        return self.projected @ gallery.projected.T, mine @ theirs.T


def embed(store: Store, paths: Sequence[Path]) -> Photos:
    """Photos by the newest run of a store."""
    encoder = chosen_encoder(store, IndexConfig(store=store.root))
    embedder = open_embedder(read_header(encoder.checkpoint).spec, onnx=encoder.onnx, checkpoint=encoder.checkpoint)

    def prepare(path: Path) -> Pixels:
        return embedder.preprocess(decode_photo(read_photo(path), fit=embedder.decode_size).image)

    pixels = list(map_in_order(prepare, paths, workers=default_workers()))
    return Photos(pixels=pixels, projected=np.concatenate([embedder.encode(group) for group in batches(pixels, 32)]))


def trained(folder: Path, catalog: Path, preset: str) -> Store:
    """A store of a catalog with a run; what is there already is used again."""
    if not (folder / "runs").is_dir():
        lookalike("scan", catalog, "--store", folder)
        lookalike("train", "--preset", preset, "--store", folder)
    return Store.open(folder)


def sample_figures(folder: Path, preset: str) -> dict[str, Any]:
    """The drawn catalog, by descriptor and weight."""
    sample = draw_sample(SampleConfig(folder=folder / "sample"))
    store = trained(folder / "sample-store", sample.table, preset)
    with sample.table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with sample.answers.open(encoding="utf-8", newline="") as file:
        answers = list(csv.DictReader(file))
    products = embed(store, [sample.table.parent / row["path"] for row in rows])
    customers = embed(store, [sample.customer_photos / row["path"] for row in answers])
    ids, designs, colours = (
        np.array(values)
        for values in zip(*((row["item_id"], row["title"].split(",")[0], row["colour"]) for row in rows), strict=True)
    )
    right = np.array([np.flatnonzero(ids == row["item_id"])[0] for row in answers])
    figures: dict[str, Any] = {}
    for name, describe in DESCRIPTORS.items():
        asked, among = customers.similarities(products, describe), products.similarities(products, describe)
        for weight in WEIGHTS:
            first = ((1 - weight) * asked[0] + weight * asked[1]).argmax(axis=1)
            others = (1 - weight) * among[0] + weight * among[1]
            np.fill_diagonal(others, -np.inf)
            nearest = np.argsort(-others, axis=1, kind="stable")[:, :OTHERS]
            figures.setdefault(name, {})[weight] = {
                "product_r_at_1": float((first == right).mean()),
                "design_r_at_1": float((designs[first] == designs[right]).mean()),
                "others_of_the_design": float((designs[nearest] == designs[:, None]).mean()),
                "others_of_the_colour": float((colours[nearest] == colours[:, None]).mean()),
            }
    return figures


def clothing_figures(folder: Path, preset: str) -> dict[str, Any]:
    """Clothing's validation photos, by descriptor and weight."""
    parts = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "clothing" / "images"
    store = trained(folder / "clothing-store", parts / "train", preset)
    photos, labels = {}, {}
    for part in ("train", "val"):
        paths = [parts / part / path for path in find_photos(parts / part).paths]
        photos[part], labels[part] = embed(store, paths), np.array([path.parent.name for path in paths])
    figures: dict[str, Any] = {}
    for name, describe in DESCRIPTORS.items():
        colours = [unit_norm(np.stack([describe(one) for one in photos[part].pixels])) for part in ("val", "train")]
        for weight in WEIGHTS:
            scales = np.sqrt(np.array([1 - weight, weight], np.float32))  # on both sides: of unit norm, as is asked for
            asked, searched = (
                np.concatenate([photos[part].projected * scales[0], colour * scales[1]], axis=1)
                for part, colour in zip(("val", "train"), colours, strict=True)
            )
            found = find_category(asked, searched, labels["val"], labels["train"]).metrics()
            figures.setdefault(name, {})[weight] = {key: float(found[key].mean()) for key in ("recall@1", "map@r")}
    return figures


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--preset", default="balanced")
    options.add_argument("--folder", type=Path, help="where samples and stores go, and stay; default: a temporary one")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        sample = sample_figures(folder, chosen.preset)
        clothing = clothing_figures(folder, chosen.preset)
    best = {
        name: max(WEIGHTS, key=lambda w: sample[name][w]["product_r_at_1"] + clothing[name][w]["map@r"])
        for name in DESCRIPTORS
    }
    for name in DESCRIPTORS:
        print(f"{name}; best weight by the rule: {best[name]}")
        for weight in WEIGHTS:
            values = [f"{key} {value:.3f}" for key, value in {**sample[name][weight], **clothing[name][weight]}.items()]
            print(f"  {weight:.2f}  {', '.join(values)}")
    figures = {"preset": chosen.preset, "best_weight": best, "sample": sample, "clothing_val": clothing}
    print(write_record("colour", figures))


if __name__ == "__main__":
    main()
