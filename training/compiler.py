"""Whether a network can be compiled here (`--compile`)."""

from __future__ import annotations

import torch

from catalog.errors import UsageError


def check_compiler(device: torch.device, remedy: str) -> None:
    """Compile something small for a device, which takes seconds: a run must not fail at its first step.

    Forward alone is enough: what backward is compiled by is the same.

    Args:
        remedy: what else can be done than to install a compiler.

    Raises:
        UsageError: there is no compiler that torch can use.
    """
    try:
        torch.compile(lambda values: values.sin() + 1)(torch.zeros(8, device=device))
    except Exception as error:  # noqa: BLE001  the compiler's stages raise many kinds, and each means the same here
        cause = getattr(error, "inner_exception", error)
        told = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
        needed = "a C++ compiler" if device.type == "cpu" else "Triton and a C compiler"
        raise UsageError(
            f"--compile needs {needed} that torch can use here; compiling failed ({told}): install it, or {remedy}"
        ) from None
