"""An encoder on a GPU, in torch; the only part of searching that imports it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from training.device import choose_device
from training.encoder import Indexed, load_encoder


class GpuNetwork:
    """Runs the encoder of a checkpoint: uint8 (B, S, S, 3) to float32 (B, D). Safe to call from several threads."""

    def __init__(self, checkpoint: Path) -> None:
        self._device = choose_device("gpu")
        encoder, _ = load_encoder(checkpoint)
        self._network = Indexed(encoder).eval().to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._lock = threading.Lock()

    def __call__(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Encode a batch."""
        with self._lock, torch.inference_mode():
            outputs = self._network(torch.from_numpy(photos).to(self._device))
            result: npt.NDArray[np.float32] = outputs.float().cpu().numpy()
        return result
