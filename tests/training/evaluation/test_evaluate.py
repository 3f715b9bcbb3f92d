"""`evaluate` on a small store: a good encoder is told from a bad one, figures and pictures lie in the run's folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from catalog.config import ScanConfig
from catalog.errors import LookalikeError, UsageError
from catalog.scan import scan
from catalog.store import Store
from tests.conftest import draw_photo
from tests.small_run import leave_run
from training.checkpoint import Checkpoint, save_checkpoint
from training.encoder import Encoder
from training.evaluation.config import EvaluateConfig
from training.evaluation.evaluate import evaluate
from training.runs_report import RunsConfig, list_runs
from training.start import untrained


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Photos of two labels in two folders, two photos of each of 8 products, and a run."""
    rows = []
    for number in range(16):
        label = "even" if number % 2 == 0 else "odd"
        (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
        draw_photo(number).save(tmp_path / "photos" / label / f"{number}.png")
        rows.append([f"{label}/{number}.png", f"P{number // 2}", label])
    with (tmp_path / "photos" / "products.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "item_id", "kind"], *rows])
    scan(ScanConfig(catalog=tmp_path / "photos" / "products.csv", store=tmp_path / "store"))
    found = Store.open(tmp_path / "store")
    leave_run(found, "one", projection_dim=32)
    (found.runs_dir / "one" / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.5}\n')
    return found


def test_every_layer_and_every_baseline_is_measured(store: Store) -> None:
    result = evaluate(EvaluateConfig(store=store.root, labels="kind", altered=8, device="cpu"), say=lambda line: None)
    folder = store.runs_dir / "one"
    figures = json.loads((folder / "evaluation.json").read_text())
    assert list(figures["embeddings"]) == [
        *("projection", "backbone", "ImageNet start", "random start", "colour histogram")
    ]
    assert figures["indexed"] == "projection"
    for one in figures["embeddings"].values():
        assert one["original"]["photos"] == 8
        assert one["category"]["queries"] == 16
        assert 0 <= one["category"]["mean"]["map@r"]["value"] <= 1
        assert one["product"]["recall@1"]["low"] <= one["product"]["recall@1"]["value"]
        assert "macro_f1" in one["linear_probe"]
    assert figures["embeddings"]["backbone"]["original"] == figures["embeddings"]["ImageNet start"]["original"]
    found = {name: one["original"]["recall@1"]["value"] for name, one in figures["embeddings"].items()}
    for name in ("curves.png", "confusion.png", "confusion.csv", "answers.png"):
        assert (folder / name).stat().st_size > 20
    assert "projection (indexed)" in str(result)
    assert f"{found['projection']:.3f}" in str(list_runs(RunsConfig(store=store.root)))


def test_queries_of_their_own_need_no_labels_in_training(store: Store, tmp_path: Path) -> None:
    for number in range(20, 24):
        folder = tmp_path / "queries" / ("even" if number % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        draw_photo(number).save(folder / f"{number}.png")
    config = EvaluateConfig(store=store.root, labels="folder", queries=tmp_path / "queries", altered=4, device="cpu")
    figures = evaluate(config, say=lambda line: None).figures
    assert figures["embeddings"]["projection"]["category"]["queries"] == 4
    with (tmp_path / "answers.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "item_id"], ["queries/even/20.png", "P1"]])
    with pytest.raises(UsageError, match='the column "kind"'):
        evaluate(EvaluateConfig(store=store.root, labels="kind", queries=tmp_path / "answers.csv"), say=print)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"labels": "colour"}, "there are: folder, item_id, kind"),
        ({"labels": "item_id", "queries": Path("photos")}, r"none of theirs \(even, odd\) is among"),
        ({"run": "two"}, 'there is no run "two"'),
        ({"labels": "folder", "queries": Path("absent")}, "must be a folder or a table"),
    ],
)
def test_wrong_settings_are_told_in_one_line(
    store: Store, settings: dict[str, object], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.root.parent)
    with pytest.raises(UsageError, match=told) as error:
        evaluate(EvaluateConfig(store=store.root, **settings), say=print)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    assert not (store.runs_dir / "one" / "evaluation.json").exists()


def test_labels_that_no_two_photos_share_are_refused(make_store: Callable[[int], Store]) -> None:
    store = make_store(4)
    leave_run(store, "one")
    with pytest.raises(UsageError, match='each of the 4 in "item_id" is of one photo'):
        evaluate(EvaluateConfig(store=store.root, labels="item_id"), say=print)


def test_photos_lost_since_the_scan_are_counted(store: Store) -> None:
    (store.root.parent / "photos" / "even" / "4.png").unlink()
    result = evaluate(EvaluateConfig(store=store.root, labels="kind", altered=8, device="cpu"), say=lambda line: None)
    assert (result.exit_code, result.figures["photos"], result.figures["unreadable"]) == (3, 15, 1)
    assert "1 of 16 photos cannot be read any more" in str(result)


def test_another_evaluation_leaves_no_pictures_of_the_last(store: Store) -> None:
    config = EvaluateConfig(store=store.root, labels="kind", altered=8, device="cpu")
    evaluate(config, say=lambda line: None)
    evaluate(replace(config, labels=""), say=lambda line: None)
    left = sorted(path.name for path in (store.runs_dir / "one").iterdir())
    assert left == ["checkpoint.safetensors", "config.json", "curves.png", "evaluation.json", "metrics.jsonl"]


def test_the_layer_that_is_indexed_is_probed(store: Store) -> None:
    """Where it is the head's first layer, too, which is not probed otherwise."""
    torch.manual_seed(0)
    start = untrained(image_size=64).header
    spec = replace(start.spec, layer="first", hidden_dim=24, projection_dim=8)
    checkpoint = Checkpoint(header=replace(start, spec=spec, name="two"), weights=Encoder(spec).state_dict())
    (store.runs_dir / "two").mkdir()
    save_checkpoint(checkpoint, store.runs_dir / "two" / "checkpoint.safetensors")
    (store.runs_dir / "two" / "config.json").write_text("{}")
    (store.runs_dir / "two" / "metrics.jsonl").write_text("")
    config = EvaluateConfig(store=store.root, run="two", labels="kind", altered=8, device="cpu")
    assert "linear_probe" in evaluate(config, say=lambda line: None).figures["embeddings"]["first"]
    assert (store.runs_dir / "two" / "confusion.csv").exists()


def test_queries_without_labels_are_refused() -> None:
    with pytest.raises(UsageError, match="--queries needs --labels"):
        EvaluateConfig(queries=Path("x"))


def test_a_store_without_runs(make_store: Callable[[int], Store]) -> None:
    store = make_store(3)
    with pytest.raises(LookalikeError, match='no finished training run: run "lookalike train"'):
        evaluate(EvaluateConfig(store=store.root), say=print)
    assert "no runs yet" in str(list_runs(RunsConfig(store=store.root)))
