"""Charts for people, as PNG files: a run's curves, a confusion matrix.

The same input gives the same bytes: matplotlib's own defaults and bundled font, no date and no version in the file.
Only for scripts that its font lacks, the machine's fonts are asked.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine, LayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from catalog import atomic

INK, SOFT, LINE, GROUND = "#1d1c1a", "#67635c", "#d3cec5", "#faf9f7"
SERIES = ("#0b6b61", "#b4622d", "#5b4b8a", "#8a8378", "#2f6db0", "#a33c5c")
"""Colours of the lines in one panel."""
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": LINE,
    "axes.facecolor": GROUND,
    "axes.grid": True,
    "axes.labelcolor": SOFT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.facecolor": GROUND,
    "font.size": 8.5,
    "grid.color": "#e8e5df",
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.color": LINE,
    "ytick.labelcolor": SOFT,
}
"""Of every picture. Labels are a user's own words: a dollar sign in them begins no formula."""
OTHER_SCRIPTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Microsoft YaHei",
    "Yu Gothic",
    "Hiragino Sans",
    "Malgun Gothic",
)
"""Fonts for labels in scripts that DejaVu Sans lacks, where the machine has them; else boxes stand for the letters."""
DPI = 150

PANELS = {
    "loss": "Loss",
    "contrastive_accuracy": "Contrastive accuracy",
    "keep_start": "Keeping the start",
    "original_recall@1": "Altered copies that find their original",
    "spread": "Spread of the batch",
    "learning_rate": "Learning rate",
    "views_per_second": "Views per second",
}
"""The curves that have a panel of their own. Whatever has "knn" in its name shares one more."""
FROM_ZERO = ("Learning rate", "Views per second")
FEW_POINTS = 40
"""Up to this many points, a curve shows each."""
TICK_STEPS = [1, 2, 2.5, 5, 10]
COUNTED_LABELS = 20
"""Up to this many labels, a confusion matrix shows its counts."""
NAMED_LABELS = 100
"""Up to this many, it names them."""


class Curve(NamedTuple):
    """What one line is drawn from."""

    steps: list[float]
    values: list[float]


@contextmanager
def picture(
    path: Path, width: float, height: float, *, dpi: int = DPI, layout: LayoutEngine | None = None
) -> Iterator[Figure]:
    """Give an empty figure, in inches, to draw on; afterwards it is written to `path`, whole or not at all."""
    there = fontManager.get_font_names()
    fonts = ["DejaVu Sans", *(name for name in OTHER_SCRIPTS if name in there)]
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        matplotlib.rcdefaults()  # whatever the user's own matplotlibrc says
        matplotlib.rcParams.update({**STYLE, "font.family": fonts})
        figure = Figure(figsize=(width, height), dpi=dpi, layout=layout)
        FigureCanvasAgg(figure)
        yield figure
        with atomic.replacing(path) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})


def one_line(text: str, longest: int) -> str:
    """A user's own words, without line breaks and cut to so many characters."""
    plain = " ".join(text.split())
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"


def draw_curves(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw a run's curves over its steps, a panel for each that the rows have.

    Args:
        rows: of metrics.jsonl, each with its "step"; a curve passes over rows that lack its number or where it is not
            finite.
        path: of the PNG.

    Raises:
        ValueError: the rows have none of the numbers that are drawn.
    """
    curves = {name: _curve(rows, name) for name in sorted({name for row in rows for name in row})}
    there = {name: curve for name, curve in curves.items() if curve.values}
    panels = {title: {name: there[name]} for name, title in PANELS.items() if name in there}
    probes = {name: curve for name, curve in there.items() if "knn" in name}
    if probes:
        panels["kNN accuracy"] = probes
    if not panels:
        raise ValueError(f"there must be a number to draw; received rows with {', '.join(there) or 'none'}")
    columns = min(3, len(panels))
    lines = math.ceil(len(panels) / columns)
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    with picture(path, 3.5 * columns, 2.5 * lines, layout=layout) as figure:
        for place, (title, drawn) in enumerate(panels.items()):
            axes = figure.add_subplot(lines, columns, place + 1)
            _draw_panel(axes, title, drawn)
            if place + columns >= len(panels):
                axes.set_xlabel("step")


def _curve(rows: Sequence[Mapping[str, float]], name: str) -> Curve:
    points = [(row["step"], row[name]) for row in rows if name in row and math.isfinite(row[name])]
    return Curve([step for step, _ in points], [value for _, value in points])


def _draw_panel(axes: Axes, title: str, curves: Mapping[str, Curve]) -> None:
    axes.set_title(title, loc="left", weight="bold")
    axes.set_prop_cycle(color=SERIES)
    for name, (steps, values) in curves.items():
        marker = "o" if len(steps) <= FEW_POINTS else ""
        label = f"{one_line(name, 32)}: last {values[-1]:.3g}"
        axes.plot(steps, values, marker=marker, markersize=3, linewidth=1.5, label=label)
    if title in FROM_ZERO:
        axes.set_ylim(bottom=0)
    if len(curves) > 1:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + (high - low) * 0.14 * len(curves))  # room for the legend above the curves
        axes.legend(loc="upper left")
    elif title != "Learning rate":  # which always ends near zero
        axes.set_title(f"last {values[-1]:.3g}", loc="right", color=SOFT, size=8.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=TICK_STEPS, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=TICK_STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(value: float) -> str:
    """A tick's number: 0.25, 1500, and 2.5e-5 where plain digits would be long."""
    if value == 0 or abs(value) >= 1e-3:
        return f"{value:g}"
    digits, exponent = f"{value:.2e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


def draw_confusion(labels: Sequence[str], matrix: npt.NDArray[np.int64], path: Path) -> None:
    """Draw a confusion matrix, shaded by each row's shares; up to 20 labels with the counts, up to 100 with names.

    Args:
        labels: (L,).
        matrix: counts, (L, L): true label by row, predicted label by column.
        path: of the PNG.

    Raises:
        ValueError: there are no labels, or the matrix is not of their number.
    """
    count = len(labels)
    if count == 0 or matrix.shape != (count, count):
        raise ValueError(f"a confusion matrix needs ({count}, {count}) counts, and labels; received {matrix.shape}")
    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    counted, named = count <= COUNTED_LABELS, count <= NAMED_LABELS
    side = max(2.0, 0.44 * count) if counted else max(9.0, 0.14 * count) if named else 12.0
    names = [one_line(label, 24) for label in labels] if named else []
    with picture(path, side, side) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        shading = LinearSegmentedColormap.from_list("shares", [GROUND, "#9cc7c0", SERIES[0], "#063c37"])
        image = axes.imshow(shares, cmap=shading, vmin=0, vmax=1)
        axes.grid(visible=False)
        axes.spines[:].set_visible(True)
        axes.tick_params(length=0, labelsize=8.5 if counted else min(8.0, 60 * side / count))
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("predicted label")
        axes.set_ylabel("true label")
        if counted:
            for row, column in np.argwhere(matrix > 0):
                colour = GROUND if shares[row, column] > 0.55 else INK
                axes.text(column, row, f"{matrix[row, column]}", ha="center", va="center", color=colour)
        room = max((name.get_window_extent().width for name in axes.get_yticklabels()), default=0) / DPI + 0.55
        width, height = room + side + 1.0, room + side + 0.25
        figure.set_size_inches(width, height)
        axes.set_position((room / width, room / height, side / width, side / height))
        bar = figure.colorbar(
            image, cax=figure.add_axes(((room + side + 0.15) / width, room / height, 0.12 / width, side / height))
        )
        bar.set_label("share of the true label")
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        bar.ax.tick_params(length=0)
        bar.outline.set_visible(False)
