"""`python -m index`: the commands of this folder."""

import sys

from catalog.command_line import main
from index.commands import COMMANDS

sys.exit(main(COMMANDS, "python -m index", sys.argv[1:]))
