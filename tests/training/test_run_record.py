"""What a page shows of a run: read from the files as they are, whatever of them is there."""

from __future__ import annotations

import json
import math
from pathlib import Path

from training.run_record import MOST_POINTS, RunRecord, read_curves
from training.runs import Run


def leave(folder: Path, rows: list[dict[str, float]]) -> Run:
    """A run that was stopped in the middle of a row."""
    (folder / "config.json").write_text(json.dumps({"preset": "fast", "epochs": 3, "views": {"size": 128}}))
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows) + '{"step": 99')
    return Run(folder)


def test_every_number_is_a_curve_loss_and_rate_first(tmp_path: Path) -> None:
    rows = [
        {"step": 1, "spread": 0.5, "learning_rate": 1e-4, "loss": 2.0},
        {"step": 2, "loss": math.nan, "spread": 0.6},
    ]
    curves = read_curves(leave(tmp_path, rows))
    assert [curve.name for curve in curves] == ["loss", "learning_rate", "spread"]
    assert (curves[0].steps, curves[0].values) == ((1,), (2.0,))
    assert (curves[2].steps, curves[2].values) == ((1, 2), (0.5, 0.6))


def test_a_long_curve_is_thinned_evenly_and_keeps_its_end(tmp_path: Path) -> None:
    (curve,) = read_curves(leave(tmp_path, [{"step": step, "loss": 1 / step} for step in range(1, 3001)]))
    assert len(curve.steps) <= MOST_POINTS and curve.steps[-1] == 3000
    assert {later - earlier for earlier, later in zip(curve.steps, curve.steps[1:], strict=False)} == {8}
    assert curve.values == tuple(1 / step for step in curve.steps)


def test_a_record_holds_what_there_is(tmp_path: Path) -> None:
    run = leave(tmp_path, [{"step": 4, "loss": 2.5, "contrastive_accuracy": 0.75}, {"step": 5, "spread": 0.9}])
    record = RunRecord.of(run)
    assert record.state == "ended early" and record.settings == {"preset": "fast", "epochs": "3"}
    assert record.figures == {"steps": 4, "loss": 2.5, "contrastive accuracy": 0.75} and record.pictures == ()
    (tmp_path / "resume.pt").touch()
    (tmp_path / "answers.png").touch()
    (tmp_path / "result.json").write_text('{"photos": 40, "seconds": 1.5')  # damaged
    projection = {"original": {"recall@1": {"value": 0.5}}, "category": {"mean": {"recall@1": {"value": 0.25}}}}
    evaluation = {"indexed": "projection", "embeddings": {"projection": projection}}
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    record = RunRecord.of(run)
    assert record.state == "to be resumed" and record.pictures == ("answers.png",)
    assert record.figures["altered copies find their original first"] == 0.5
    assert record.figures["same label first"] == 0.25 and "photos" not in record.figures


def test_a_run_that_has_logged_nothing_has_no_curves(tmp_path: Path) -> None:
    assert read_curves(Run(tmp_path)) == ()
