"""Fine-tuning: the classifier, what is held out, and whole small runs, also those that must not go on."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image, ImageDraw
from sklearn.metrics import f1_score, log_loss

from catalog.command_line import main
from catalog.config import ScanConfig
from catalog.errors import LookalikeError, Terminated, TrainingError, UsageError, VersionError
from catalog.manifest import OWN_COLUMNS, Manifest
from catalog.scan import scan
from catalog.store import Store
from training.checkpoint import Checkpoint, load_checkpoint, read_header, save_checkpoint
from training.classifier import CosineClassifier, load_classifier, save_classifier, temperature_for
from training.commands import COMMANDS
from training.config import TrainConfig, ViewConfig
from training.encoder import Indexed, load_encoder
from training.evaluation.retrieval import find_category
from training.finetune import finetune
from training.finetune_config import FinetuneConfig
from training.finite import check_weights
from training.label_split import Places, product_groups, split_photos
from training.photos import training_photos
from training.runs import all_runs, find_run, newest_finished
from training.settle_norms import settle_norms
from training.supervised_step import even_batches, take_step
from training.train import train

COLOURS = {"amber": (250, 170, 20), "blue": (30, 60, 230), "green": (30, 160, 60)}
SMALL = FinetuneConfig(
    labels="colour",
    linear_epochs=5,
    epochs=2,
    batch_size=16,
    views=ViewConfig(size=32, hue=0, grey=0),
    pixels_side=32,
    held_out=0.25,
    device="cpu",
)


def small(store: Store, **changes: Any) -> FinetuneConfig:
    return dataclasses.replace(SMALL, store=store.root, **changes)


def quiet(line: str) -> None:
    pass


def draw_coloured(colour: tuple[int, int, int], number: int) -> Image.Image:
    """A small shape of the colour on a ground of any grey: the ground is what a random network sees first."""
    random = np.random.default_rng(number)
    image = Image.new("RGB", (48, 48), (int(random.integers(0, 255)),) * 3)
    left, top = (int(value) for value in random.integers(4, 20, 2))
    ImageDraw.Draw(image).ellipse((left, top, left + 22, top + 22), fill=colour)
    return image


@pytest.fixture(scope="module")
def first_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """72 photos in three colours, two without, one of a colour of its own; a run of one epoch, from nothing."""
    folder = tmp_path_factory.mktemp("coloured")
    rows = [("path", "colour")]
    for number in range(75):
        colour = [*COLOURS][number % 3] if number < 72 else "" if number < 74 else "only"
        draw_coloured(COLOURS.get(colour, (200, 200, 200)), number).save(folder / f"{number}.png")
        rows.append((f"{number}.png", colour))
    with (folder / "catalog.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    store = Store(tmp_path_factory.mktemp("first") / "store")
    scan(ScanConfig(catalog=folder / "catalog.csv", store=store.root))
    settings = TrainConfig(
        store=store.root, encoder="mobilenet_v3_small", weights="none", name="simclr", epochs=1, batch_size=16,
        image_size=32, pixels_side=32, projection_dim=16, views=ViewConfig(size=32), device="cpu",
    )  # fmt: skip
    train(settings, quiet)
    return store.root


@pytest.fixture
def labelled_store(first_store: Path, tmp_path: Path) -> Store:
    """A copy of that store."""
    shutil.copytree(first_store, tmp_path / "labelled")
    return Store.open(tmp_path / "labelled")


# the classifier


def test_logits_are_cosines_whatever_the_norms() -> None:
    torch.manual_seed(0)
    classifier = CosineClassifier(["a", "b", "c"], 5, temperature=0.2)
    torch.nn.init.normal_(classifier.weight, std=3)
    vectors = torch.randn(7, 5) * torch.rand(7, 1) * 100
    v, w = vectors.double().numpy(), classifier.weight.detach().double().numpy()
    expected = (v @ w.T) / np.outer(np.linalg.norm(v, axis=1), np.linalg.norm(w, axis=1)) / 0.2
    assert np.allclose(classifier(vectors).detach().numpy(), expected, atol=1e-5)
    assert classifier.predict(vectors).tolist() == [("a", "b", "c")[row] for row in expected.argmax(axis=1)]


@pytest.mark.parametrize("labels", [2, 3, 10, 1000])
def test_the_temperature_lets_labels_be_certain_when_they_are_apart(labels: int) -> None:
    """Directions as far apart as so many can be (a simplex): each is given its own label with probability 0.97."""
    directions = np.eye(labels) - 1 / labels
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    logits = directions @ directions[0] / temperature_for(labels)
    assert np.exp(logits[0]) / np.exp(logits).sum() == pytest.approx(0.97)


def test_imprinting_begins_with_the_mean_of_each_labels_vectors(tmp_path: Path) -> None:
    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(20, 6), dim=1)
    codes = torch.arange(20) % 3
    classifier = CosineClassifier(["a", "b", "ü"], 6, temperature=0.05)
    classifier.imprint(vectors, codes)
    means = np.stack([vectors[codes == code].double().numpy().mean(axis=0) for code in range(3)])
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    assert np.allclose(classifier.weight.detach().numpy(), expected, atol=1e-6)
    save_classifier(classifier, tmp_path / "classifier.safetensors")
    loaded = load_classifier(tmp_path / "classifier.safetensors")
    assert (loaded.labels, loaded.temperature) == (("a", "b", "ü"), 0.05)
    assert torch.equal(loaded(vectors), classifier(vectors))


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    with pytest.raises(VersionError, match="cannot be read"):
        load_classifier(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(VersionError, match="fine-tune again"):
        load_classifier(path)


def test_a_step_lowers_the_loss_that_scikit_learn_computes() -> None:
    torch.manual_seed(0)
    logits = torch.nn.Parameter(torch.randn(6, 3))
    optimizer = torch.optim.SGD([logits], lr=0.1)
    codes = torch.tensor([0, 1, 2, 0, 1, 2])
    losses = []
    for step in (1, 2):
        expected = log_loss(codes.numpy(), torch.softmax(logits.detach().double(), dim=1).numpy())
        losses.append(take_step(optimizer, logits, codes, step)["loss"])
        assert losses[-1] == pytest.approx(expected, abs=1e-6)
    assert losses[1] < losses[0]


def test_a_loss_that_is_not_finite_changes_no_weight() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 2))
    with pytest.raises(TrainingError, match="at step 3 it is nan"):
        take_step(torch.optim.SGD([weight], lr=0.1), weight * torch.nan, torch.tensor([0, 1]), 3)
    assert torch.equal(weight, torch.ones(2, 2))
    network = torch.nn.Linear(2, 2)
    check_weights(network, 1, "try again")
    network.weight.data[0, 0] = torch.inf
    with pytest.raises(TrainingError, match="after step 1 those of weight are not: try again"):
        check_weights(network, 1, "try again")


def test_settled_norms_say_what_the_photos_say() -> None:
    """After few steps of a small momentum the statistics would be nearly those of the beginning: 0 and 1."""
    torch.manual_seed(0)
    norm, frozen = torch.nn.BatchNorm1d(4, momentum=0.01), torch.nn.BatchNorm1d(4).eval()
    network = torch.nn.Sequential(norm, frozen)
    vectors = torch.randn(3, 50, 4) * 3 + 7
    settle_norms(network, lambda: [network(batch) for batch in vectors])
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert np.allclose(norm.running_mean, vectors.double().numpy().mean(axis=(0, 1)), atol=1e-5)
    assert np.allclose(norm.running_var, vectors.double().numpy().var(axis=1, ddof=1).mean(axis=0), atol=1e-4)
    assert (norm.momentum, norm.training) == (0.01, False)
    assert torch.equal(frozen.running_mean, torch.zeros(4))  # type: ignore[arg-type]
    settle_norms(network, lambda: pytest.fail("no norm is live"))


@pytest.mark.parametrize("size", [2, 3, 64])
def test_no_batch_has_a_single_photo(size: int) -> None:
    for count in range(2, 200):
        batches = even_batches(np.arange(count), size)
        assert np.concatenate(batches).tolist() == list(range(count))
        assert min(map(len, batches)) >= 2
        assert max(map(len, batches)) < max(4, 1.5 * size + 1)


# what is learned from, and what is held out


def photos_of(rows: list[tuple[str, str, Any]]) -> tuple[Manifest, Places]:
    """A manifest of (product, content, label), and the rows of its distinct photos."""
    count = len(rows)
    columns = {
        "image_id": list(range(count)),
        "item_id": [product for product, _, _ in rows],
        "path": [f"{row}.png" for row in range(count)],
        "sha256": [content for _, content, _ in rows],
        "width": [1] * count,
        "height": [1] * count,
    }
    table = pa.table(
        {**columns, "kind": [label for _, _, label in rows]}, pa.schema([*OWN_COLUMNS.items(), ("kind", pa.string())])
    )
    manifest = Manifest(table)
    return manifest, np.array(manifest.first_rows, np.int64)


@pytest.mark.parametrize("seed", range(5))
def test_no_product_is_on_both_sides_and_every_label_is_learned(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = []
    for content in range(300):
        product = int(random.integers(0, 150))
        label = f"label {int(random.integers(0, 12)) if random.random() < 0.05 else product % 12}"
        rows.append((f"product {product}", f"content {content}", label if random.random() < 0.9 else None))
    rows += [
        (f"product {int(random.integers(0, 150))}", f"content {content}", "label 3") for content in range(0, 300, 30)
    ]
    manifest, places = photos_of(rows)
    split = split_photos(manifest, places, "kind", held_out=0.2, label_fraction=1, seed=seed)
    linked = brute_force_groups(rows)
    sides = [{linked[places[place]] for place in side} for side in (split.train, split.held_out)]
    assert not sides[0] & sides[1]
    assert set(split.held_out_labels.tolist()) <= set(split.train_labels.tolist())
    assert sorted([*split.train, *split.held_out]) == [place for place, row in enumerate(places) if rows[row][2]]
    assert split.unlabelled == sum(rows[row][2] is None for row in places)
    assert all(rows[places[place]][2] == label for place, label in zip(split.train, split.train_labels, strict=True))
    assert 0.1 < len(split.held_out) / (len(split.train) + len(split.held_out)) < 0.25


def brute_force_groups(rows: list[tuple[str, str, Any]]) -> list[int]:
    """Rows of one product or of one content have the same number, found by passing numbers on until nothing changes."""
    groups = list(range(len(rows)))
    while True:
        smallest: dict[tuple[int, str], int] = {}
        for group, (product, content, _) in zip(groups, rows, strict=True):
            for key in ((0, product), (1, content)):
                smallest[key] = min(group, smallest.get(key, group))
        new = [min(smallest[0, product], smallest[1, content]) for product, content, _ in rows]
        if new == groups:
            return groups
        groups = new


def test_products_that_share_a_photo_are_one_group() -> None:
    rows = [("a", "1", "x"), ("a", "2", "x"), ("b", "2", "x"), ("b", "3", "x"), ("c", "4", "x")]
    manifest, places = photos_of(rows)
    groups = product_groups(manifest, places)
    assert len(set(groups[:3].tolist())) == 1
    assert groups[3] != groups[0]


def test_each_label_gives_its_part_and_a_single_photo_is_learned_from() -> None:
    rows = [
        (str(number), str(number), "common" if number < 40 else "rare" if number < 45 else "two")
        for number in range(47)
    ]
    manifest, places = photos_of([*rows, ("47", "47", "one")])
    split = split_photos(manifest, places, "kind", held_out=0.2, label_fraction=1, seed=0)
    assert Counter(split.held_out_labels.tolist()) == {"common": 8, "rare": 1, "two": 1}
    assert Counter(split.train_labels.tolist()) == {"common": 32, "rare": 4, "two": 1, "one": 1}
    again = split_photos(manifest, places, "kind", held_out=0.2, label_fraction=1, seed=0)
    other = split_photos(manifest, places, "kind", held_out=0.2, label_fraction=1, seed=1)
    assert again.held_out.tolist() == split.held_out.tolist() != other.held_out.tolist()


def test_fewer_labels_are_a_part_of_more_and_the_same_photos_are_held_out() -> None:
    manifest, places = photos_of([(str(number), str(number), f"label {number % 3}") for number in range(300)])
    splits = [
        split_photos(manifest, places, "kind", held_out=0.2, label_fraction=part, seed=0)
        for part in (0.001, 0.1, 0.5, 1)
    ]
    assert [len(split.train) for split in splits] == [3, 24, 120, 240]
    for fewer, more in pairwise(splits):
        assert set(fewer.train.tolist()) < set(more.train.tolist())
        assert fewer.held_out.tolist() == more.held_out.tolist()
        assert set(fewer.train_labels.tolist()) == set(more.train_labels.tolist())


def test_nothing_is_held_out_where_nothing_is_asked_for() -> None:
    manifest, places = photos_of([(str(number), str(number), f"label {number % 2}") for number in range(10)])
    split = split_photos(manifest, places, "kind", held_out=0, label_fraction=1, seed=0)
    assert (len(split.train), len(split.held_out)) == (10, 0)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["x"] * 6, 'at least 2 different labels; "kind" has 1 in 6 labelled photos'),
        ([None, " "] * 3, '"kind" has 0 in 0 labelled photos'),
        ([*"abcdef"], 'a label that at least 2 products share; "kind" has 6 labels in 6 photos and none'),
    ],
)
def test_columns_that_cannot_be_learned_are_refused(labels: list[Any], told: str) -> None:
    manifest, places = photos_of([(str(number), str(number), label) for number, label in enumerate(labels)])
    with pytest.raises(UsageError, match=told):
        split_photos(manifest, places, "kind", held_out=0.2, label_fraction=1, seed=0)


# whole runs


def test_a_run_leaves_an_encoder_like_its_source_and_what_was_measured(labelled_store: Store) -> None:
    store = labelled_store
    lines: list[str] = []
    result = finetune(small(store), lines.append)
    source, run = find_run(store, "simclr"), find_run(store, "run-1")
    assert newest_finished(store) == run
    before, after = load_checkpoint(source.checkpoint_file), load_checkpoint(run.checkpoint_file)
    assert after.header.spec == before.header.spec
    assert {name: value.shape for name, value in after.weights.items()} == {
        name: value.shape for name, value in before.weights.items()
    }
    assert not torch.equal(after.weights["head.first.0.weight"], before.weights["head.first.0.weight"])
    assert (after.header.finished, after.header.epoch, after.header.config["run"]) == (True, 2, "simclr")
    assert (after.header.config["encoder"], after.header.config["source"]["projection_dim"]) == (
        "mobilenet_v3_small",
        16,
    )
    assert json.loads(run.config_file.read_text()) == after.header.config

    assert (result.photos, result.unlabelled, result.labels) == (55, 2, 4)
    assert "55 photos of 4 labels, 18 held out, 2 without a label left out" in lines[0]
    measured = json.loads((run.folder / "held_out.json").read_text())
    table = list(csv.reader((run.folder / "held_out_confusion.csv").open()))
    names, counts = table[0][1:], np.array([row[1:] for row in table[1:]], int)
    assert names == ["amber", "blue", "green", "only"]
    truth, predicted = np.repeat(np.indices(counts.shape).reshape(2, -1), counts.ravel(), axis=1)
    assert measured["rows"] == len(truth) == 18
    assert measured["accuracy"] == pytest.approx((truth == predicted).mean())
    assert measured["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro", labels=[0, 1, 2]))
    assert Image.open(run.folder / "held_out_confusion.png").size[0] > 100
    assert f"on 18 held-out photos accuracy {measured['accuracy']:.3f}" in str(result)
    assert json.loads(run.result_file.read_text())["moved"] == result.moved > 0
    assert load_classifier(run.folder / "classifier.safetensors").labels == ("amber", "blue", "green", "only")
    rows = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    assert [row["step"] for row in rows] == [3, 6, 9, 12, 15, 18, 21]
    assert {"loss", "accuracy", "learning_rate"} <= set(rows[0]) & set(rows[-1])


def test_what_is_indexed_improves(labelled_store: Store) -> None:
    """On photos it did not learn from: the colour of the shape is found, where the ground's was before."""
    store = labelled_store
    config = small(store, epochs=20, learning_rate=3e-3, held_out=0.5)
    result = finetune(config, quiet)
    assert result.classification is not None
    manifest = Manifest.read(store.manifest_file)
    photos = training_photos(store, manifest, 32, quiet)
    split = split_photos(manifest, photos.rows, "colour", held_out=0.5, label_fraction=1, seed=0)
    found = []
    for name in ("simclr", result.name):
        indexed = Indexed(load_encoder(find_run(store, name).checkpoint_file)[0]).eval()
        with torch.no_grad():
            vectors = indexed(torch.from_numpy(photos.pixels.take(np.arange(len(photos)))))
        unit = torch.nn.functional.normalize(vectors, dim=1).numpy()
        labels = split.held_out_labels, split.train_labels
        found.append(find_category(unit[split.held_out], unit[split.train], *labels).means())
    classifier = load_classifier(result.checkpoint.parent / "classifier.safetensors")
    predicted = classifier.predict(vectors[split.held_out])
    assert (predicted == split.held_out_labels).mean() == pytest.approx(result.classification.accuracy)
    assert result.classification.accuracy > 0.5  # by chance: 0.33
    assert found[1]["map@r"] > found[0]["map@r"] + 0.2


def test_the_seed_decides_everything(labelled_store: Store) -> None:
    for name, seed in (("first", 1), ("second", 1), ("third", 2)):
        finetune(small(labelled_store, run="simclr", name=name, seed=seed, epochs=1), quiet)
    first, second, third = (
        dict(load_checkpoint(find_run(labelled_store, name).checkpoint_file).weights)
        for name in ("first", "second", "third")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.first.0.weight"], third["head.first.0.weight"])


def test_it_learns_in_bfloat16_too(labelled_store: Store) -> None:
    views = ViewConfig(size=32, blur=1)
    assert finetune(small(labelled_store, epochs=1, views=views, precision="bfloat16"), quiet).epochs == 1


@pytest.mark.parametrize(
    ("number", "raised", "stop_after", "epochs"),
    [
        (signal.SIGINT, KeyboardInterrupt, 3, 0),
        (signal.SIGINT, KeyboardInterrupt, 19, 1),
        (signal.SIGTERM, Terminated, 19, 1),
    ],
)
def test_stopping_keeps_the_last_epoch_and_the_store_usable(
    labelled_store: Store, monkeypatch: pytest.MonkeyPatch, number: int, raised: type[BaseException],
    stop_after: int, epochs: int,
) -> None:  # fmt: skip
    """In the linear stage (15 steps) nothing is left; in the second epoch of both, of 3 steps, the first's encoder."""
    store, steps = labelled_store, 0

    def step_then_stop(*arguments: Any) -> dict[str, float]:
        nonlocal steps
        steps += 1
        if steps == stop_after:
            os.kill(os.getpid(), number)
        return take_step(*arguments)

    monkeypatch.setattr("training.finetune.take_step", step_then_stop)
    lines: list[str] = []
    with pytest.raises(raised):
        finetune(small(store, name="stopped"), lines.append)
    monkeypatch.undo()
    assert lines[-1].startswith("stopped in epoch ")
    assert [run.name for run in all_runs(store)] == ["simclr", *(["stopped"] if epochs else [])]
    if epochs:
        header = load_encoder(find_run(store, "stopped").checkpoint_file)[1]
        assert (header.finished, header.epoch) == (False, epochs)
    assert newest_finished(store) == find_run(store, "simclr")
    assert finetune(small(store, name="again", epochs=1), quiet).epochs == 1


def test_weights_that_are_not_finite_end_it(labelled_store: Store) -> None:
    with pytest.raises(TrainingError, match="must be finite"):
        finetune(small(labelled_store, learning_rate=1e30), quiet)
    assert [run.name for run in all_runs(labelled_store) if run.finished] == ["simclr"]
    finetune(small(labelled_store), quiet)


@pytest.mark.parametrize("freeze_norms", ["auto", "no"])
def test_norms_stay_as_they_did_in_the_run(labelled_store: Store, freeze_norms: str) -> None:
    """Also where a fine-tuned run is fine-tuned again; from a pretrained start "auto" means yes."""
    run = find_run(labelled_store, "simclr")
    source = load_checkpoint(run.checkpoint_file)
    told = {"weights": "imagenet", "freeze_norms": freeze_norms}
    save_checkpoint(
        Checkpoint(header=dataclasses.replace(source.header, config=told), weights=source.weights), run.checkpoint_file
    )
    lines: list[str] = []
    finetune(small(labelled_store, epochs=1, linear_epochs=0), quiet)
    finetune(small(labelled_store, epochs=1, linear_epochs=0, run="run-1"), lines.append)
    assert any("fine-tuned itself" in line for line in lines)
    statistics = [
        {name: value for name, value in load_checkpoint(find_run(labelled_store, name).checkpoint_file).weights.items()
         if name.startswith("backbone.") and "running_mean" in name}
        for name in ("simclr", "run-1", "run-2")
    ]  # fmt: skip
    assert statistics[0]
    for before, after in pairwise(statistics):
        assert all(torch.equal(after[name], before[name]) == (freeze_norms == "auto") for name in before)
    finetune(small(labelled_store, epochs=1, linear_epochs=0), quiet)
    assert read_header(find_run(labelled_store, "run-3").checkpoint_file).config["run"] == "simclr"


@pytest.mark.parametrize("weights", ["imagenet", "none"])
def test_a_start_without_a_run(labelled_store: Store, weights: str) -> None:
    result = finetune(small(labelled_store, weights=weights, epochs=1, held_out=0, label_fraction=0.3), quiet)
    header = read_header(result.checkpoint)
    assert (result.photos, result.classification) == (22, None)
    assert (header.spec.backbone, header.spec.layer, header.spec.image_size) == (
        "efficientnet_lite0",
        "projection",
        192,
    )
    assert header.spec.folded_norms == (weights == "imagenet")
    assert header.config["source"]["weights"] == weights
    assert not (result.checkpoint.parent / "held_out.json").exists()
    assert (header.spec.hidden_dim == 0) == (weights == "imagenet")


def test_a_run_is_needed_and_a_column(labelled_store: Store, make_store: Callable[[int], Store]) -> None:
    with pytest.raises(
        UsageError, match='--labels must name a column of the catalog; received "price"; there are: folder'
    ):
        finetune(small(labelled_store, labels="price"), quiet)
    with pytest.raises(UsageError, match='there is no run "other"; there are: simclr'):
        finetune(small(labelled_store, run="other"), quiet)
    with pytest.raises(UsageError, match='there is a run "simclr"'):
        finetune(small(labelled_store, name="simclr"), quiet)
    (labelled_store.runs_dir / "simclr" / "checkpoint.safetensors").unlink()
    with pytest.raises(UsageError, match="no finished training run to fine-tune"):
        finetune(small(labelled_store), quiet)
    assert len(all_runs(labelled_store)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ""},
        {"run": "one", "weights": "none"},
        {"label_fraction": 0.0},
        {"held_out": 0.6},
        {"linear_epochs": -1},
        {"classifier_learning_rate": 0.0},
        {"batch_size": 1},
        {"classifier_temperature": -0.1},
        {"name": "a b"},
    ],
)
def test_settings_that_cannot_work_are_refused_in_one_line(changes: dict[str, Any]) -> None:
    with pytest.raises(LookalikeError) as caught:
        dataclasses.replace(SMALL, **changes)
    assert "--" in str(caught.value)
    assert "received" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_needs_labels_and_its_help_no_torch(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main(COMMANDS, "lookalike", ["finetune"]) == 2
    signal.signal(signal.SIGTERM, before)
    assert "--labels" in capsys.readouterr().err
    code = (
        "import sys; from catalog.command_line import main; from training.commands import COMMANDS\n"
        "try: main(COMMANDS, 'lookalike', ['finetune', '--help'])\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert asked.returncode == 0, asked.stderr
    assert "--label-fraction" in asked.stdout
