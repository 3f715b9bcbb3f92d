"""The commands of this folder, and all of them in the order in which people need them."""

import catalog.commands
import index.commands
import search.commands
import training.commands
from catalog.command_line import Command

COMMANDS = {
    "demo": Command(
        help="draw a sample catalog, train, index, open the page",
        config="ui.config:DemoConfig",
        function="ui.demo:demo",
    ),
    "serve": Command(
        help="the web page and the HTTP API; picks up a new version without a restart",
        config="ui.config:ServeConfig",
        function="ui.server:serve",
    ),
}

ALL_COMMANDS = {
    "demo": COMMANDS["demo"],
    **catalog.commands.COMMANDS,
    **training.commands.COMMANDS,
    "index": index.commands.COMMANDS["index"],
    **search.commands.COMMANDS,
    "serve": COMMANDS["serve"],
    **index.commands.COMMANDS,
}
