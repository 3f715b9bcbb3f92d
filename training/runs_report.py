"""`runs`: the training runs of a store side by side. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.store import DEFAULT_STORE, Store
from training.evaluation.text_table import aligned
from training.runs import Run, all_runs

COMPARED = ("preset", "encoder", "weights", "epochs", "batch_size", "temperature", "keep_start", "learning_rate")
"""Settings that are shown where runs differ in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsConfig:
    """Which store's runs to list."""

    store: Path = DEFAULT_STORE
    """The store."""


@dataclass(frozen=True, slots=True)
class RunsReport:
    """The runs, oldest first, as lines."""

    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def list_runs(config: RunsConfig) -> RunsReport:
    """Every run: how far it came, its last numbers, what its evaluation found, and the settings in which runs differ.

    Raises:
        StoreError: there is no store.
    """
    store = Store.open(config.store)
    runs = all_runs(store)
    if not runs:
        return RunsReport(('there are no runs yet: run "lookalike train"',))
    settings = [_read(run.config_file) for run in runs]
    differing = [name for name in COMPARED if len({str(values.get(name)) for values in settings}) > 1]
    rows = [["run", "state", "steps", "loss", "contrastive acc.", "moved", "original R@1", "R@1", "mAP@R", *differing]]
    for run, values in zip(runs, settings, strict=True):
        rows.append([*_row(run), *(str(values.get(name, "")) for name in differing)])
    return RunsReport(tuple(aligned(rows)))


def _row(run: Run) -> list[str]:
    last = _last_metrics(run)
    result, evaluation = _read(run.result_file), _read(run.folder / "evaluation.json")
    indexed = evaluation.get("embeddings", {}).get(evaluation.get("indexed", ""), {})
    category = indexed.get("category", {}).get("mean", {})
    return [
        run.name,
        "finished" if run.finished else "to be resumed" if run.resumable else "ended early",
        str(last.get("step", "")),
        _number(last.get("loss")),
        _number(last.get("contrastive_accuracy")),
        "" if "moved" not in result else f"{result['moved']:.1%}",
        _number(indexed.get("original", {}).get("recall@1", {}).get("value")),
        _number(category.get("recall@1", {}).get("value")),
        _number(category.get("map@r", {}).get("value")),
    ]


def _last_metrics(run: Run) -> Mapping[str, Any]:
    """The last logged row with a loss; empty where there is none."""
    if not run.metrics_file.exists():
        return {}
    lines = run.metrics_file.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return next((row for row in reversed(rows) if "loss" in row), {})


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
