"""How far an approximate index looks: tuned for each weight of the colours, since one weight may need far more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from index.vectors import Floats, Ids

Parameters = Mapping[str, int]
"""Such as {"nprobe": 64}."""
DIGITS = 4
"""Weights that agree in so many digits are the same: a query's is worked out from its vector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The parameters of a search, by the weight of the query's second block.

    Attributes:
        by_weight: at the weights that were tuned, ascending; a single entry serves every query.
        first: width of the first block.

    Raises:
        ValueError: there is no entry, weights do not ascend, or parameters differ in their names.
    """

    by_weight: Mapping[float, Parameters]
    first: int = 0

    def __post_init__(self) -> None:
        if not self.by_weight or any(one >= other for one, other in pairwise(self.by_weight)):
            raise ValueError("settings need parameters for at least one weight, weights ascending")
        if len({frozenset(parameters) for parameters in self.by_weight.values()}) > 1:
            raise ValueError("parameters must have the same names at every weight")

    def groups(self, queries: Floats) -> Iterator[tuple[Ids, Parameters]]:
        """Rows of the queries (Q, D) that are searched for with the same parameters, and these."""
        rows = np.arange(len(queries))
        if len(self.by_weight) == 1:
            yield rows, next(iter(self.by_weight.values()))
            return
        weights = second_weights(queries, self.first)
        grid = np.array(list(self.by_weight))
        above = np.searchsorted(grid, weights).clip(max=len(grid) - 1)
        below = np.where(grid[above] > weights, above - 1, above).clip(min=0)
        for pair in np.unique(np.stack([below, above], axis=1), axis=0).tolist():
            yield rows[(below == pair[0]) & (above == pair[1])], self._between(*pair)

    def _between(self, below: int, above: int) -> Parameters:
        """Of two neighbouring weights, for a query between them, whichever looks further."""
        one, other = (list(self.by_weight.values())[place] for place in (below, above))
        return {name: max(one[name], other[name]) for name in one}

    def to_json(self) -> dict[str, dict[str, int]]:
        """As plain values, for version.json."""
        return {f"{weight:g}": dict(parameters) for weight, parameters in self.by_weight.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Mapping[str, int]], first: int) -> Settings:
        """From the plain values of `to_json`; ValueError or TypeError where they are not."""
        by_weight = {float(weight): dict(parameters) for weight, parameters in values.items()}
        return cls(by_weight=by_weight, first=first)


def everywhere(parameters: Parameters) -> Settings:
    """The same parameters for every query."""
    return Settings(by_weight={0.0: parameters})


def second_weights(queries: Floats, first: int) -> npt.NDArray[np.float64]:
    """The weight of each query's second block, (Q,), in [0, 1]: its length by that of both; see `index.blocks.weigh`.

    Args:
        queries: float32 (Q, D).
        first: width of the first block.
    """
    one, other = (np.sqrt(np.einsum("qd,qd->q", block, block)) for block in np.split(queries, [first], axis=1))
    weights: npt.NDArray[np.float64] = other.astype(np.float64) / np.maximum(one + other, np.finfo(np.float32).tiny)
    return weights.round(DIGITS)
