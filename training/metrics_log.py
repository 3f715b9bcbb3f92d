"""Where a run's numbers go: `metrics.jsonl` for programs, TensorBoard's event files for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter

from catalog import atomic


class MetricsLog:
    """Appends rows of named numbers to both places.

    A resumed run first drops the rows after the step it resumes from, which it will write again.
    """

    def __init__(self, metrics_file: Path, *, from_step: int) -> None:
        kept = []
        if metrics_file.exists():
            lines = metrics_file.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= from_step]
        atomic.write_bytes(metrics_file, "".join(f"{line}\n" for line in kept).encode())
        self._file = metrics_file.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(metrics_file.parent), purge_step=from_step + 1 if from_step else None)

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._board.close()

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Log one row."""
        self._file.write(json.dumps({"step": step, **numbers}) + "\n")
        self._file.flush()
        for name, value in numbers.items():
            self._board.add_scalar(f"train/{name}", value, step)
