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
    "compare": Command(
        help="how much the answers have changed since an earlier version",
        config="search.compare_config:CompareConfig",
        function="search.compare:compare",
    ),
}
