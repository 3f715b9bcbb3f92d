"""The commands of this folder."""

from catalog.command_line import Command

COMMANDS = {
    "train": Command(
        help="train an encoder on the store's photos (SimCLR, no labels)",
        config="training.config:TrainConfig",
        function="training.train:train",
        presets="training.config:PRESETS",
    ),
    "evaluate": Command(
        help="how good a run's embedding is, with labels and without; against its start",
        config="training.evaluation.config:EvaluateConfig",
        function="training.evaluation.evaluate:evaluate",
    ),
    "finetune": Command(
        help="teach a run's encoder a column of labels, so that the index tells them apart",
        config="training.finetune_config:FinetuneConfig",
        function="training.finetune:finetune",
    ),
    "runs": Command(
        help="the training runs, compared",
        config="training.runs_report:RunsConfig",
        function="training.runs_report:list_runs",
    ),
}
