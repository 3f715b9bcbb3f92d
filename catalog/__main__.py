"""`python -m catalog`: the commands of this folder."""

import sys

from catalog.command_line import main
from catalog.commands import COMMANDS

sys.exit(main(COMMANDS, "python -m catalog", sys.argv[1:]))
