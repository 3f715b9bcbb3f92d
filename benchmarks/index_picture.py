"""How an index's answers and its memory grow with its vectors, drawn from a record of benchmarks.index.

python -m benchmarks.index_picture benchmarks/results/DATE-index.json [--output docs/pictures/index-by-size.png]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter

from index.kinds import choose_kind
from training.evaluation.pictures import SERIES, picture

LATENCIES = {
    "compared with every vector": "single_exact",
    "as chosen by size": "single",
    "1 % allowed": "filter_1_percent",
}
MEMORIES = {"in memory": "memory_mb", "in files": "files_mb"}


def draw(axes: Axes, title: str, unit: str, lines: Mapping[str, Mapping[int, float]]) -> None:
    """One panel: a line for each name, over the number of vectors, both axes logarithmic."""
    axes.set_title(title, loc="left", weight="bold")
    axes.set_prop_cycle(color=SERIES)
    for name, points in lines.items():
        axes.loglog(points.keys(), points.values(), marker="o", markersize=4, linewidth=1.5, label=name)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.minorticks_off()
    axes.set_ylabel(unit)
    axes.legend(loc="upper left")


def main() -> None:
    """Draw the picture, of the kinds that sizes choose by themselves."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("record", type=Path)
    options.add_argument("--output", type=Path, default=Path("docs/pictures/index-by-size.png"))
    chosen = options.parse_args()
    figures: dict[str, Any] = json.loads(chosen.record.read_text(encoding="utf-8"))["figures"]
    dimensions = [part for part in figures.values() if isinstance(part, dict)]
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    with picture(chosen.output, 8.0, 3.0 * len(dimensions), layout=layout) as figure:
        for row, part in enumerate(dimensions):
            width = sum(part["blocks"].values())
            found_at = [(int(key.split()[0]), found) for key, found in part.items() if key[0].isdigit()]
            sizes = {size: found for size, found in found_at if found["kind"] == choose_kind("auto", size, width)}
            axes = [figure.add_subplot(len(dimensions), 2, 2 * row + column) for column in (1, 2)]
            latencies = {
                line: {size: found[key]["p50_ms"] for size, found in sizes.items()} for line, key in LATENCIES.items()
            }
            draw(axes[0], f"One query, {width} numbers", "ms, median", latencies)
            memories = {line: {size: found[key] for size, found in sizes.items()} for line, key in MEMORIES.items()}
            draw(axes[1], f"The index, {width} numbers", "MB", memories)
            for panel in axes:
                panel.set_xlabel("vectors")
    print(chosen.output)


if __name__ == "__main__":
    main()
