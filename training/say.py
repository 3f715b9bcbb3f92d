"""How a long command tells people where it is: one line at a time."""

from collections.abc import Callable

Say = Callable[[str], None]
