"""Where to compute, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from catalog.errors import DeviceError
from training.config import Device


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


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision where the device is fast at it, else nothing."""
    if has_fast_bfloat16(device):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
