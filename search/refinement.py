"""Refining a search: more like these products, less like those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from index.query import rocchio
from index.vectors import Floats
from search.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """What was liked and disliked, in the vectors of one version.

    Attributes:
        liked, disliked: float32 (L, D) and (M, D).
        hidden: numbers of the disliked products, which are not shown.
        widths: of the vectors' blocks.
    """

    liked: Floats
    disliked: Floats
    hidden: frozenset[int]
    widths: tuple[int, ...]

    @classmethod
    def of(cls, snapshot: Snapshot, liked: Sequence[str | int], disliked: Sequence[str | int]) -> Refinement:
        """From item_ids and image_ids, see `Snapshot.reference`.

        Raises:
            UsageError: there is no such product.
        """
        dimension = snapshot.loaded.index.dimension
        towards = [snapshot.reference(reference) for reference in liked]
        away = [snapshot.reference(reference) for reference in disliked]
        return cls(
            liked=np.array([vector for vector, _, _ in towards], np.float32).reshape(-1, dimension),
            disliked=np.array([vector for vector, _, _ in away], np.float32).reshape(-1, dimension),
            hidden=frozenset(product for _, product, _ in away),
            widths=snapshot.widths,
        )

    @property
    def moves(self) -> bool:
        """Whether anything is liked or disliked."""
        return bool(len(self.liked) or len(self.disliked))

    def moved(self, queries: Floats) -> Floats:
        """Queries towards what is liked and away from what is not, float32 (Q, D); as they were where there is none."""
        return rocchio(queries, self.liked, self.disliked, self.widths)
