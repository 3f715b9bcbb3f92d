"""The commands of this folder."""

from catalog.command_line import Command

COMMANDS = {
    "index": Command(
        help="embed the photos, build an index, put it into use",
        config="index.config:IndexConfig",
        function="index.build:build_version",
    ),
    "embed": Command(
        help="only embed the photos, also in several processes under torchrun; index then builds",
        config="index.config:EmbedConfig",
        function="index.embed:embed",
    ),
    "sync": Command(
        help="take in what changed in the catalog, with the encoder in use",
        config="index.config:SyncConfig",
        function="index.sync:sync",
    ),
    "export": Command(
        help="a run's encoder as an ONNX file for use elsewhere, checked against PyTorch",
        config="index.config:ExportConfig",
        function="index.export:export_encoder",
    ),
    "status": Command(
        help="what the store holds and what is in use",
        config="index.config:StoreConfig",
        function="index.status:status",
    ),
    "versions": Command(
        help="the versions there are",
        config="index.config:StoreConfig",
        function="index.status:list_versions",
    ),
    "rollback": Command(
        help="put an earlier version back into use",
        config="index.config:RollbackConfig",
        function="index.status:rollback",
    ),
    "prune": Command(
        help="remove the oldest versions",
        config="index.config:PruneConfig",
        function="index.status:prune_versions",
    ),
}
