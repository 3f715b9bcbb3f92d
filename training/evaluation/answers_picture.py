"""Hits and misses as a contact sheet: queries with what an embedding finds for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from catalog.image import decode_photo, read_photo
from catalog.paths import catalog_photo_path
from training.evaluation.contact_sheet import ContactRow, Tile, draw_contact_sheet
from training.evaluation.photos import GalleryPhoto, QueryPhoto
from training.evaluation.ranking import Floats
from training.evaluation.retrieval import CategoryRetrieval

EACH = 6
"""Hits shown, and misses shown."""
NEAREST = 6
FIT = 200


def draw_answers(
    category: CategoryRetrieval,
    gallery: Sequence[GalleryPhoto],
    vectors: Floats,
    queries: Sequence[QueryPhoto],
    query_vectors: Floats | None,
    path: Path,
) -> None:
    """Draw some queries whose first answer is of their label, and some whose is not, evenly taken from all.

    Args:
        vectors: the gallery's, float32 (N, D), of unit norm.
        queries, query_vectors: what was asked with, (Q, D); None where the labelled photos of the gallery itself were.
    """
    labelled = [row for row, photo in enumerate(gallery) if photo.label is not None]
    first = category.hits[:, 0]
    chosen = [row for hit in (False, True) for row in _evenly(np.flatnonzero(first == hit))]
    rows = []
    for row in chosen:
        asked = int(category.rows[row])
        if query_vectors is None:
            own = gallery[labelled[asked]]
            vector, label = vectors[labelled[asked]], own.label
            image, content = _open(catalog_photo_path(own.root, own.path)), own.sha256
        else:
            vector, label = query_vectors[asked], queries[asked].label
            image, content = _open(queries[asked].file), ""
        similarities = vectors[labelled] @ vector
        order = [place for place in np.argsort(-similarities) if gallery[labelled[place]].sha256 != content][:NEAREST]
        nearest = tuple(
            Tile(
                image=_open(catalog_photo_path(gallery[labelled[place]].root, gallery[labelled[place]].path)),
                caption=f"{gallery[labelled[place]].label}\n{similarities[place]:.3f}",
                right=gallery[labelled[place]].label == label,
            )
            for place in order
        )
        rows.append(ContactRow(query=Tile(image=image, caption=str(label)), nearest=nearest))
    if rows:
        draw_contact_sheet(rows, path)


def _evenly(rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[int]:
    places = np.unique(np.linspace(0, len(rows) - 1, min(EACH, len(rows))).astype(int))
    return [int(rows[place]) for place in places]


def _open(path: Path) -> Image.Image:
    return decode_photo(read_photo(path), fit=FIT).image
