"""The gate: a measurably worse encoder stays out, whatever else is put into use, and it says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from catalog import atomic
from catalog.errors import WorseEncoder
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig, StoreConfig
from index.status import status
from index.versions import current_id, read_version
from tests.small_run import leave_run
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

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
    assert "--force" in message
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
    assert "encoder:" not in build(store, run="one")
    assert read_version(store.versions_dir / current_id(store)).quality == {}


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
