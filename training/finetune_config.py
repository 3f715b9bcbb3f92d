"""Settings of fine-tuning. Imports no torch, so that `lookalike finetune --help` is quick."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from catalog.errors import UsageError
from catalog.store import DEFAULT_STORE
from training.config import Device, Precision, TrainConfig, ViewConfig, require


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """Settings of one fine-tuning.

    Raises:
        UsageError: a value that cannot work, in one line.
    """

    labels: str
    """The column to learn from, or "folder" for the folder each photo lies in; photos without a label are left out."""
    store: Path = DEFAULT_STORE
    """The store whose photos to learn from."""
    run: str = ""
    """The training run to begin with; empty: the newest finished one that is not itself fine-tuned."""
    weights: str = ""
    """Begin without a training run: "imagenet", "none" (random), or a file of weights; empty: with a run."""
    encoder: str = "efficientnet_lite0"
    """Backbone where --weights is given, as in "lookalike train"; a run has its own."""
    name: str = ""
    """The new run's name; empty: the next free number."""
    label_fraction: float = 1.0
    """Part of each label's photos that may be learned from, at least one photo each: to see what fewer labels do."""
    held_out: float = 0.2
    """Part of each label's photos that is not learned from but measured on, above 0 at least one photo of each label
    that has two; all photos of a product stay on one side. 0: learn from all, measure nothing."""
    linear_epochs: int = 50
    """Times that the classifier alone sees every labelled photo, before the encoder learns too; it sees vectors made
    once, so these cost seconds."""
    epochs: int = 0
    """Times that classifier and encoder see every labelled photo; 0: as often as --views-shown allows, 1 to 40."""
    views_shown: int = 24_000
    """Views that a run with --epochs 0 shows in all."""
    batch_size: int = 64
    """Photos in a batch."""
    views: ViewConfig = field(default_factory=ViewConfig)
    """How photos are altered while the encoder learns; best as in the training run."""
    classifier_temperature: float = 0.0
    """What similarities to the labels' directions are divided by; 0: by the number of labels, 0.2 for ten."""
    learning_rate: float = 1e-4
    """Highest learning rate of the encoder: lower than the classifier's, so that it keeps what it learned without
    labels."""
    classifier_learning_rate: float = 1e-3
    """Highest learning rate of the classifier."""
    weight_decay: float = 0.0
    """Weight decay (SimCLRv2 fine-tunes without); biases and norms are spared."""
    warmup: float = 0.1
    """Part of the steps of both stages during which the learning rate climbs; a cosine then takes it to zero."""
    precision: Precision = "auto"
    """auto: bfloat16 on a GPU, and on a CPU that computes in it where the encoder gains by it."""
    pixels_side: int = 224
    """Side of the decoded photos that are kept in the store for training."""
    seed: int = 0
    """Decides what is held out, order, views and random weights, alone: the same seed gives the same run."""
    device: Device = "auto"
    """Where to train."""

    def __post_init__(self) -> None:
        self.start_config()  # the settings that a training run has too obey the same rules
        require(self.labels != "", "--labels must name a column", '""', "name one, or use --labels folder")
        if self.run and self.weights:
            raise UsageError(
                f"--run and --weights exclude each other; received --run {self.run} and --weights {self.weights}: "
                "begin with one of them"
            )
        require(
            0 < self.label_fraction <= 1, "--label-fraction must be above 0, at most 1", self.label_fraction, "try 0.1"
        )
        require(0 <= self.held_out <= 0.5, "--held-out must lie in 0 to 0.5", self.held_out, "try 0.2")
        require(self.linear_epochs >= 0, "--linear-epochs must not be negative", self.linear_epochs, "try 50")
        require(
            self.classifier_temperature >= 0,
            "--classifier-temperature must not be negative",
            self.classifier_temperature,
            "try 0.2, or 0 for auto",
        )
        require(
            self.classifier_learning_rate > 0,
            "--classifier-learning-rate must be above 0",
            self.classifier_learning_rate,
            "try 1e-3",
        )

    def start_config(self) -> TrainConfig:
        """The settings of `lookalike train` that both have, with its defaults for all others: a start without a run."""
        names = {one.name for one in fields(TrainConfig)} & {one.name for one in fields(self)}
        return TrainConfig(**{name: getattr(self, name) for name in names}, keep_start=0.0)

    def to_json(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**asdict(self), "store": str(self.store)}
