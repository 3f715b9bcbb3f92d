"""How an index's answers and its memory grow from 10,000 to 1,000,000 vectors, drawn from a record of benchmarks.index.

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
    """Draw the picture; of several kinds at one size, the last in the record counts."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("record", type=Path)
    options.add_argument("--output", type=Path, default=Path("docs/pictures/index-by-size.png"))
    chosen = options.parse_args()
    figures: dict[str, Any] = json.loads(chosen.record.read_text(encoding="utf-8"))["figures"]
    dimensions = {name: part for name, part in figures.items() if isinstance(part, dict)}
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    with picture(chosen.output, 8.0, 3.0 * len(dimensions), layout=layout) as figure:
        for row, (name, part) in enumerate(dimensions.items()):
            sizes = {int(key.split()[0]): found for key, found in part.items() if key[0].isdigit()}
            axes = [figure.add_subplot(len(dimensions), 2, 2 * row + column) for column in (1, 2)]
            latencies = {
                line: {size: found[key]["p50_ms"] for size, found in sizes.items()} for line, key in LATENCIES.items()
            }
            draw(axes[0], f"One query, {name} numbers", "ms, median", latencies)
            memories = {line: {size: found[key] for size, found in sizes.items()} for line, key in MEMORIES.items()}
            draw(axes[1], f"The index, {name} numbers", "MB", memories)
            for panel in axes:
                panel.set_xlabel("vectors")
    print(chosen.output)


if __name__ == "__main__":
    main()
