"""`python -m training`: the commands of this folder."""

import sys

from catalog.command_line import main
from training.commands import COMMANDS

sys.exit(main(COMMANDS, "python -m training", sys.argv[1:]))
