"""Draw the sample catalog: a shop's table and studio photos, and the photos that its customers take."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from catalog.atomic import fsync_folder, write_json
from catalog.errors import UsageError
from catalog.parallel import default_workers
from catalog.sample.customer import customer_photo
from catalog.sample.cutout import draw_cutout
from catalog.sample.plan import Product, plan_products
from catalog.sample.studio import studio_photo

CUSTOMER_PHOTOS = 2
"""Customer photos per product."""
DRAWING = 1
"""Raised whenever the same config draws other pictures, so that an older sample is not taken for the same."""

_MARK = "sample.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConfig:
    """What to draw, and where."""

    folder: Path
    """The folder that the sample is drawn into; it must not exist, be empty, or hold an earlier sample."""
    seed: int = 7
    """Another number draws another shop."""
    products: int = 432
    """How many products the shop has; every one gets a studio photo and two customer photos."""
    image_size: int = 320
    """The width and the height of every photo, in pixels."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UsageError(f"--seed must be at least 0; it is {self.seed}: give a whole number such as 7")
        if not 1 <= self.products <= 4000:
            raise UsageError(f"--products must be between 1 and 4000; it is {self.products}: give one such as 432")
        if not 64 <= self.image_size <= 1024:
            raise UsageError(f"--image-size must be between 64 and 1024; it is {self.image_size}: give one such as 320")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCatalog:
    """Where a drawn sample lies."""

    table: Path
    """The shop's table: path, item_id, title, category, colour, price."""
    customer_photos: Path
    """The folder of customer photos; none of them is in the catalog."""
    answers: Path
    """Which product each customer photo shows: path, item_id."""


def draw_sample(config: SampleConfig) -> SampleCatalog:
    """Draw the sample, or return at once where the folder already holds it complete.

    The pictures depend on the config alone, not on the machine's number of cores. The sample is drawn beside its
    folder and renamed when complete.

    Raises:
        UsageError: the folder holds something other than a sample.
    """
    folder = config.folder
    sample = SampleCatalog(
        table=folder / "catalog" / "products.csv",
        customer_photos=folder / "customer",
        answers=folder / "customer" / "answers.csv",
    )
    if _is_complete(config):
        return sample
    if folder.exists() and not (folder.is_dir() and (_marked(folder) or not any(folder.iterdir()))):
        raise UsageError(f"a sample needs a folder of its own; {folder} holds other files: give a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    drawing = folder.with_name(f".{folder.name}.{os.getpid()}.drawing")
    try:
        _draw_into(drawing, config)
        _replace(folder, drawing)
    finally:
        shutil.rmtree(drawing, ignore_errors=True)
    return sample


def _description(config: SampleConfig) -> dict[str, int]:
    return {
        "drawing": DRAWING,
        "seed": config.seed,
        "products": config.products,
        "image_size": config.image_size,
    }


def _marked(folder: Path) -> bool:
    return (folder / _MARK).is_file()


def _is_complete(config: SampleConfig) -> bool:
    try:
        found = json.loads((config.folder / _MARK).read_bytes())
    except (OSError, ValueError):
        return False
    return bool(found == _description(config))


def _replace(folder: Path, drawing: Path) -> None:
    """Put the finished drawing in the folder's place; an earlier sample there goes."""
    if folder.exists():
        earlier = drawing.with_suffix(".earlier")
        os.replace(folder, earlier)
        shutil.rmtree(earlier, ignore_errors=True)
    os.replace(drawing, folder)
    fsync_folder(folder.parent)


def _draw_into(drawing: Path, config: SampleConfig) -> None:
    (drawing / "catalog" / "photos").mkdir(parents=True)
    (drawing / "customer").mkdir()
    products = plan_products(config.products, config.seed)
    _draw_photos(drawing, products, config)
    rows = [
        (f"photos/{item.photo_name}", item.item_id, item.title, item.category, item.main, f"{item.price:.2f}")
        for item in products
    ]
    columns = ("path", "item_id", "title", "category", "colour", "price")
    _write_table(drawing / "catalog" / "products.csv", columns, rows)
    answers = [(_customer_name(item, view), item.item_id) for item in products for view in range(CUSTOMER_PHOTOS)]
    _write_table(drawing / "customer" / "answers.csv", ("path", "item_id"), answers)
    write_json(drawing / _MARK, _description(config))


def _draw_photos(drawing: Path, products: Sequence[Product], config: SampleConfig) -> None:
    """Draw every product, spread over the cores; fresh processes, because the caller may hold threads."""
    task = partial(_draw_product, drawing=drawing, seed=config.seed, size=config.image_size)
    context = multiprocessing.get_context("spawn")
    cores = min(default_workers(), len(products))
    with ProcessPoolExecutor(max_workers=cores, mp_context=context) as workers:
        for _ in workers.map(task, products, chunksize=4):
            pass


def _draw_product(product: Product, *, drawing: Path, seed: int, size: int) -> None:
    """Write the studio photo and the customer photos of one product."""
    cutout = draw_cutout(product, size, seed)
    studio = studio_photo(cutout, product, _generator(seed, product, view=0))
    studio.save(drawing / "catalog" / "photos" / product.photo_name, "JPEG", quality=92)
    for view in range(CUSTOMER_PHOTOS):
        photo = customer_photo(cutout, _generator(seed, product, view=1 + view))
        (drawing / "customer" / _customer_name(product, view)).write_bytes(photo)


def _generator(seed: int, product: Product, *, view: int) -> np.random.Generator:
    """Return the random numbers of one picture, whichever process draws it and when."""
    return np.random.default_rng([seed, product.number, view])


def _customer_name(product: Product, view: int) -> str:
    return f"photo-{product.number:04d}-{'ab'[view]}.jpg"


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
