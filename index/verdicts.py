"""Verdicts: what a similarity means to a person, by thresholds fitted on the catalog (index/fit_verdicts.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

Verdict = Literal["same photo", "same product", "similar", "no close match"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The least similarity of each verdict, at one weight of the colour block.

    Raises:
        ValueError: they do not descend.
    """

    colour: float
    """The weight, 0 … 1."""
    same_photo: float
    same_product: float
    similar: float

    def __post_init__(self) -> None:
        if not self.same_photo >= self.same_product >= self.similar:
            raise ValueError("thresholds must descend from same_photo over same_product to similar")

    def verdict(self, similarity: float) -> Verdict:
        """What a similarity means."""
        if similarity >= self.same_photo:
            return "same photo"
        if similarity >= self.same_product:
            return "same product"
        return "similar" if similarity >= self.similar else "no close match"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Thresholds for every weight.

    Raises:
        ValueError: there are none, or their weights do not ascend.
    """

    thresholds: tuple[Thresholds, ...]
    """By ascending weight."""
    photos: int
    """Photos of the catalog that they were fitted on."""
    measured: Mapping[str, Any] = field(default_factory=dict)
    """How right they are on pairs they were not fitted on, and what those pairs were."""

    def __post_init__(self) -> None:
        weights = [one.colour for one in self.thresholds]
        if not weights or weights != sorted(set(weights)):
            raise ValueError("verdicts need thresholds, their weights ascending")

    def at(self, colour: float) -> Thresholds:
        """The thresholds at a weight: between two that were fitted, on the straight line between them."""
        weights = [one.colour for one in self.thresholds]
        names = ("same_photo", "same_product", "similar")
        values = {
            name: float(np.interp(colour, weights, [getattr(one, name) for one in self.thresholds])) for name in names
        }
        return Thresholds(colour=colour, **values)

    def to_json(self) -> dict[str, Any]:
        """As plain values, for version.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Verdicts:
        """From the plain values of `to_json`; KeyError, TypeError or ValueError where they are not."""
        thresholds = tuple(Thresholds(**one) for one in values["thresholds"])
        return cls(thresholds=thresholds, photos=values["photos"], measured=values["measured"])
