"""How much a query's colours count: the weight of the colour block, by number or by name. Imports nothing heavy."""

from __future__ import annotations

from typing import Literal

from training.config import require

ColourChoice = float | Literal["same-design", "same-colour"]
"""A weight, 0 … 1, or the name of one."""

DEFAULT_COLOUR = 0.1
"""Best on the whole (docs/decisions/0020)."""
SAME_DESIGN, SAME_COLOUR = 0.0, 0.8
"""Colours do not count; colours count most."""
NAMED_WEIGHTS = {"same-design": SAME_DESIGN, "same-colour": SAME_COLOUR}
COLOUR_GRID = (0.0, DEFAULT_COLOUR, 0.25, 0.5, 0.75, 1.0)
"""Weights at which an index must keep its promise."""


def colour_weight(choice: ColourChoice) -> float:
    """The weight that was chosen.

    Raises:
        UsageError: it does not lie in 0 … 1.
    """
    weight = NAMED_WEIGHTS[choice] if isinstance(choice, str) else choice
    remedy = f"the default is {DEFAULT_COLOUR}; {' and '.join(NAMED_WEIGHTS)} are names of two"
    require(0 <= weight <= 1, "--colour must lie in 0 to 1", weight, remedy)
    return weight
