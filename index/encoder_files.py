"""An encoder's two files in a version: safetensors (what it is) and ONNX (what runs on a CPU). Needs torch."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from catalog import atomic
from training.encoder import Indexed, load_encoder

INPUT, OUTPUT = "photos", "vectors"
"""Names of the ONNX graph's input, uint8 (B, S, S, 3), and output, float32 (B, D)."""


def export_onnx(checkpoint: Path, target: Path) -> None:
    """Write the encoder of a checkpoint as an ONNX graph from uint8 photos to the indexed layer, atomically."""
    encoder, header = load_encoder(checkpoint)
    side = header.spec.image_size
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    with atomic.replacing(target) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own inner workings
        torch.onnx.export(
            Indexed(encoder).eval(),
            (example,),
            temporary,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
