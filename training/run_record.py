"""What a run's folder says: state, last numbers, what its evaluation found, and its curves. Imports no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.runs import Run

RunState = Literal["finished", "to be resumed", "ended early", "damaged"]

COMPARED = ("preset", "encoder", "weights", "epochs", "batch_size", "temperature", "keep_start", "learning_rate")
"""Settings by which runs are compared."""

PICTURES = ("answers.png", "confusion.png", "curves.png")
"""What `evaluate` may leave in a run's folder, to be seen."""
FIRST_CURVES = ("loss", "learning_rate")
"""The curves that come first; the others follow by name."""
MOST_POINTS = 400
"""Of one curve; of more, so many are taken evenly, the last among them."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One number of metrics.jsonl over the steps, where it is finite."""

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What a run's folder says, whatever of it is there yet."""

    name: str
    state: RunState
    settings: Mapping[str, str]
    """Those of COMPARED, as text."""
    figures: Mapping[str, float]
    """Last loss and the like, then what the evaluation found, by what people call them."""
    pictures: tuple[str, ...]
    """Those of PICTURES that there are."""

    @classmethod
    def of(cls, run: Run) -> RunRecord:
        """Read it; what is missing or damaged is left out."""
        settings = _read(run.config_file)
        return cls(
            name=run.name,
            state=_state(run),
            settings={name: str(settings[name]) for name in COMPARED if name in settings},
            figures={name: value for name, value in _figures(run) if _is_number(value)},
            pictures=tuple(name for name in PICTURES if (run.folder / name).is_file()),
        )


def _state(run: Run) -> RunState:
    if run.damaged:
        return "damaged"
    return "finished" if run.finished else "to be resumed" if run.resumable else "ended early"


def read_curves(run: Run) -> tuple[Curve, ...]:
    """Every number that the run has logged, over its steps: first those of FIRST_CURVES, then by name."""
    rows = _rows(run)
    names = {name for row in rows for name, value in row.items() if name != "step" and _is_number(value)}
    curves = []
    for name in sorted(names, key=lambda name: (name not in FIRST_CURVES, name != "loss", name)):
        points = _thinned([(int(row["step"]), float(row[name])) for row in rows if _is_number(row.get(name))])
        curves.append(Curve(name, *zip(*points, strict=True)))
    return tuple(curves)


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    stride = -(-len(points) // MOST_POINTS)
    return points[::-1][::stride][::-1]


def _figures(run: Run) -> Iterator[tuple[str, Any]]:
    last: dict[str, Any] = next((row for row in reversed(_rows(run)) if "loss" in row), {})
    result, evaluation = _read(run.result_file), _read(run.folder / "evaluation.json")
    indexed = evaluation.get("embeddings", {}).get(evaluation.get("indexed", ""), {})
    category = indexed.get("category", {}).get("mean", {})
    yield "steps", last.get("step")
    yield "loss", last.get("loss")
    yield "contrastive accuracy", last.get("contrastive_accuracy")
    yield "moved", result.get("moved")
    yield "photos", result.get("photos")
    yield "seconds", result.get("seconds")
    yield "altered copies find their original first", indexed.get("original", {}).get("recall@1", {}).get("value")
    yield "same label first", category.get("recall@1", {}).get("value")
    yield "mAP@R of the labels", category.get("map@r", {}).get("value")


def _rows(run: Run) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl; one that is being written is left out."""
    try:
        lines = run.metrics_file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("}")]


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
