"""`lookalike`: the command line."""

from __future__ import annotations

import sys

from catalog.command_line import main as run
from ui.commands import ALL_COMMANDS


def main() -> None:
    """Entry point of the `lookalike` command."""
    sys.exit(run(ALL_COMMANDS, "lookalike", sys.argv[1:]))
