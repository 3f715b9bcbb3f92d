"""The commands of this folder."""

from catalog.command_line import Command

COMMANDS = {
    "search": Command(
        help="which products look like these photos? as a table, CSV, JSONL or Parquet",
        config="search.config:SearchConfig",
        function="search.batch:search_batch",
    ),
    "related": Command(
        help="for every product its nearest others, as CSV, JSONL or Parquet",
        config="search.config:RelatedConfig",
        function="search.related:related",
    ),
}
