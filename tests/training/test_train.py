"""Training runs: small, whole, interrupted and resumed, and those that must not go on."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch._dynamo.utils
from PIL import Image

from catalog.errors import DeviceError, LookalikeError, StoreBusy, Terminated, TrainingError, UsageError
from catalog.manifest import Manifest
from catalog.store import Store
from training.checkpoint import load_checkpoint, read_header
from training.config import TrainConfig, ViewConfig
from training.encoder import Encoder, load_encoder
from training.evaluation.choose_layer import label_free_score
from training.preprocess import preprocess
from training.runs import Run, all_runs, newest_finished
from training.spec import EncoderSpec
from training.start import start_encoder
from training.state import RESUME_FORMAT
from training.step import take_step
from training.train import train

SMALL = TrainConfig(
    encoder="mobilenet_v3_small",
    weights="none",
    epochs=2,
    batch_size=4,
    image_size=32,
    pixels_side=32,
    projection_dim=8,
    views=ViewConfig(size=32),
    learning_rate=1e-3,
    head_learning_rate=1e-3,
    device="cpu",
)

MakeStore = Callable[[int], Store]


def small(store: Store, **changes: Any) -> TrainConfig:
    return dataclasses.replace(SMALL, store=store.root, **changes)


def resumed(store: Store, **others: Any) -> TrainConfig:
    """Settings that go on with an interrupted run."""
    return TrainConfig(store=store.root, resume=True, device="cpu", **others)


def quiet(line: str) -> None:
    pass


def test_a_run_leaves_a_checkpoint_that_describes_itself(make_store: MakeStore) -> None:
    store = make_store(10)
    lines: list[str] = []
    result = train(small(store), lines.append)
    assert (result.photos, result.epochs, result.steps) == (10, 2, 4)
    header = read_header(result.checkpoint)
    assert header.finished
    assert (header.name, header.epoch, header.spec.hidden_dim, header.spec.embedding_dim) == ("run-1", 2, 576, 8)
    assert header.config["views"]["size"] == 32
    rows = [json.loads(line) for line in (store.runs_dir / "run-1" / "metrics.jsonl").read_text().splitlines()]
    assert {"loss", "contrastive_accuracy", "learning_rate", "views_per_second", "spread"} <= set(rows[0])
    assert list((store.runs_dir / "run-1").glob("events.out.tfevents.*"))
    assert sum(line.startswith("epoch ") for line in lines) == 2
    found = newest_finished(store)
    assert found is not None
    assert found.name == "run-1"
    assert not found.resumable


def test_training_learns(make_store: MakeStore) -> None:
    """Ten photos, thirty epochs: a view must find its partner far more often than by chance (1 in 19)."""
    store = make_store(10)
    views = ViewConfig(size=32, min_area=0.8, jitter=0, blur=0)
    config = small(store, encoder="resnet18", epochs=30, batch_size=10, views=views, name="learner")
    train(config, quiet)
    rows = [json.loads(line) for line in (store.runs_dir / "learner" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["contrastive_accuracy"] > 0.8
    assert rows[-1]["nt_xent"] < 0.5 * rows[0]["nt_xent"]


@pytest.mark.parametrize("count", [2, 3])
def test_tiny_catalogs_train(make_store: MakeStore, count: int) -> None:
    result = train(small(make_store(count), batch_size=128), quiet)
    assert result.steps == 2


def test_one_photo_is_too_few(make_store: MakeStore) -> None:
    store = make_store(1)
    with pytest.raises(TrainingError, match="at least 2 different photos; the catalog has 1"):
        train(small(store), quiet)
    assert not store.runs_dir.exists()


def test_pretrained_start_begins_as_its_own_principal_components(make_store: MakeStore) -> None:
    store = make_store(12)
    config = small(store, encoder="efficientnet_lite0", weights="imagenet", epochs=1, batch_size=12, learning_rate=1e-9)
    result = train(
        dataclasses.replace(config, head_learning_rate=1e-9, views=ViewConfig(size=64), pixels_side=64), quiet
    )
    checkpoint = load_checkpoint(result.checkpoint)
    assert checkpoint.header.spec.folded_norms
    assert checkpoint.header.spec.hidden_dim == 0
    assert torch.count_nonzero(checkpoint.weights["head.weight"].abs().sum(dim=1) > 1e-6) == 8


def test_non_finite_loss_stops_and_keeps_the_last_checkpoint(make_store: MakeStore) -> None:
    store = make_store(12)
    with pytest.raises(TrainingError, match=r"must be finite|collapsed"):
        train(small(store, epochs=30, learning_rate=1e30, head_learning_rate=1e30), quiet)
    run = all_runs(store)[0]
    assert not run.finished
    train(small(store), quiet)  # the store is as usable as before


@pytest.mark.parametrize("rate", [1e10, 1e30])
def test_an_encoder_that_became_useless_is_never_kept(make_store: MakeStore, rate: float) -> None:
    """At the edge of an epoch no further loss would tell: what is kept gives finite vectors, or nothing is."""
    store = make_store(12)
    with pytest.raises(TrainingError, match=r"must be finite|collapsed"):
        train(small(store, epochs=2, batch_size=12, learning_rate=rate, head_learning_rate=rate), quiet)
    run = all_runs(store)[0]
    saved = torch.load(run.resume_file, weights_only=True)
    begun = Encoder(EncoderSpec.from_json(saved["spec"])).eval()
    begun.load_state_dict(saved["weights"])
    assert begun(torch.full((2, 3, 64, 64), 99.0)).projection.isfinite().all()
    checkpoint = run.checkpoint_file
    if checkpoint.exists():
        vectors = load_encoder(checkpoint)[0](torch.full((2, 3, 64, 64), 99.0)).projection
        assert vectors.isfinite().all()


def test_a_taken_name_and_a_missing_gpu_are_refused(make_store: MakeStore) -> None:
    store = make_store(4)
    train(small(store, name="one"), quiet)
    with pytest.raises(UsageError, match='there is a run "one"'):
        train(small(store, name="one"), quiet)
    with pytest.raises(UsageError, match="--resume needs a run that was interrupted"):
        train(resumed(store), quiet)
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="--device gpu needs"):
            train(small(store, device="gpu"), quiet)


def test_photos_lost_since_the_scan_are_left_out(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(6)
    (tmp_path / "photos" / "003.png").unlink()
    lines: list[str] = []
    assert train(small(store), lines.append).photos == 5
    assert any("1 of 6 photos are gone" in line for line in lines)
    assert lines[0].startswith("decoding 6 photos once, 0 MB in ")


def test_the_layer_of_an_mlp_head_is_chosen_by_measurement(make_store: MakeStore) -> None:
    header = read_header(train(small(make_store(10)), quiet).checkpoint)
    choice = header.config["layer_choice"]
    assert set(choice["recall@1"]) == {"first", "projection"}
    better = choice["first_minus_projection"]["low"] > 0
    assert header.spec.layer == ("first" if better else "projection")


def test_a_column_of_labels_is_probed_and_balanced_by(make_store: MakeStore) -> None:
    store = make_store(10)
    lines: list[str] = []
    result = train(small(store, knn_column="folder", balance="item_id", knn_every=1), lines.append)
    rows = [json.loads(line) for line in (store.runs_dir / "run-1" / "metrics.jsonl").read_text().splitlines()]
    assert [row["knn_accuracy"] for row in rows if "knn_accuracy" in row] == [1.0, 1.0]  # one folder: one label
    assert sum("kNN accuracy 1.000" in line for line in lines) == 2
    assert result.moved > 0
    with pytest.raises(UsageError, match='--balance must name a column of the catalog; received "brand"'):
        train(small(store, balance="brand"), quiet)


def test_chunks_change_nothing_where_norms_are_frozen(make_store: MakeStore) -> None:
    """GradCache in a real run: the same weights as with whole batches, up to rounding."""
    store = make_store(12)
    config = small(
        store, encoder="efficientnet_lite0", weights="imagenet", epochs=1, batch_size=12, optimizer="sgd", clip_norm=1.0
    )
    whole = load_checkpoint(train(dataclasses.replace(config, name="whole"), quiet).checkpoint).weights
    chunks = load_checkpoint(train(dataclasses.replace(config, name="chunks", chunk_size=5), quiet).checkpoint).weights
    start = load_checkpoint(
        train(
            dataclasses.replace(config, name="start", learning_rate=1e-30, head_learning_rate=1e-30), quiet
        ).checkpoint
    ).weights
    moved = max(float((whole[name] - start[name]).abs().max()) for name in whole)
    apart = max(float((whole[name] - chunks[name]).abs().max()) for name in whole)
    assert apart < 1e-2 * moved


def test_an_encoder_of_timm_trains(make_store: MakeStore) -> None:
    header = read_header(train(small(make_store(4), encoder="timm:resnet10t", epochs=1), quiet).checkpoint)
    assert (header.spec.backbone, header.spec.feature_dim) == ("timm:resnet10t", 512)


@pytest.mark.parametrize(
    "name", ["mobilenetv3_small_050", "ghostnet_100", "mobilevit_xxs", "efficientvit_b0", "vit_tiny_patch16_224"]
)
def test_encoders_of_timm_give_what_is_said_of_them(name: str) -> None:
    """Networks whose output is wider than their last stage, that know no image size, or that must be told."""
    config = dataclasses.replace(SMALL, encoder=f"timm:{name}", weights="none", image_size=96)
    encoder = start_encoder(config)
    features = encoder.eval()(torch.full((2, 3, 64, 64), 99.0)).backbone
    assert features.shape == (2, encoder.spec.feature_dim)


def test_a_network_of_timm_that_takes_one_size_says_so(make_store: MakeStore) -> None:
    store = make_store(4)
    with pytest.raises(UsageError, match=r"must take images of \d+ pixels; .* such as 224"):
        train(small(store, encoder="timm:resmlp_12_224", image_size=96), quiet)
    with pytest.raises(UsageError, match=r'needs the name of an encoder in timm; received "timm:swim"'):
        train(small(store, encoder="timm:swim"), quiet)
    assert not store.runs_dir.exists()


def weights_and_metrics(store: Store, name: str) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    folder = store.runs_dir / name
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        row.pop("views_per_second")
        row.pop("step_seconds")
    return dict(load_checkpoint(folder / "checkpoint.safetensors").weights), rows


@pytest.mark.parametrize(("stop_after", "workers"), [(2, 0), (3, 0), (2, 2), (3, 2)])
def test_resumed_run_equals_one_never_stopped(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch, stop_after: int, workers: int
) -> None:
    """Ctrl+C in the middle of an epoch (step 2 of 3) and at its edge (step 3): the same weights and numbers."""
    store = make_store(12)
    train(small(store, epochs=3, name="whole"), quiet)
    steps = 0
    step = take_step

    def step_then_interrupt(*arguments: Any) -> None:
        nonlocal steps
        step(*arguments)
        steps += 1
        if steps == stop_after:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("training.train.take_step", step_then_interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(small(store, epochs=3, name="halved", workers=workers), quiet)
    monkeypatch.undo()
    assert not all_runs(store)[1].finished
    with pytest.raises(UsageError, match="the run began with; received another --epochs, another --views: leave them"):
        train(resumed(store, epochs=5, views=ViewConfig(size=64)), quiet)
    train(resumed(store, learning_rate=SMALL.learning_rate), quiet)
    (weights, rows), (other_weights, other_rows) = (weights_and_metrics(store, name) for name in ("whole", "halved"))
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert rows == other_rows


@pytest.mark.parametrize("epochs_before", [0, 1])
def test_interrupted_while_it_measures_a_run_goes_on_to_the_same_end(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch, epochs_before: int
) -> None:
    """SIGTERM in the middle of an epoch's end, which is then begun anew."""
    store = make_store(12)
    config = small(store, epochs=3, knn_column="folder", knn_every=1, patience=3)
    train(dataclasses.replace(config, name="whole"), quiet)
    measured = 0

    def measure_then_terminate(encoder: Any, *arguments: Any) -> float:
        nonlocal measured
        measured += 1
        if measured > epochs_before:
            os.kill(os.getpid(), signal.SIGTERM)
        return label_free_score(encoder, *arguments)

    monkeypatch.setattr("training.epoch_end.label_free_score", measure_then_terminate)
    lines: list[str] = []
    with pytest.raises(Terminated):
        train(dataclasses.replace(config, name="halved"), lines.append)
    monkeypatch.undo()
    assert measured == epochs_before + 1
    assert 'go on with "lookalike train --resume --name halved"' in lines[-1]
    train(resumed(store), quiet)
    (weights, rows), (other_weights, other_rows) = (weights_and_metrics(store, name) for name in ("whole", "halved"))
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert rows == other_rows
    assert ["knn_accuracy" in row and "original_recall@1" in row for row in rows] == [True] * 3


def test_a_killed_run_goes_on_to_the_same_end(make_store: MakeStore) -> None:
    """kill -9 in the middle of an epoch: it goes on from the last state saved, to the same weights and numbers."""
    store = make_store(12)
    train(small(store, epochs=4, name="whole"), quiet)
    code = (
        "import os, signal, pathlib\n"
        "from tests.training.test_train import SMALL, dataclasses\n"
        "import torch, training.train as module\n"
        "torch.set_num_threads(1)\n"  # as this process has: another number of threads adds up in another order
        "step, count = module.take_step, 0\n"
        "def counted(*arguments):\n"
        "    global count\n"
        "    step(*arguments)\n"
        "    count += 1\n"
        "    if count == 8: os.kill(os.getpid(), signal.SIGKILL)\n"
        "module.take_step = counted\n"
        f"module.train(dataclasses.replace(SMALL, store=pathlib.Path({str(store.root)!r}), epochs=4, name='killed'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert read_header(store.runs_dir / "killed" / "checkpoint.safetensors").epoch == 2
    train(resumed(store), quiet)
    (weights, rows), (other_weights, other_rows) = (weights_and_metrics(store, name) for name in ("whole", "killed"))
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert rows == other_rows


def test_a_run_that_no_longer_gets_better_stops_and_keeps_its_best_encoder(make_store: MakeStore) -> None:
    """A learning rate that changes nothing: no epoch is better than the first."""
    store = make_store(10)
    config = small(store, epochs=9, patience=2, learning_rate=1e-30, head_learning_rate=1e-30, weight_decay=0.0)
    lines: list[str] = []
    result = train(config, lines.append)
    header = read_header(result.checkpoint)
    assert (result.epochs, header.epoch, header.finished) == (3, 1, True)
    assert lines[-1] == "stopped early: no better than epoch 1 for 2 epochs; its encoder is kept"


def test_a_run_that_was_killed_as_it_began_is_in_nobodys_way(make_store: MakeStore) -> None:
    store = make_store(4)
    (store.runs_dir / "run-1").mkdir(parents=True)
    (store.runs_dir / "run-1" / ".start_rows.npy.1.tmp").write_bytes(b"half")
    assert train(small(store, epochs=1), quiet).name == "run-1"
    assert not list((store.runs_dir / "run-1").glob(".*"))


def test_a_state_of_another_format_is_refused(make_store: MakeStore) -> None:
    store = make_store(12)
    train(small(store, epochs=1, name="whole"), quiet)
    run = Run(store.runs_dir / "whole")
    torch.save({"config": {}}, run.resume_file)
    with pytest.raises(
        LookalikeError, match=f"the state of whole must be of format {RESUME_FORMAT}; it has None: go on with it by"
    ):
        train(resumed(store), quiet)


def test_without_its_photos_a_run_ends_and_one_with_patience_says_so(make_store: MakeStore, tmp_path: Path) -> None:
    """Pixels are decoded once; the photos themselves are needed to alter copies of them."""
    store = make_store(6)
    train(small(store, epochs=1), quiet)
    for photo in Path(store.read_catalog()["root"]).iterdir():
        photo.unlink()
    assert read_header(train(small(store, epochs=1), quiet).checkpoint).finished
    with pytest.raises(TrainingError, match="--patience needs at least 2 photos that can be read"):
        train(small(store, epochs=2, patience=1), quiet)


def test_live_norms_are_settled_when_a_run_ends(make_store: MakeStore) -> None:
    """In use, the norms say what the photos say: standard outputs, which running means after 2 steps do not give."""
    store = make_store(10)
    encoder, header = load_encoder(train(small(store, encoder="resnet18", epochs=1), quiet).checkpoint)
    photos = Manifest.read(store.manifest_file).distinct_photos(Path(store.read_catalog()["root"]))
    pixels = np.stack([preprocess(Image.open(photo.root / photo.path).convert("RGB"), header.spec) for photo in photos])
    seen: list[torch.Tensor] = []
    norm = next(module for module in encoder.backbone.modules() if isinstance(module, torch.nn.BatchNorm2d))
    norm.register_forward_hook(lambda module, given, out: seen.append(out.clone()))
    encoder.eval()(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    assert seen[0].mean().abs() < 0.05
    assert seen[0].std().item() == pytest.approx(1.0, abs=0.05)


def test_sigterm_saves_and_exits_143(make_store: MakeStore) -> None:
    store = make_store(12)
    arguments = ["--store", str(store.root), "--encoder", "mobilenet_v3_small", "--weights", "none", "--epochs", "1000"]
    arguments += ["--batch-size", "4", "--views.size", "32", "--pixels-side", "32", "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "training", "train", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    metrics = store.runs_dir / "run-1" / "metrics.jsonl"
    limit = time.monotonic() + 90
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < limit:
        time.sleep(0.1)
    with pytest.raises(StoreBusy, match="lookalike train"):
        train(small(store), quiet)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 143
    assert told.strip().count("\n") == 0
    assert "terminated" in told
    assert all_runs(store)[0].resumable


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler here")
def test_a_compiled_network_learns_the_same(
    make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    store = make_store(8)
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    results = {}
    for name in ("plain", "compiled"):
        config = small(
            store,
            name=name,
            compile=name == "compiled",
            encoder="resnet10_narrow",
            optimizer="sgd",
            learning_rate=1e-2,
            head_learning_rate=1e-2,
            precision="float32",
        )
        results[name] = train(config, quiet)
    # the run's own graphs beside that of the check before it
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > graphs + 1
    plain, compiled = (load_encoder(results[name].checkpoint)[0].backbone for name in ("plain", "compiled"))
    weights, others = (torch.cat([one.flatten() for one in net.parameters()]) for net in (plain, compiled))
    apart = float((weights - others).norm() / weights.norm())
    assert apart < 0.01 * results["plain"].moved


def test_without_a_compiler_a_run_does_not_begin(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(4)
    done = subprocess.run(
        [sys.executable, "-m", "training", "train", "--store", str(store.root), "--compile", "--device", "cpu"],
        env={**os.environ, "CXX": str(tmp_path / "g++"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "compiled")},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--compile needs a C++ compiler that torch can use here" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(store.root.glob("runs/*"))
