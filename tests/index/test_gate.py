"""The gate: a measurably worse encoder stays out, whatever else is put into use, and it says why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pytest
import torch

from catalog import atomic
from catalog.errors import WorseEncoder
from catalog.manifest import Manifest
from catalog.store import Store
from index import colour
from index.build import build_version
from index.config import IndexConfig, StoreConfig
from index.encoders import EncoderFiles, chosen_encoder
from index.gate import Quality
from index.labelled_gate import LabelGain, label_gain
from index.status import status
from index.versions import current_id, read_version
from tests.small_run import leave_run
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.evaluation.alterations import FAMILIES
from training.evaluation.bootstrap import Estimate
from training.evaluation.label_free import LabelFreeCheck
from training.label_split import split_fingerprint, split_photos

MakeStore = Callable[[int], Store]


def build(store: Store, **settings: object) -> str:
    return str(build_version(IndexConfig(store=store.root, device="cpu", **settings)))  # type: ignore[arg-type]


def leave_collapsed_run(store: Store, name: str) -> None:
    """A finished run whose projection hears almost nothing but its bias: every photo is nearly the same to it."""
    leave_run(store, "whole", seed=3)
    checkpoint = load_checkpoint(store.runs_dir / "whole" / "checkpoint.safetensors")
    weights = dict(checkpoint.weights)
    weights["head.weight"] = weights["head.weight"].clone()
    weights["head.weight"][1:] = 0
    weights["head.bias"] = torch.ones_like(weights["head.bias"])
    folder = store.runs_dir / name
    folder.mkdir()
    atomic.write_json(folder / "config.json", {})
    save_checkpoint(Checkpoint(header=checkpoint.header, weights=weights), folder / "checkpoint.safetensors")


def test_a_worse_encoder_is_refused_with_figures_and_force_overrides(make_store: MakeStore) -> None:
    store = make_store(30)
    leave_run(store, "good", projection_dim=64)
    build(store, run="good")
    in_use = current_id(store)
    leave_collapsed_run(store, "bad")
    with pytest.raises(WorseEncoder) as refused:
        build(store, run="bad")
    message = str(refused.value)
    assert "measurably worse than seed-0" in message
    assert "wholly below -0.01" in message
    assert 'publish it all the same by "lookalike index --run bad --force"' in message
    assert "\n" not in message
    assert current_id(store) == in_use
    build(store, run="bad", force=True)
    version = read_version(store.versions_dir / current_id(store))
    assert version.id != in_use
    assert version.quality["difference"]["high"] < -0.01
    assert version.quality["label_free"]["photos"] == 30


def test_no_measurable_difference_publishes_and_says_so(make_store: MakeStore) -> None:
    store = make_store(20)
    for name, seed in (("one", 0), ("two", 1)):
        leave_run(store, name, seed=seed, projection_dim=64)
    build(store, run="one")
    told = build(store, run="two")
    assert "no measurable loss against seed-0" in told or "better than seed-0" in told
    assert read_version(store.versions_dir / current_id(store)).encoder_name == "seed-1"


def test_the_first_version_is_published_with_a_warning_where_the_start_is_better(make_store: MakeStore) -> None:
    store = make_store(30)
    leave_collapsed_run(store, "bad")
    assert "the untrained start finds originals better" in build(store, run="bad")
    assert "the untrained start finds originals better" in str(status(StoreConfig(store=store.root)))
    build(store, encoder="imagenet")
    assert "the untrained start finds" not in str(status(StoreConfig(store=store.root)))


def test_a_check_is_kept_and_made_anew_for_other_photos(
    make_store: MakeStore, draw_photos: Callable[..., Path]
) -> None:
    store = make_store(20)
    leave_run(store, "one", projection_dim=64)
    leave_run(store, "two", seed=1, projection_dim=64)
    build(store, run="one")
    build(store, run="two")
    files = sorted(store.embeddings_dir.glob("*/label_free.json"))
    before = [file.stat().st_mtime_ns for file in files]
    build(store, run="one")
    assert [file.stat().st_mtime_ns for file in files] == before
    from catalog.config import ScanConfig
    from catalog.scan import scan

    scan(ScanConfig(catalog=draw_photos(22), store=store.root))
    build(store, run="two")
    assert sum(np.array([file.stat().st_mtime_ns for file in files]) != before) == 2  # of both, on the same photos


def test_too_few_photos_measure_nothing(make_store: MakeStore) -> None:
    store = make_store(4)
    leave_run(store, "one")
    assert "encoder: not checked: that takes at least 8 photos" in build(store, run="one")
    assert read_version(store.versions_dir / current_id(store)).quality == {"layer": {"indexed": "projection"}}


def test_a_damaged_encoder_in_use_is_mended_by_a_new_version(make_store: MakeStore) -> None:
    """It is not asked anything: what it would answer means nothing, and a new version is the remedy."""
    store = make_store(20)
    for name, seed in (("one", 0), ("two", 1)):
        leave_run(store, name, seed=seed, projection_dim=64)
    build(store, run="one")
    onnx = store.versions_dir / current_id(store) / "encoder.onnx"
    content = bytearray(onnx.read_bytes())
    content[len(content) // 2] ^= 1
    onnx.write_bytes(content)
    build(store, run="two")
    assert read_version(store.versions_dir / current_id(store)).quality["against"] == "its untrained start"


def test_a_fine_tuned_encoder_is_also_asked_for_its_labels(make_store: MakeStore) -> None:
    """Against a plain loop: the share of held-out photos whose 20 nearest vote for the right label, new minus old."""
    store = make_store(40)
    leave_run(store, "good", projection_dim=64)
    leave_collapsed_run(store, "bad")
    plain = Manifest.read(store.manifest_file)
    files = {name: chosen_encoder(store, IndexConfig(store=store.root, run=name)) for name in ("good", "bad")}
    vectors = {}
    for name in files:
        build(store, run=name, force=True)
        index = faiss.read_index(str(store.versions_dir / current_id(store) / "index.faiss"))
        vectors[name] = index.reconstruct_n(0, 40)[:, : -colour.DIMENSION]  # the projected embeddings
    side = vectors["good"] - vectors["good"].mean(axis=0)
    labels = np.where(np.linalg.svd(side, full_matrices=False)[0][:, 0] > 0, "left", "right")
    manifest = Manifest(plain.table.append_column("side", pa.array(labels.tolist())))
    split = split_photos(manifest, np.arange(40), "side", held_out=0.3, label_fraction=1.0, seed=0)
    divided = split_fingerprint(split, plain.table["sha256"].to_pylist())
    tuned = {"labels": "side", "held_out": 0.3, "label_fraction": 1.0, "seed": 0, "split_sha256": divided, "source": {}}

    def teach(name: str) -> EncoderFiles:
        checkpoint = load_checkpoint(store.runs_dir / name / "checkpoint.safetensors")
        header = dataclasses.replace(checkpoint.header, config=tuned, manifest_fingerprint=plain.fingerprint)
        path = store.runs_dir / name / "checkpoint.safetensors"
        save_checkpoint(Checkpoint(header=header, weights=checkpoint.weights), path)
        return chosen_encoder(store, IndexConfig(store=store.root, run=name))

    right = {}
    for name, rows in vectors.items():
        votes = np.exp(rows[split.held_out] @ rows[split.train].T / 0.07)
        for row in votes:
            row[np.argsort(-row)[20:]] = 0
        left = votes @ (split.train_labels == "left") > votes @ (split.train_labels == "right")
        right[name] = (np.where(left, "left", "right") == split.held_out_labels).mean()
    gain = label_gain(store, manifest, teach("good"), files["bad"], "cpu")
    assert gain is not None
    assert (gain.column, gain.photos) == ("side", len(split.held_out))
    assert gain.difference.value == pytest.approx(right["good"] - right["bad"])
    loss = label_gain(store, manifest, teach("bad"), files["good"], "cpu")
    assert loss is not None
    assert loss.difference.value == pytest.approx(right["bad"] - right["good"])
    assert label_gain(store, manifest, files["good"], files["bad"], "cpu") is None  # not fine-tuned
    other = Manifest(manifest.table.slice(1))
    assert label_gain(store, other, teach("good"), files["bad"], "cpu") is None  # not on this catalog
    labels[0] = "right" if labels[0] == "left" else "left"
    corrected = Manifest(plain.table.append_column("side", pa.array(labels.tolist())))
    assert label_gain(store, corrected, teach("good"), files["bad"], "cpu") is None  # not with these labels
    assert label_gain(store, plain, teach("good"), files["bad"], "cpu") is None  # the column is gone


def test_a_loss_of_details_is_forgiven_where_the_labels_gain() -> None:
    families = len(FAMILIES)
    contents = tuple(f"{number:064d}" for number in range(50))

    def check(found: int) -> LabelFreeCheck:
        hits = np.zeros((50, families), np.bool_)
        hits[:found] = True
        return LabelFreeCheck(contents=contents, first=hits, among_five=hits, gallery=50)

    new, old = check(20), check(45)
    difference = new.better_than(old)
    for low, worse in ((0.1, False), (-0.1, True)):
        gain = LabelGain(column="category", photos=9, difference=Estimate(value=0.3, low=low, high=0.5))
        quality = Quality(check=new, against="before", other=old, difference=difference, gain=gain)
        assert quality.worse is worse
        assert quality.verdict.startswith("measurably worse" if worse else "better at its labels than before")
        assert 'kNN accuracy by "category" on 9 held-out photos' in quality.verdict
