"""`runs`: the training runs of a store side by side. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from catalog.store import DEFAULT_STORE, Store
from training.evaluation.text_table import aligned
from training.run_record import COMPARED, RunRecord
from training.runs import all_runs


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
    records = [RunRecord.of(run) for run in runs]
    differing = [name for name in COMPARED if len({record.settings.get(name) for record in records}) > 1]
    rows = [["run", "state", "steps", "loss", "contrastive acc.", "moved", "original R@1", "R@1", "mAP@R", *differing]]
    rows += [[*_row(record), *(record.settings.get(name, "") for name in differing)] for record in records]
    return RunsReport(tuple(aligned(rows)))


def _row(record: RunRecord) -> list[str]:
    figures = record.figures
    return [
        record.name,
        record.state,
        str(figures.get("steps", "")),
        _number(figures.get("loss")),
        _number(figures.get("contrastive accuracy")),
        "" if "moved" not in figures else f"{figures['moved']:.1%}",
        _number(figures.get("altered copies find their original first")),
        _number(figures.get("same label first")),
        _number(figures.get("mAP@R of the labels")),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
