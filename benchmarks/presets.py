"""The presets on the drawn sample catalog: what each costs, and what it takes for alike.

    python -m benchmarks.presets [--presets fast balanced colour-exact same-design] [--folder WHERE]

Every preset trains its own encoder on the same photos, one after the other. Customer photos then ask for their product,
and catalog photos for the five products most like their own, by the same commands as people use. A design is the part
of a title before its comma ("Pinstriped ceramic mug"), the rest are its colours.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.main_job import COLOURLESS, lookalike
from benchmarks.record import write_record
from catalog.sample.catalog import SampleCatalog, SampleConfig, draw_sample

OTHERS = 5
"""Products looked at beside a photo's own."""


def customer_photos(sample: SampleCatalog, store: Path, output: Path) -> dict[str, float]:
    """How often a customer photo's first answer is its product, its design, and among five its product."""
    lookalike("search", sample.customer_photos, "--store", store, "-k", "5", "--output", output, *COLOURLESS)
    answers = pd.read_csv(output)
    truth = pd.read_csv(sample.answers).set_index("path")["item_id"]
    titles = pd.read_csv(sample.table).set_index("item_id")["title"]
    wanted = answers["query"].map(truth)
    answers["product"] = answers["item_id"] == wanted
    answers["design"] = design(answers["title"]) == design(wanted.map(titles))
    first = answers[answers["rank"] == 1]
    return {
        "product_r_at_1": round(float(first["product"].mean()), 4),
        "product_r_at_5": round(float(answers.groupby("query")["product"].any().mean()), 4),
        "design_r_at_1": round(float(first["design"].mean()), 4),
    }


def other_products(sample: SampleCatalog, store: Path, output: Path) -> dict[str, float]:
    """Of the five products most like a catalog photo's own, the part of the same design, and of the same colour."""
    lookalike(
        "search",
        sample.table.parent / "photos",
        "--store",
        store,
        "-k",
        str(OTHERS + 1),
        "--output",
        output,
        *COLOURLESS,
    )
    answers = pd.read_csv(output)
    products = pd.read_csv(sample.table).set_index("path")
    asked = products.loc["photos/" + answers["query"]].reset_index()
    others = (answers["item_id"] != asked["item_id"]).to_numpy()
    same_design = (design(answers["title"]) == design(asked["title"]))[others]
    same_colour = (answers["colour"] == asked["colour"])[others]
    return {
        "others_of_the_design": round(float(same_design.mean()), 4),
        "others_of_the_colour": round(float(same_colour.mean()), 4),
    }


def design(titles: pd.Series[str]) -> pd.Series[str]:
    """Titles without their colours."""
    return titles.str.split(",").str[0].reset_index(drop=True)


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--presets", nargs="+", default=["fast", "balanced", "colour-exact", "same-design"])
    options.add_argument("--folder", type=Path, help="where sample and store go, and stay; default: a temporary one")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        sample = draw_sample(SampleConfig(folder=folder / "sample"))
        store, output = folder / "store", folder / "out.csv"
        lookalike("scan", sample.table, "--store", store)
        figures = {}
        for preset in ("imagenet", *chosen.presets):
            seconds = 0.0
            if preset == "imagenet":
                lookalike("index", "--encoder", "imagenet", "--store", store)
            else:
                seconds = lookalike("train", "--preset", preset, "--name", preset, "--store", store)
                lookalike("index", "--run", preset, "--force", "--store", store)
            figures[preset] = {
                "train_seconds": round(seconds, 1),
                **customer_photos(sample, store, output),
                **other_products(sample, store, output),
            }
            print(preset, figures[preset], flush=True)
    print(write_record("presets", figures))


if __name__ == "__main__":
    main()
