"""`python -m search`: the commands of this folder."""

import sys

from catalog.command_line import main
from search.commands import COMMANDS

sys.exit(main(COMMANDS, "python -m search", sys.argv[1:]))
