"""Each photo's nearest others, for the whole version in use: what `duplicates` and `tag` begin with.

One pass over the index in batches; memory does not grow with the number of photos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from catalog.progress import progress
from index.batches import batches
from index.search_index import SearchIndex
from index.vectors import Floats, Ids, Mask, first_of_each

Weighed = Callable[[Floats], Floats]
"""From vectors to queries, both float32 (Q, D)."""

BATCH = 256
"""Photos that are asked with together."""


@dataclass(frozen=True, slots=True)
class Others:
    """The nearest photos of other groups than a photo's own, one of each group.

    Attributes:
        position: of the photo asked with.
        positions: int64 (K,), most similar first.
        similarities: float32 (K,), in [-1, 1].
    """

    position: int
    positions: Ids
    similarities: Floats


def nearest_others(
    index: SearchIndex,
    weighed: Weighed,
    groups: Ids,
    asked: Ids,
    k: int,
    *,
    among: Mask | None = None,
    description: str,
) -> Iterator[Others]:
    """For each photo asked with, the nearest photo of each of the k nearest other groups.

    Args:
        weighed: what makes queries of the photos' vectors, such as `Snapshot.weighed` at some weight of the colours.
        groups: int64 (N,), a number for the group (the same content, the same product …) of each position.
        asked: int64 (Q,), positions to ask with.
        among: bool (N,), the positions that may be found; None for all.
        description: what a progress bar says.
    """
    photos = len(index) if among is None else int(among.sum())
    there = np.bincount(groups if among is None else groups[among], minlength=int(groups.max()) + 1) > 0
    most = int(there.sum())
    shown = progress(asked.tolist(), total=len(asked), description=description)
    for batch in batches(shown, BATCH):
        vectors = weighed(index.vectors(np.asarray(batch, np.int64)))
        fetch = min(photos, k + 1)
        while True:
            found = index.search(vectors, fetch, among)
            picked = [
                _first_of_others(groups[found.positions[row, :count]], groups[position], k)
                for row, (position, count) in enumerate(zip(batch, found.counts.tolist(), strict=True))
            ]
            enough = (min(k, most - int(there[groups[position]])) for position in batch)
            if fetch == photos or all(len(places) == count for places, count in zip(picked, enough, strict=True)):
                break
            fetch = min(photos, 2 * fetch)
        for row, (position, places) in enumerate(zip(batch, picked, strict=True)):
            yield Others(position, found.positions[row, places], found.similarities[row, places])


def _first_of_others(groups: Ids, own: int, wanted: int) -> list[int]:
    """Places in a ranking at which a group other than the own one appears for the first time, at most `wanted`."""
    return [place for place in first_of_each(groups, wanted + 1) if groups[place] != own][:wanted]
