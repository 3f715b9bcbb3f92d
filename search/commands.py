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
    "tag": Command(
        help="missing values of a column, proposed from the most similar products; and how right that would be",
        config="search.tag_config:TagConfig",
        function="search.tag:tag",
    ),
}
