"""The label-free check: is a catalog photo found again from an altered copy of it? Imports no torch.

`lookalike evaluate` and the gate of `lookalike index` share it. Which photos are asked for, how they are altered and
which are searched depends on their contents alone, so two encoders are compared on the same questions, copy by copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalog.errors import BadImage
from catalog.image import decode_photo, read_photo
from catalog.manifest import CatalogPhoto
from catalog.parallel import default_workers, map_in_order
from catalog.paths import catalog_photo_path
from training.evaluation.alterations import ALTERATIONS, FAMILIES, alter
from training.evaluation.bootstrap import Estimate, bootstrap_difference, bootstrap_mean
from training.evaluation.ranking import Floats
from training.evaluation.retrieval import find_original

SIDE = 256
"""Short side, in pixels, to which a larger photo is shrunk before it is altered."""

Hits = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]
Photo = TypeVar("Photo", bound=CatalogPhoto)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFreeCheck:
    """Which altered copies found their original.

    Raises:
        ValueError: the parts do not fit.
    """

    contents: tuple[str, ...]
    """SHA-256 of the P photos asked for."""
    first: Hits
    """Whether the original came first, a column for each family of alterations, (P, families)."""
    among_five: Hits
    """Whether it was among the first five, likewise."""
    gallery: int
    """Photos that were searched."""

    def __post_init__(self) -> None:
        if not self.first.shape == self.among_five.shape == (len(self.contents), len(FAMILIES)):
            raise ValueError(f"a check needs a row for each photo and a column for each of {', '.join(FAMILIES)}")

    def recall(self, k: int = 1) -> Estimate:
        """How often the original was found, over all copies; drawn anew by photo.

        Args:
            k: 1 or 5.
        """
        hits = {1: self.first, 5: self.among_five}[k]
        return bootstrap_mean(hits.astype(np.float64).mean(axis=1))

    def by_family(self) -> dict[str, float]:
        """How often the original came first, for each family of alterations."""
        return dict(zip(FAMILIES, self.first.mean(axis=0).tolist(), strict=True))

    def better_than(self, other: LabelFreeCheck) -> Estimate:
        """The paired difference of recall@1 to another encoder's, on the photos that both were asked for.

        Raises:
            UsageError: fewer than 2 photos are in both.
        """
        places = {content: place for place, content in enumerate(other.contents)}
        both = [(mine, places[content]) for mine, content in enumerate(self.contents) if content in places]
        mine, theirs = np.array(both, np.int64).reshape(-1, 2).T
        return bootstrap_difference(self.first[mine].mean(axis=1), other.first[theirs].mean(axis=1))

    def figures(self) -> dict[str, Any]:
        """What was measured, for reading."""
        return {
            "recall@1": self.recall(1).to_json(),
            "recall@5": self.recall(5).to_json(),
            "recall@1_by_family": self.by_family(),
            "photos": len(self.contents),
            "gallery": self.gallery,
            "alterations": ALTERATIONS,
        }

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "contents": list(self.contents),
            "first": self.first.astype(int).tolist(),
            "among_five": self.among_five.astype(int).tolist(),
            "gallery": self.gallery,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> LabelFreeCheck:
        """From the plain values of `to_json`."""
        shape = (len(values["contents"]), len(FAMILIES))
        return cls(
            contents=tuple(values["contents"]),
            first=np.array(values["first"], np.bool_).reshape(shape),
            among_five=np.array(values["among_five"], np.bool_).reshape(shape),
            gallery=values["gallery"],
        )


def sample_by_content(photos: Sequence[Photo], count: int) -> list[Photo]:
    """At most `count` of some photos, the same ones however the catalog around them changes: by their hashes."""
    return sorted(photos, key=lambda photo: photo.sha256)[:count]


def altered_copies(
    photos: Sequence[Photo], prepare: Callable[[Image.Image], Pixels]
) -> Iterator[tuple[Photo, list[Pixels]]]:
    """Each photo with its copies, one for each family; photos that cannot be read any more are passed over.

    Args:
        prepare: from an RGB photo to an encoder's input.
    """

    def copies(photo: CatalogPhoto) -> list[Pixels] | None:
        try:
            data = read_photo(catalog_photo_path(photo.root, photo.path))
            image = _shrunk(decode_photo(data, fit=SIDE).image)
        except BadImage:
            return None
        return [prepare(alter(image, family, photo.sha256)) for family in FAMILIES]

    for photo, made in zip(photos, map_in_order(copies, photos, workers=default_workers()), strict=True):
        if made is not None:
            yield photo, made


def check_label_free(
    contents: Sequence[str], copies: Floats, gallery: Floats, gallery_contents: Sequence[str]
) -> LabelFreeCheck:
    """Look for the originals of altered copies.

    Args:
        contents: SHA-256 of the photos asked for, all of them in the gallery, (P,).
        copies: vectors of their copies, float32 (P · families, D), of unit norm, photo by photo.
        gallery: vectors of the photos to search, float32 (N, D), of unit norm.
        gallery_contents: SHA-256 of those, (N,).
    """
    keys = np.repeat(np.array(contents), len(FAMILIES))
    found = find_original(copies, gallery, keys, np.array(gallery_contents))
    hits = found.hits.reshape(len(contents), len(FAMILIES), 2)
    return LabelFreeCheck(contents=tuple(contents), first=hits[:, :, 0], among_five=hits[:, :, 1], gallery=len(gallery))


def _shrunk(image: Image.Image) -> Image.Image:
    scale = SIDE / min(image.size)
    if scale >= 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
