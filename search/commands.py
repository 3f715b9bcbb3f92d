"""The commands of this folder."""

from catalog.command_line import Command

COMMANDS = {
    "search": Command(
        help="which products look like these photos? as a table, CSV, JSONL or Parquet",
        config="search.config:SearchConfig",
        function="search.batch:search_batch",
    ),
    "duplicates": Command(
        help="groups of identical and near-identical photos, as a CSV and a contact sheet",
        config="search.duplicates_config:DuplicatesConfig",
        function="search.duplicates:find_duplicates",
    ),
}
