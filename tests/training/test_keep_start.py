"""What is kept of the start: smoothing against plain NumPy, the file of rows for small and for large catalogs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from catalog.errors import LookalikeError
from catalog.manifest import Manifest
from catalog.store import Store
from tests.training.test_train import MakeStore, quiet, small
from training.backbones import build_backbone, first_stages
from training.checkpoint import load_checkpoint
from training.encode_photos import Looking
from training.keep_start import read_start_rows, write_start_rows
from training.neighbourhood import smooth
from training.photos import training_photos
from training.start import freeze_first_stages, start_encoder
from training.train import train

Floats = npt.NDArray[np.float64]


def unit(rows: Floats) -> Floats:
    found: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


def test_smoothing_goes_halfway_to_the_mean_of_the_nearest() -> None:
    random = np.random.default_rng(0)
    rows, around = unit(random.standard_normal((5, 8))), unit(random.standard_normal((30, 8)))
    expected = []
    for row in rows:
        nearest = sorted(around, key=lambda other: -float(row @ other))[:4]
        mean = np.mean(nearest, axis=0)
        expected.append(row + mean / np.linalg.norm(mean))
    found = smooth(torch.from_numpy(rows), torch.from_numpy(around), 4)
    assert np.allclose(found.numpy(), unit(np.array(expected)))
    assert torch.equal(smooth(torch.from_numpy(rows), torch.from_numpy(around), 0), torch.from_numpy(rows))


@pytest.mark.parametrize("sampled", [12, 6])
def test_rows_of_the_start(make_store: MakeStore, tmp_path: Path, sampled: int) -> None:
    """Of a catalog whose every photo is in the sample, and of a larger one: centred, smoothed, of unit norm."""
    store: Store = make_store(12)
    photos = training_photos(store, Manifest.read(store.manifest_file), 32, quiet)
    photos = dataclasses.replace(photos, aspects=np.ones(12))  # so that squares are looked at as they lie in the cache

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        return functional.adaptive_avg_pool2d(pixels, 2).flatten(1)

    looking = Looking(side=32, centre_crop=1.0, device=torch.device("cpu"))
    squares = torch.from_numpy(photos.pixels.take(np.arange(12))).permute(0, 3, 1, 2).float()
    features = encode(squares).numpy().astype(np.float64)
    sample = features[:: 12 // sampled]
    file = tmp_path / "rows.npy"
    write_start_rows(file, encode, photos, torch.from_numpy(sample).float(), neighbours=0, looking=looking)
    centred = unit(features - sample.mean(axis=0))
    around = unit(sample - sample.mean(axis=0))
    rows = read_start_rows(file)
    assert rows.shape == (12, 12)
    assert np.allclose(rows, unit(centred - around.mean(axis=0)), atol=1e-3)
    file.write_bytes(b"nothing")
    with pytest.raises(LookalikeError, match='start a new run with "lookalike train"'):
        read_start_rows(file)


def test_the_first_stages_stay_as_they_are(make_store: MakeStore) -> None:
    """0.45 of seven stages is three: the stem and they keep the start's weights, all others learn."""
    config = small(make_store(8), encoder="efficientnet_lite0", weights="imagenet", epochs=1, learning_rate=1e-2)
    before = start_encoder(config).state_dict()
    after = load_checkpoint(train(config, quiet).checkpoint).weights
    kept = {
        name.split(".")[2] if ".blocks." in name else name.split(".")[1]
        for name in before
        if name.startswith("backbone.") and torch.equal(before[name], after[name])
    }
    learned = {
        name.split(".")[2] if ".blocks." in name else name.split(".")[1]
        for name in before
        if name.startswith("backbone.") and not torch.equal(before[name], after[name])
    }
    assert {"0", "1", "2", "conv_stem"} <= kept
    assert {"3", "4", "5", "6", "conv_head"} <= learned
    assert not {"0", "1", "2", "conv_stem"} & learned


@pytest.mark.parametrize(
    ("name", "part", "stages"),
    [("resnet18", 0.45, 1), ("mobilenet_v3_small", 0.45, 5), ("timm:resnet10t", 0.5, 2), ("resnet18", 0.0, 0)],
)
def test_stages_of_other_backbones(name: str, part: float, stages: int) -> None:
    network = build_backbone(name)
    frozen = first_stages(network, part)
    inside = [
        module
        for module in frozen
        if any(module is child for child in [*network.children(), *getattr(network, "features", [])])
    ]
    assert len(inside) == len(frozen)
    named = dict(network.named_modules())
    chosen = {key for key, module in named.items() if any(module is one for one in frozen)}
    if "resnet" in name:
        assert {key for key in chosen if key.startswith("layer")} == {f"layer{number + 1}" for number in range(stages)}
    else:
        assert chosen == {f"features.{number}" for number in range(stages)}


def test_a_transformer_keeps_its_positions_and_a_random_start_learns_all(make_store: MakeStore) -> None:
    config = small(make_store(2), encoder="timm:vit_tiny_patch16_224", weights="none", image_size=224)
    encoder = start_encoder(config)
    freeze_first_stages(encoder, config)
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    freeze_first_stages(encoder, dataclasses.replace(config, weights="imagenet"))
    frozen = {name for name, parameter in encoder.backbone.named_parameters() if not parameter.requires_grad}
    assert {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.4.mlp.fc1.weight"} <= frozen
    assert "blocks.5.mlp.fc1.weight" not in frozen


def test_frozen_stages_keep_their_norms_while_others_are_live(make_store: MakeStore) -> None:
    config = small(
        make_store(8), encoder="efficientnet_lite0", weights="imagenet", freeze_norms="no", epochs=1, pooling="avg"
    )
    before = start_encoder(config).state_dict()
    after = load_checkpoint(train(config, quiet).checkpoint).weights
    assert torch.equal(before["backbone.bn1.running_mean"], after["backbone.bn1.running_mean"])
    assert not torch.equal(before["backbone.bn2.running_mean"], after["backbone.bn2.running_mean"])
