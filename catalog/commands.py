"""The commands of this folder."""

from catalog.command_line import Command

COMMANDS = {
    "scan": Command(
        help="a folder of photos, or a CSV or Parquet table with a path column, into the store",
        config="catalog.config:ScanConfig",
        function="catalog.scan:scan",
    ),
}
