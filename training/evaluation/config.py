"""Settings of an evaluation. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from catalog.errors import UsageError
from catalog.store import DEFAULT_STORE
from training.config import Device, require


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateConfig:
    """Settings of one evaluation.

    Raises:
        UsageError: a value that cannot work, in one line.
    """

    store: Path = DEFAULT_STORE
    """The store whose run to evaluate."""
    run: str = ""
    """The training run; empty: the newest finished one."""
    labels: str = ""
    """A column of labels to measure against, or "folder" for the folder each photo lies in; they are counted with,
    never trained on. Empty: only what needs no labels."""
    queries: Path | None = None
    """Labelled photos that are not in the catalog: a folder with one folder per label, or a table with the columns
    path and the labels'. Without it, each photo of the catalog is asked for against all others."""
    photos: int = 20_000
    """Most photos of the catalog to search; of a larger one a fixed part is taken."""
    altered: int = 500
    """Photos of which altered copies are made, one for each family of alterations."""
    device: Device = "auto"
    """Where to encode."""

    def __post_init__(self) -> None:
        require(self.photos >= 2, "--photos must be at least 2", self.photos, "try 20000")
        require(self.altered >= 2, "--altered must be at least 2", self.altered, "try 500")
        if self.queries is not None and not self.labels:
            raise UsageError(
                f"--queries needs --labels to know what is right; received --queries {self.queries} alone: "
                "name the column, or --labels folder"
            )
