"""`export`: a run's encoder as an ONNX file for use elsewhere, put in place only if it gives PyTorch's vectors.

Needs torch. Beside the file lies a description (JSON) of all that someone needs to feed it without lookalike.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from catalog import atomic
from catalog.disk import remedy_for
from catalog.errors import LookalikeError, UsageError, VersionError
from catalog.manifest import CatalogPhoto, Manifest
from catalog.paths import shown
from catalog.progress import progress
from catalog.store import Store
from index.batches import batches
from index.config import ExportConfig
from index.embedder import Network, OnnxNetwork, Pixels
from index.encoder_files import INPUT, OUTPUT, export_onnx
from index.vectors import Floats
from training.encoder import Encoder, Indexed, load_encoder
from training.evaluation.label_free import sample_by_content
from training.evaluation.photos import prepared_photos
from training.preprocess import decode_size, preprocess
from training.runs import Run, run_to_use
from training.spec import EncoderSpec

REQUIRED_COSINE = 0.9999
"""Between the two vectors of each photo, PyTorch's and ONNX Runtime's; both compute in float32."""
BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Equality:
    """How alike an encoder's vectors are in PyTorch and in ONNX Runtime."""

    photos: int
    """Photos that were encoded by both, at least 1."""
    unreadable: int
    """Photos that are gone or damaged since the scan, and were passed over."""
    least: float
    """The smallest cosine between the two vectors of a photo; NaN where one is not finite."""
    median: float
    """The median of those cosines."""
    least_photo: str
    """Path in the catalog of the photo with the smallest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSummary:
    """What an export did."""

    run: str
    onnx: Path
    """The file written."""
    description: Path
    """The JSON file beside it."""
    bytes: int
    """Size of the ONNX file."""
    equality: Equality
    seconds: float

    @property
    def exit_code(self) -> int:
        """3 where photos had to be passed over, else 0."""
        return 3 if self.equality.unreadable else 0

    def __str__(self) -> str:
        found = self.equality
        lost = f', {found.unreadable} unreadable since the scan (run "lookalike scan")' if found.unreadable else ""
        return (
            f"{shown(str(self.onnx))}: the encoder of {self.run}, {self.bytes / 1e6:.1f} MB, in {self.seconds:.1f} s\n"
            f"checked on {found.photos} photos{lost}: least cosine to PyTorch's vectors {found.least:.6f}\n"
            f"how to use it: {shown(str(self.description))}"
        )


def export_encoder(config: ExportConfig) -> ExportSummary:
    """Export, check, and only then put the file and its description in place.

    Raises:
        UsageError: no such run, or a file of that name is there and `force` is not set.
        VersionError: the run has no checkpoint yet, or a damaged one.
        LookalikeError: no finished run, no readable photo, unequal vectors, or the disk fails; nothing is left behind.
    """
    begun = time.monotonic()
    store = Store.open(config.store)
    run = run_to_use(store, config.run)
    onnx = config.output or Path(f"{run.name}.onnx")
    description = onnx.with_suffix(".json")
    _check_target((onnx, description), config)
    root = Path(store.read_catalog()["root"])
    manifest = Manifest.read(store.manifest_file)
    photos = sample_by_content(manifest.distinct_photos(root), config.photos)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            atomic.replacing(description) as description_file,
            atomic.replacing(onnx) as onnx_file,
        ):
            checkpoint = Path(folder) / "encoder.safetensors"
            shutil.copyfile(run.checkpoint_file, checkpoint)  # a run that goes on would replace its own meanwhile
            export_onnx(checkpoint, onnx_file)
            encoder, header = load_encoder(checkpoint)
            equality = compare(torch_network(encoder), OnnxNetwork(onnx_file), photos, header.spec)
            _refuse_if_unequal(equality, run)
            facts = {
                "format": 1,
                "file": onnx.name,
                "sha256": hashlib.sha256(onnx_file.read_bytes()).hexdigest(),
                "run": run.name,
                "checkpoint_sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
                **describe(header.spec),
                "check": {
                    "photos": equality.photos,
                    "unreadable": equality.unreadable,
                    "least_cosine": equality.least,
                    "median_cosine": equality.median,
                    "required_cosine": REQUIRED_COSINE,
                },
            }
            atomic.write_json(description_file, facts)
    except OSError as error:
        raise LookalikeError(
            f"the export could not be written to {shown(str(onnx))} ({error.strerror}): "
            f"{remedy_for(error)}, or name another file by --output"
        ) from None
    seconds = time.monotonic() - begun
    return ExportSummary(
        run=run.name, onnx=onnx, description=description, bytes=onnx.stat().st_size, equality=equality, seconds=seconds
    )


def torch_network(encoder: Encoder) -> Network:
    """An encoder in PyTorch on the CPU, in float32: uint8 (B, S, S, 3) photos to float32 (B, D) outputs."""
    network = Indexed(encoder).eval()

    def encode(photos: Pixels) -> Floats:
        with torch.inference_mode():
            outputs: Floats = network(torch.from_numpy(photos)).numpy()
        return outputs

    return encode


def compare(in_torch: Network, in_onnx: Network, photos: Sequence[CatalogPhoto], spec: EncoderSpec) -> Equality:
    """Encode photos by both; those that cannot be read any more are passed over.

    Raises:
        LookalikeError: none can be read.
    """
    prepared = prepared_photos(photos, partial(preprocess, spec=spec), decode_size(spec))
    paths: list[str] = []
    cosines: list[float] = []
    for batch in batches(progress(prepared, total=len(photos), description="checking"), BATCH):
        pixels = np.stack([pixels for _, pixels in batch])
        paths += [photo.path for photo, _ in batch]
        cosines += _cosines(in_torch(pixels), in_onnx(pixels)).tolist()
    if not cosines:
        raise LookalikeError(
            f'an export is checked with photos; 0 of {len(photos)} can be read: run "lookalike scan" to see why'
        )
    least = int(np.argmin(cosines))  # the first NaN, where there is one
    read, median = len(cosines), float(np.median(cosines))
    return Equality(
        photos=read, unreadable=len(photos) - read, least=cosines[least], median=median, least_photo=paths[least]
    )


def describe(spec: EncoderSpec) -> dict[str, Any]:
    """How to feed an exported encoder and read its answer, as plain values and in words."""
    side = spec.image_size
    return {
        "backbone": spec.backbone,
        "layer": spec.layer,
        "preprocessing": {
            "image_size": side,
            "centre_crop": spec.centre_crop,
            "resize_filter": "bicubic",
            "steps": [
                "decode the first frame to RGB, 8 bits a channel: upright by its EXIF orientation, transparency over "
                "white, colour profile ignored; lookalike decodes a JPEG at 1/2, 1/4 or 1/8 of its size if its short "
                f"side then still has {decode_size(spec)} pixels, which is quicker and changes the vectors a little",
                "resize the centred square of side centre_crop * min(width, height) with resize_filter, antialiased; "
                "in Pillow: photo.resize((image_size, image_size), Image.Resampling.BICUBIC, box=(left, top, left + "
                "side, top + side)) with left = (width - side) / 2 and top = (height - side) / 2, not rounded",
                "give the values 0 … 255 as they are: the graph subtracts mean and divides by std",
            ],
        },
        "input": {"name": INPUT, "type": "uint8", "layout": "NHWC", "channels": "RGB", "shape": ["N", side, side, 3]},
        "inside_the_graph": {"mean": spec.mean, "std": spec.std},
        "output": {
            "name": OUTPUT,
            "type": "float32",
            "shape": ["N", spec.embedding_dim],
            "unit_norm": False,
            "then": "divide each vector by its length; the similarity of two photos is then their inner product",
        },
    }


def _check_target(files: Sequence[Path], config: ExportConfig) -> None:
    for file in files:
        name = shown(str(file))
        if not file.parent.is_dir():
            raise UsageError(f'--output must lie in a folder that exists; received "{name}": make the folder first')
        if file.exists() and not config.force:
            raise UsageError(f"export overwrites a file only with --force; {name} exists: name another by --output")


def _refuse_if_unequal(equality: Equality, run: Run) -> None:
    if not equality.least >= REQUIRED_COSINE:
        raise LookalikeError(
            f"the exported encoder must give the vectors that {run.name} gives in PyTorch (cosine at least "
            f"{REQUIRED_COSINE}); {shown(equality.least_photo)} has {equality.least:.6f}, so nothing was written: "
            "try the versions of torch, onnx and onnxruntime in requirements.lock"
        )


def _cosines(expected: Floats, found: Floats) -> npt.NDArray[np.float64]:
    """Cosines of the rows of two (B, D) arrays: float64 (B,); 0 where a row is all zeros."""
    if found.shape != expected.shape:
        raise VersionError(
            f"the exported encoder must give the shape {expected.shape}; it gave {found.shape}: export again"
        )
    a, b = expected.astype(np.float64), found.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines: npt.NDArray[np.float64] = (a * b).sum(axis=1) / np.maximum(lengths, np.finfo(np.float64).tiny)
    return cosines
