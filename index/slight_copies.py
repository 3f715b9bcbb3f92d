"""Copies of photos: slightly altered, as shops and phones do, and strongly, as another photo of the thing may be.

`index.fit_verdicts` asks how similar they are to their originals.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from catalog.errors import BadImage
from catalog.image import decode_photo, read_photo
from catalog.manifest import CatalogPhoto
from catalog.parallel import default_workers, map_in_order
from catalog.paths import catalog_photo_path
from catalog.progress import progress
from index.embedder import Embedder, Prepared
from index.vectors import Floats
from training.evaluation.alterations import alter

Alter = Callable[[Image.Image, str], Image.Image]
"""An altered copy of an RGB photo, given its SHA-256."""


def _half(photo: Image.Image, _: str) -> Image.Image:
    return photo.resize((max(8, photo.width // 2), max(8, photo.height // 2)), Image.Resampling.BILINEAR)


def _recompressed(photo: Image.Image, _: str) -> Image.Image:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=60)
    return Image.open(buffer, formats=("JPEG",)).convert("RGB")


def _trimmed(photo: Image.Image, _: str) -> Image.Image:
    across, down = photo.width * 0.04, photo.height * 0.04
    return photo.resize(photo.size, Image.Resampling.BICUBIC, box=(across, down, photo.width - across, photo.height))


def _of_family(family: str) -> Alter:
    return lambda photo, sha256: alter(photo, family, sha256)


SLIGHT: tuple[Alter, ...] = (_half, _recompressed, _trimmed)
STRONG: tuple[Alter, ...] = tuple(_of_family(family) for family in ("perspective", "shadow", "background"))
"""What another photo of a product may be like: another angle, light or table."""


def embed_copies(
    photos: Sequence[CatalogPhoto], alterations: Sequence[Alter], embedder: Embedder
) -> tuple[list[CatalogPhoto], Floats]:
    """The photos that can be read, and their copies' vectors, (P, alterations, D)."""

    def copies(photo: CatalogPhoto) -> list[Prepared] | None:
        try:
            data = read_photo(catalog_photo_path(photo.root, photo.path))
            image = decode_photo(data, fit=embedder.decode_size).image
        except BadImage:
            return None
        return [embedder.prepare(change(image, photo.sha256)) for change in alterations]

    readable, vectors = [], []
    made = map_in_order(copies, photos, workers=default_workers())
    shown = progress(made, total=len(photos), description="fitting the verdicts")
    for photo, prepared in zip(photos, shown, strict=True):
        if prepared is not None:
            readable.append(photo)
            vectors.append(embedder.embed(prepared))
    shape = (0, len(alterations), embedder.dimension)
    return readable, np.stack(vectors) if vectors else np.zeros(shape, np.float32)
