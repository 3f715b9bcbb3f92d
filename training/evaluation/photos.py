"""The photos an evaluation works on: the catalog's, the labelled queries', and how they become an encoder's input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalog.errors import BadImage, UsageError
from catalog.files import find_photos
from catalog.image import decode_photo, read_photo
from catalog.manifest import CatalogPhoto, Manifest
from catalog.parallel import default_workers, map_in_order
from catalog.paths import catalog_photo_path, shown
from catalog.table import TABLE_EXTENSIONS, read_table
from training.evaluation.config import EvaluateConfig
from training.evaluation.label_free import Photo, sample_by_content
from training.photos import is_missing, labels_of

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryPhoto(CatalogPhoto):
    """A photo of the catalog with what is known of it."""

    item_id: str
    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPhoto:
    """A labelled photo that is not in the catalog."""

    file: Path
    label: str


def gallery_photos(root: Path, manifest: Manifest, config: EvaluateConfig) -> list[GalleryPhoto]:
    """The catalog's photos, each content once, at most `config.photos` of them.

    Raises:
        UsageError: the catalog has no such column of labels.
    """
    rows = manifest.first_rows
    labels: list[Any] = labels_of(manifest, config.labels, "--labels", rows) if config.labels else [None] * len(rows)
    columns = manifest.table.select(["path", "sha256", "item_id"]).take(rows).to_pydict()
    photos = [
        GalleryPhoto(root=root, path=path, sha256=sha256, item_id=item_id, label=None if label is None else str(label))
        for path, sha256, item_id, label in zip(
            columns["path"], columns["sha256"], columns["item_id"], labels, strict=True
        )
    ]
    if len(photos) <= config.photos:
        return photos
    kept = {photo.sha256 for photo in sample_by_content(photos, config.photos)}
    return [photo for photo in photos if photo.sha256 in kept]


def query_photos(config: EvaluateConfig) -> list[QueryPhoto]:
    """The labelled queries.

    Raises:
        UsageError: there are none, or they have no labels.
    """
    queries = config.queries
    if queries is None:
        return []
    if queries.suffix.lower() in TABLE_EXTENSIONS and queries.is_file():
        table = read_table(queries)
        if config.labels not in table.column_names:
            raise UsageError(
                f'--queries must name a table with the column "{config.labels}"; {shown(str(queries))} has: '
                f"{', '.join(table.column_names)}"
            )
        rows = zip(table["path"].to_pylist(), table[config.labels].to_pylist(), strict=True)
        found = [
            QueryPhoto(file=queries.parent / path, label=str(label)) for path, label in rows if not is_missing(label)
        ]
    elif queries.is_dir():
        names = find_photos(queries).paths
        found = [QueryPhoto(file=queries / name, label=str(Path(name).parent)) for name in names]
    else:
        raise UsageError(f"--queries must be a folder or a table; there is no {shown(str(queries))}: check the path")
    if not found:
        raise UsageError(f"--queries must hold labelled photos; {shown(str(queries))} has none: name another")
    return found


def check_labels(photos: Sequence[GalleryPhoto], queries: Sequence[QueryPhoto], config: EvaluateConfig) -> None:
    """Refuse labels by which no query has a right answer, before anything is encoded.

    Raises:
        UsageError: so it is.
    """
    if not config.labels:
        return
    counts = Counter(photo.label for photo in photos if photo.label is not None)
    if config.queries is None and not any(count > 1 for count in counts.values()):
        raise UsageError(
            f'--labels must name a column in which photos share values; each of the {len(counts)} in "{config.labels}" '
            "is of one photo: name a column of kinds"
        )
    asked = {query.label for query in queries}
    if config.queries is not None and not asked & counts.keys():
        raise UsageError(
            f"--queries must have labels that the catalog has; none of theirs ({_some(asked)}) is among those of "
            f'"{config.labels}" ({_some(counts)}): name the folders, or the column, as the catalog does'
        )


def _some(labels: Iterable[str]) -> str:
    """The first few, for a message."""
    names = sorted(labels)
    return ", ".join(shown(name) for name in names[:4]) + (", …" if len(names) > 4 else "")


def prepared_photos(
    photos: Sequence[Photo], prepare: Callable[[Image.Image], Pixels], fit: int
) -> Iterator[tuple[Photo, Pixels]]:
    """Each photo as an encoder's input; those that cannot be read any more are passed over.

    Args:
        fit: short side, in pixels, below which a photo must not be decoded.
    """

    def located(photo: Photo) -> Path:
        return catalog_photo_path(photo.root, photo.path)

    for photo, pixels in zip(photos, _prepared(photos, located, prepare, fit), strict=True):
        if pixels is not None:
            yield photo, pixels


def prepared_queries(
    queries: Sequence[QueryPhoto], prepare: Callable[[Image.Image], Pixels], fit: int
) -> Iterator[tuple[QueryPhoto, Pixels]]:
    """Each query as an encoder's input.

    Raises:
        UsageError: one cannot be read: figures over fewer queries than asked for would mislead.
    """
    for query, pixels in zip(queries, _prepared(queries, lambda query: query.file, prepare, fit), strict=True):
        if pixels is None:
            raise UsageError(f"every query must be a readable photo; {shown(str(query.file))} is not: leave it out")
        yield query, pixels


def _prepared(
    photos: Sequence[Any], located: Callable[[Any], Path], prepare: Callable[[Image.Image], Pixels], fit: int
) -> Iterator[Pixels | None]:
    def open_one(photo: Any) -> Pixels | None:
        try:
            return prepare(decode_photo(read_photo(located(photo)), fit=fit).image)
        except BadImage:
            return None

    return map_in_order(open_one, photos, workers=default_workers())
