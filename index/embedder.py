"""The `Embedder`: from photos to vectors, the same for the catalog and for queries.

On a CPU the encoder runs in ONNX Runtime and torch is not imported (it is two to four times faster, and starts in a
tenth of the time: docs/decisions/0008); on a GPU it runs in torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image

from catalog import stopping
from catalog.errors import VersionError
from catalog.parallel import own_workers
from index import colour
from index.gpu_mirror import gpu_count
from index.vectors import Blocks, Floats, unit_norm
from training.config import Device
from training.preprocess import decode_size, preprocess
from training.spec import EncoderSpec

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a vector is made of."""

    pixels: Pixels
    """What the encoder sees of the photo, uint8 (S, S, 3)."""
    colours: Floats
    """Its colour descriptor, float32 (index.colour.DIMENSION,), of unit norm."""


class Network(Protocol):
    """Runs an encoder: uint8 (B, S, S, 3) photos to float32 (B, D) outputs, not of unit norm."""

    def __call__(self, photos: Pixels) -> Floats:
        """Encode a batch."""


class Embedder:
    """Photos to vectors, by one encoder with its own preprocessing, and by their colours (index/blocks.py).

    Attributes:
        spec: the encoder's.
        decode_size: short side, in pixels, below which photos must not be decoded.
    """

    def __init__(self, spec: EncoderSpec, network: Network) -> None:
        self.spec = spec
        self.decode_size = decode_size(spec)
        self._network = network

    @property
    def blocks(self) -> Blocks:
        """The parts of its vectors."""
        return {self.spec.layer: self.spec.embedding_dim, colour.NAME: colour.DIMENSION}

    @property
    def dimension(self) -> int:
        """D, the width of the vectors."""
        return sum(self.blocks.values())

    def preprocess(self, photo: Image.Image) -> Pixels:
        """The part of an RGB photo that the encoder sees: uint8 (S, S, 3)."""
        return preprocess(photo, self.spec)

    def prepare(self, photo: Image.Image) -> Prepared:
        """All of an RGB photo that `embed` needs; to be called from the threads that decode."""
        pixels = self.preprocess(photo)
        return Prepared(pixels=pixels, colours=colour.colour_descriptor(pixels))

    def embed(self, prepared: Sequence[Prepared]) -> Floats:
        """Vectors of prepared photos: float32 (B, D), every block of unit norm.

        Raises:
            VersionError: the encoder's outputs are not of the width its spec names.
        """
        encoded = self.encode([photo.pixels for photo in prepared])
        return np.concatenate([encoded, np.stack([photo.colours for photo in prepared])], axis=1)

    def encode(self, photos: Sequence[Pixels]) -> Floats:
        """Projected embeddings of preprocessed photos, the vectors' first block: float32 (B, d), of unit norm.

        Raises:
            VersionError: as in `embed`.
        """
        outputs = self._network(np.stack(photos))
        expected = (len(photos), self.spec.embedding_dim)
        if outputs.shape != expected:
            raise VersionError(f"the encoder must give outputs of shape {expected}; it gave {outputs.shape}")
        return unit_norm(outputs)


def embeds_on_gpu(device: Device) -> bool:
    """Whether photos are encoded on a GPU: asked for, or there is one that FAISS could use, too."""
    return device == "gpu" or (device == "auto" and gpu_count() > 0)


def open_embedder(spec: EncoderSpec, *, onnx: Path, checkpoint: Path, device: Device = "auto") -> Embedder:
    """The embedder of an encoder whose files these are.

    Raises:
        DeviceError: "gpu" was asked for and there is none.
        VersionError: the ONNX file cannot be read.
    """
    if embeds_on_gpu(device):
        with stopping.imports():
            from index.gpu_network import GpuNetwork  # imports torch

        return Embedder(spec, GpuNetwork(checkpoint))
    return Embedder(spec, OnnxNetwork(onnx))


class OnnxNetwork:
    """An encoder in ONNX Runtime, on all cores that are this process's. Safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = own_workers()
        options.log_severity_level = 3
        # its threads would go on spinning after a run, on the cores that FAISS and the decoding of photos need
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  onnxruntime's exceptions share no base class
            raise VersionError(f"{path.name} of {path.parent.name} cannot be read ({type(error).__name__})") from None

    def __call__(self, photos: Pixels) -> Floats:
        """Encode a batch."""
        (outputs,) = self._session.run(None, {self._session.get_inputs()[0].name: photos})
        return np.asarray(outputs, np.float32)
