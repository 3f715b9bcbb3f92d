"""`python -m ui`: the commands of this folder."""

import sys

from catalog.command_line import main
from ui.commands import COMMANDS

sys.exit(main(COMMANDS, "python -m ui", sys.argv[1:]))
