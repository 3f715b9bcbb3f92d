"""Duplicates made on purpose, among look-alikes: how many `lookalike duplicates` finds, and how often it is right.

    LOOKALIKE_PHOTOS=FOLDER python -m benchmarks.duplicates

Two catalogs, indexed by the untrained encoder. "sample" is the drawn one: every product comes in four that differ by a
colour or the size of a pattern only, and customer photos show the same products again. "clothing" are the val and test
photos of the Clothing dataset (small), FOLDER/clothing/images. Copies of photos drawn at random are added to each. The
thresholds of catalog/same_picture.py were chosen on train photos and on a sample of another seed.

Precision is over pairs of a group's first photo and another of it; recall over copies that are in their original's
group. Beside them: the best that a threshold on the similarity of vectors alone would do on the same candidates.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.altered_copies import ALTERATIONS, save_copy
from benchmarks.main_job import lookalike
from benchmarks.record import write_record
from catalog.files import find_photos
from catalog.image import decode_photo, read_photo
from catalog.sample.catalog import SampleConfig, draw_sample
from catalog.store import Store
from index.blocks import weigh
from index.colour_weights import SAME_DESIGN
from index.loading import load_current

COPIES = 12
"""Of each alteration."""
CUSTOMER_PHOTOS = 200
"""Of the sample's, as look-alikes."""
SEED = 0
NEIGHBOURS = 5
"""What `lookalike duplicates` compares each photo with."""


def clothing(folder: Path) -> tuple[list[Path], int]:
    """Photos of clothes, and how many of them copies are made of."""
    images = Path(os.environ.get("LOOKALIKE_PHOTOS", "../shared/data")) / "clothing" / "images"
    photos = [images / part / path for part in ("val", "test") for path in find_photos(images / part).paths]
    return photos, len(photos)


def sample(folder: Path) -> tuple[list[Path], int]:
    """The drawn catalog's photos and, at the end, those of customers, of which no copies are made."""
    drawn = draw_sample(SampleConfig(folder=folder / "drawn"))
    studio = sorted((drawn.table.parent / "photos").iterdir())
    return [*studio, *sorted(drawn.customer_photos.glob("*.jpg"))[:CUSTOMER_PHOTOS]], len(studio)


def make_catalog(photos: Sequence[Path], copied: int, folder: Path) -> dict[str, tuple[str, str]]:
    """A folder with the photos and the copies; what each copy was made of, and how."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:04d}-{photo.name}" for number, photo in enumerate(photos)]
    for name, photo in zip(names, photos, strict=True):
        shutil.copyfile(photo, folder / name)
    random = np.random.default_rng(SEED)
    originals = iter(random.choice(copied, COPIES * len(ALTERATIONS), replace=False).tolist())
    made = {}
    for number, (alteration, how) in enumerate((name, how) for name, how in ALTERATIONS.items() for _ in range(COPIES)):
        original, copy = names[next(originals)], f"copy-{number:04d}.jpg"
        save_copy(decode_photo(read_photo(folder / original)).image, how, folder / copy, random)
        made[copy] = (original, alteration)
    return made


def counted(answers: Path, made: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Precision and recall of the groups in a CSV file."""
    groups = pd.read_csv(answers)
    group_of = dict(zip(groups["path"], groups["group"], strict=True))
    found = pd.DataFrame(
        [
            (alteration, ALTERATIONS[alteration].kind, copy in group_of and group_of[copy] == group_of.get(original))
            for copy, (original, alteration) in made.items()
        ],
        columns=["alteration", "kind", "found"],
    )
    wrong, pairs = [], 0
    for _, group in groups.groupby("group"):
        first, *others = group["path"]
        pairs += len(others)
        wrong += [f"{first} {other}" for other in others if _original(first, made) != _original(other, made)]
    return {
        "copies": len(made),
        "recall": round(float(found["found"].mean()), 4),
        "pairs": pairs,
        "precision": round(1 - len(wrong) / pairs, 4),
        "wrong_pairs": wrong,
        "recall_by_kind": found.groupby("kind", sort=False)["found"].mean().round(4).to_dict(),
        "recall_by_alteration": found.groupby("alteration", sort=False)["found"].mean().round(4).to_dict(),
    }


def by_similarity_alone(store: Path, made: dict[str, tuple[str, str]]) -> dict[str, float]:
    """What the similarity threshold of the best F1 would do, chosen with everything known."""
    loaded = load_current(Store.open(store), "cpu")
    paths = loaded.items.table["path"].to_pylist()
    vectors = np.stack([loaded.index.vector(position) for position in range(len(paths))])
    found = loaded.index.search(weigh(vectors, loaded.version.blocks, SAME_DESIGN), NEIGHBOURS + 1)
    similarity = {
        (min(one, other), max(one, other)): float(value)
        for one, row in enumerate(found.positions.tolist())
        for other, value in zip(row, found.similarities[one].tolist(), strict=True)
        if one != other
    }
    pairs = sorted(similarity, key=lambda pair: -similarity[pair])
    right = np.array([_original(paths[one], made) == _original(paths[other], made) for one, other in pairs])
    hits, named = right.cumsum(), np.arange(1, len(pairs) + 1)
    precision, recall = hits / named, hits / len(made)
    best = int(np.argmax(2 * precision * recall / np.maximum(precision + recall, 1e-9)))
    return {
        "similarity": round(similarity[pairs[best]], 4),
        "precision": round(float(precision[best]), 4),
        "recall": round(float(recall[best]), 4),
    }


def _original(path: str, made: dict[str, tuple[str, str]]) -> str:
    return made[path][0] if path in made else path


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, help="where catalogs and stores go, and stay; default: a temporary one")
    chosen = options.parse_args()
    figures: dict[str, Any] = {"copies_of_each_alteration": COPIES, "neighbours": NEIGHBOURS}
    with tempfile.TemporaryDirectory() as temporary:
        for name, photos_of in (("clothing", clothing), ("sample", sample)):
            folder = (chosen.folder or Path(temporary)) / name
            photos, copied = photos_of(folder)
            made = make_catalog(photos, copied, folder / "photos")
            with (folder / "made.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows((copy, *made[copy]) for copy in made)
            store, answers = folder / "store", folder / "duplicates.csv"
            lookalike("scan", folder / "photos", "--store", store)
            lookalike("index", "--encoder", "imagenet", "--store", store)
            sheet = folder / "duplicates.png"
            seconds = lookalike(
                "duplicates", "-k", str(NEIGHBOURS), "--store", store, "--output", answers, "--sheet", sheet
            )
            figures[name] = {
                "photos": len(photos) + len(made),
                "seconds": round(seconds, 1),
                **counted(answers, made),
                "by_similarity_alone": by_similarity_alone(store, made),
            }
            print(name, figures[name], flush=True)
    print(write_record("duplicates", figures))


if __name__ == "__main__":
    main()
