"""What `lookalike tag` proposes, and how right it is on the values that are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from catalog.manifest import CatalogItem
from catalog.paths import shown
from index.vectors import Ids, Mask
from search.calibration import Values
from search.rows import write_rows
from training.evaluation.text_table import aligned

BANDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Confidences between which the known answers are counted."""
PRINTED, LISTED = 10, 20
"""Most proposals that are printed, and most values that are told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a product's missing value would be."""

    item: CatalogItem
    """The product, by its first photo."""
    value: str
    confidence: float
    """How often such proposals are right, in [0, 1], by the products whose value is known."""
    second: str
    """The value that came second; empty where all neighbours agree."""
    nearest: CatalogItem
    """The most similar photo of a product with the proposed value."""
    similarity: float
    """Its similarity, in [-1, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Products whose value is known, each asked without itself (leave-one-out).

    Attributes:
        names: the different values.
        values, proposed: int64 (N,), codes of what each has, and of what its neighbours say.
        confidence: float64 (N,), by a calibration that did not see the product.
    """

    names: tuple[str, ...]
    values: Ids
    proposed: Ids
    confidence: Values

    @property
    def right(self) -> Mask:
        """Whose neighbours are right, bool (N,)."""
        right: Mask = self.values == self.proposed
        return right

    @property
    def accuracy(self) -> float:
        """How often they are, in [0, 1]; not a number where no product could be asked."""
        return float(self.right.mean()) if len(self.values) else float("nan")

    def by_band(self) -> list[tuple[float, float, int, float, float]]:
        """For each band of confidence that occurs: its ends, products, mean confidence, how often they are right."""
        band = np.clip(np.searchsorted(BANDS, self.confidence, side="right") - 1, 0, len(BANDS) - 2)
        return [
            (
                BANDS[place],
                BANDS[place + 1],
                int(inside.sum()),
                float(self.confidence[inside].mean()),
                float(self.right[inside].mean()),
            )
            for place in range(len(BANDS) - 1)
            if (inside := band == place).any()
        ]

    def by_value(self) -> list[tuple[str, int, float, float]]:
        """For each value, the most frequent first: its name, products, how many of them are found, how often a
        proposal of it is right (not a number where there is none)."""
        has = np.bincount(self.values, minlength=len(self.names))
        said = np.bincount(self.proposed, minlength=len(self.names))
        hit = np.bincount(self.values[self.right], minlength=len(self.names))
        order = sorted(np.flatnonzero(has).tolist(), key=lambda code: (-has[code], self.names[code]))
        return [
            (
                self.names[code],
                int(has[code]),
                float(hit[code] / has[code]),
                float(hit[code] / said[code]) if said[code] else float("nan"),
            )
            for code in order
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagSummary:
    """What was proposed, and what it is worth."""

    column: str
    k: int
    judged: Judged
    proposals: tuple[Proposal, ...]
    """The most confident first."""
    printed: bool
    """Whether the first proposals are part of the text."""
    version: str
    seconds: float

    def __str__(self) -> str:
        return "\n".join([*self._told_right(), *self._told_proposals()])

    def _told_right(self) -> Iterator[str]:
        judged = self.judged
        if not len(judged.values):
            yield f'"{shown(self.column)}": too few products have a value to tell how right a proposal is'
            return
        yield (
            f'"{shown(self.column)}": right for {judged.accuracy:.3f} of the {len(judged.values):,} products whose '
            f"value is known, each asked without itself ({self.k} neighbours, version {self.version})"
        )
        rows = [("confidence", "products", "mean", "right")]
        rows += [
            (f"{low:.2f} to {high:.2f}", f"{count:,}", f"{mean:.3f}", f"{right:.3f}")
            for low, high, count, mean, right in reversed(judged.by_band())
        ]
        yield from aligned(rows)
        values = judged.by_value()
        table = [("value", "products", "found", "right when proposed")]
        table += [
            (shown(name), f"{count:,}", f"{found:.3f}", "-" if np.isnan(precise) else f"{precise:.3f}")
            for name, count, found, precise in values[:LISTED]
        ]
        yield from aligned(table)
        if len(values) > LISTED:
            yield f"… and {len(values) - LISTED} rarer values"

    def _told_proposals(self) -> Iterator[str]:
        if self.printed:
            for proposal in self.proposals[:PRINTED]:
                yield f"{proposal.confidence:.2f}  {shown(proposal.item.title)}: {shown(proposal.value)}"
            if len(self.proposals) > PRINTED:
                yield f"… and {len(self.proposals) - PRINTED:,} more: --output FILE.csv writes all"
        yield f"{len(self.proposals):,} products without a value, one proposal each, in {self.seconds:.1f} s"


def write_proposals(output: str, column: str, proposals: Sequence[Proposal]) -> None:
    """Write one row per product without a value.

    Args:
        output: a CSV file's name, "-" for stdout, "" for nowhere.
    """
    columns = ("item_id", "path", "column", "proposed", "confidence", "second", "nearest_item_id", "nearest_path")
    rows = (
        {
            "item_id": proposal.item.item_id,
            "path": proposal.item.path,
            "column": column,
            "proposed": proposal.value,
            "confidence": round(proposal.confidence, 4),
            "second": proposal.second,
            "nearest_item_id": proposal.nearest.item_id,
            "nearest_path": proposal.nearest.path,
            "similarity": round(proposal.similarity, 6),
        }
        for proposal in proposals
    )
    write_rows(output, [*columns, "similarity"], rows)
