"""Where to compute, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from catalog.errors import DeviceError
from training.config import Device, Precision


def choose_device(asked: Device) -> torch.device:
    """The torch device for "auto", "cpu" or "gpu".

    Raises:
        DeviceError: "gpu" was asked for and there is none.
    """
    if asked == "gpu" and not torch.cuda.is_available():
        raise DeviceError(
            "--device gpu needs an NVIDIA GPU that torch can use; none was found: use --device cpu or auto"
        )
    return torch.device("cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 natively (a CPU that merely emulates it is slower with it)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def choose_precision(asked: Precision, device: torch.device, network: nn.Module) -> Precision:
    """What "auto" means: bfloat16 where it is fast.

    On CPUs that compute in it, dense convolutions gain (ResNet-18 more than twice) and depthwise ones lose: their
    gradients take four times as long as in float32 (docs/decisions/0011).
    """
    if asked != "auto":
        return asked
    depthwise = any(isinstance(module, nn.Conv2d) and module.groups > 1 for module in network.modules())
    return "bfloat16" if has_fast_bfloat16(device) and (device.type == "cuda" or not depthwise) else "float32"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Mixed precision, or nothing for "float32"."""
    if precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
