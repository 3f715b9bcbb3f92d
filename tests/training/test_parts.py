"""The head, folding, schedule, relational term and backbones, each against something independent."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from catalog.errors import UsageError
from training.backbones import BACKBONES, build_backbone, load_start, read_weights
from training.encoder import Encoder
from training.folding import fold_norms
from training.heads import LinearHead, MLPHead, begin_as_pca
from training.pooling import GeM
from training.relational import TEMPERATURE, relational_loss
from training.schedule import schedule_factor
from training.spec import EncoderSpec
from training.start import untrained, untrained_like


@pytest.mark.parametrize("power", [-0.5, 0.0, 0.5])
def test_pca_head_equals_numpys_eigenvectors(power: float) -> None:
    features = torch.randn(40, 12) * torch.linspace(3, 0.5, 12)
    head = LinearHead(12, 5)
    begin_as_pca(head, features, power)
    centred = features.numpy() - features.numpy().mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    spreads = np.sqrt(values[::-1][:5])
    expected = centred @ vectors[:, ::-1][:, :5] * (spreads / spreads[0]) ** power
    ours = head(features).detach().numpy()
    assert np.allclose(ours @ ours.T, expected @ expected.T, atol=1e-3)


def test_pca_head_of_few_photos_leaves_the_rest_zero() -> None:
    head = LinearHead(12, 5)
    begin_as_pca(head, torch.randn(3, 12), 0.5)
    assert torch.count_nonzero(head.weight.abs().sum(dim=1)) == 2


@pytest.mark.parametrize("name", list(BACKBONES))
def test_folding_changes_nothing_but_the_norms(name: str) -> None:
    torch.manual_seed(0)
    network = build_backbone(name).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    images = torch.randn(2, 3, 64, 64)
    before = network(images)
    assert before.shape == (2, BACKBONES[name].feature_dim)
    fold_norms(network)
    assert not [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert torch.allclose(network(images), before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", list(BACKBONES))
def test_gem_pools_every_backbone_by_its_formula(name: str) -> None:
    """With a power between, the pooled value lies between the mean's and the maximum's."""
    torch.manual_seed(0)
    mean, gem = build_backbone(name).eval(), build_backbone(name, pooling="gem").eval()
    gem.load_state_dict(mean.state_dict())
    images = torch.randn(2, 3, 64, 64)
    assert gem(images).shape == mean(images).shape
    assert (gem(images) >= mean(images) - 1e-4).all()
    features = torch.rand(2, 5, 4, 4)
    expected = (features.double() ** 3).mean(dim=(2, 3)) ** (1 / 3)
    assert torch.allclose(GeM()(features)[:, :, 0, 0].double(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("encoder", "tensors"), [("efficientnet_lite0", 247), ("efficientnet_lite1", 322), ("efficientnet_lite2", 322)]
)
def test_imagenet_start_is_the_packaged_network_to_the_bit(encoder: str, tensors: int) -> None:
    import timm

    network = build_backbone(encoder).eval()
    random_weight = network.conv_head.weight.clone()  # type: ignore[union-attr, operator]
    load_start(network, encoder, "imagenet")
    assert not torch.equal(network.conv_head.weight, random_weight)  # type: ignore[union-attr, arg-type]
    from training.backbones import _packaged_weights

    whole = timm.create_model(f"tf_{encoder}", num_classes=1000).eval()
    packaged = [value for name, value in _packaged_weights(encoder).items() if not name.endswith("num_batches_tracked")]
    names = [name for name in whole.state_dict() if not name.endswith("num_batches_tracked")]
    assert len(names) == len(packaged) == tensors
    whole.load_state_dict(dict(zip(names, packaged, strict=True)), strict=False)
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(network(images), whole.forward_head(whole.forward_features(images), pre_logits=True))


@pytest.mark.parametrize("name", ["resnet10_narrow", "resnet18"])
def test_small_stem_keeps_the_size(name: str) -> None:
    usual, small = build_backbone(name), build_backbone(name, small_stem=True)
    images = torch.randn(1, 3, 32, 32)
    stem = small.maxpool(small.conv1(images))  # type: ignore[operator]
    assert stem.shape[-2:] == (32, 32)
    assert usual.maxpool(usual.conv1(images)).shape[-2:] == (8, 8)  # type: ignore[operator]


def test_a_backbone_without_imagenet_weights_is_held_against_one_that_has_them() -> None:
    with pytest.raises(UsageError, match="nobody has made ImageNet weights for the encoder resnet10_narrow"):
        untrained("resnet10_narrow")
    spec = untrained("resnet10_narrow", weights="none", image_size=32).header.spec
    assert (spec.backbone, untrained_like(spec, weights="none").header.spec) == ("resnet10_narrow", spec)
    like = untrained_like(spec).header.spec
    assert (like.backbone, like.image_size) == ("efficientnet_lite0", 32)


def test_weights_that_do_not_fit_are_refused(tmp_path: object) -> None:
    path = f"{tmp_path}/weights.pt"
    torch.save(build_backbone("resnet18").state_dict(), path)
    network = build_backbone("resnet18")
    load_start(network, "resnet18", path)
    with pytest.raises(UsageError, match=r"lacks \d+ of \d+ tensors"):
        load_start(build_backbone("resnet34"), "resnet34", path)
    torch.save({"a": print}, path)
    from pathlib import Path

    with pytest.raises(UsageError, match="cannot be read"):
        read_weights(Path(path))
    with pytest.raises(UsageError, match="must be one of"):
        build_backbone("resnet1")


def test_schedule_values() -> None:
    factors = [schedule_factor(step, 100, 0.1) for step in range(100)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10] == 1
    assert factors[55] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(0.5 * (1 + math.cos(math.pi * 89 / 90)))
    assert [schedule_factor(step, 4, 0.0) for step in range(4)] == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)


def test_relational_loss_equals_a_loop() -> None:
    first, second, start = torch.randn(3, 5, 4, dtype=torch.float64)
    start = functional.normalize(start, dim=1)
    ours = float(relational_loss(first, second, start))
    z1, z2 = functional.normalize(first, dim=1).numpy(), functional.normalize(second, dim=1).numpy()
    t = start.numpy()
    total = 0.0
    for i in range(5):
        others = [j for j in range(5) if j != i]
        target = np.exp([t[i] @ t[j] / TEMPERATURE for j in others])
        target /= target.sum()
        for a, b in ((z1, z2), (z2, z1)):
            scores = np.array([a[i] @ b[j] / TEMPERATURE for j in others])
            total -= float(target @ (scores - np.log(np.exp(scores).sum()))) / 2
    assert ours == pytest.approx(total / 5, rel=1e-5)
    assert float(relational_loss(first[:2], second[:2], start[:2])) == 0


def test_encoder_gives_three_layers() -> None:
    spec = EncoderSpec(
        backbone="mobilenet_v3_small",
        feature_dim=576,
        image_size=32,
        mean=(0, 0, 0),
        std=(255, 255, 255),
        hidden_dim=576,
        projection_dim=16,
    )
    encoder = Encoder(spec).eval()
    assert isinstance(encoder.head, MLPHead)
    layers = encoder(torch.zeros(2, 3, 32, 32))
    assert [tuple(layer.shape) for layer in layers] == [(2, 576), (2, 576), (2, 16)]
    assert spec.embedding_dim == 16
    assert EncoderSpec.from_json(spec.to_json()) == spec


def test_every_purpose_has_its_own_randomness() -> None:
    from training.random_streams import generator

    names = [(3,), (3, 0), (3, 0, 0), (0, 3, 0), (0, 0, 3), (3, 0, 1), ()]
    draws = {generator(0, *name).random() for name in names} | {generator(1, 3).random()}
    assert len(draws) == len(names) + 1
    assert generator(0, 3, 1).random() == generator(0, 3, 1).random()
