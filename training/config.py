"""Settings of a training run and its presets. Imports no torch, so that `lookalike --help` is quick."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from catalog.errors import UsageError
from catalog.store import DEFAULT_STORE

Device = Literal["auto", "cpu", "gpu"]
"""Where to compute; "auto" takes a GPU where there is one."""
Precision = Literal["auto", "float32", "bfloat16"]
"""Of the network's arithmetic in training; weights, loss and optimiser are float32 always."""


def require(condition: bool, rule: str, received: object, remedy: str) -> None:
    """Raise a one-line UsageError unless a rule about a setting holds."""
    if not condition:
        raise UsageError(f"{rule}; received {received}: {remedy}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """How two views are made of one photo (SimCLR, appendix A, with gentler defaults for a pretrained start)."""

    size: int = 128
    """Side of a view, in pixels."""
    min_area: float = 0.25
    """Smallest part of the photo's area that a view shows."""
    flip: float = 0.5
    """Probability of mirroring left and right."""
    jitter: float = 0.8
    """Probability of changing the colours at all."""
    brightness: float = 0.4
    """Brightness is multiplied by 1 ± this."""
    contrast: float = 0.4
    """Contrast is multiplied by 1 ± this."""
    saturation: float = 0.3
    """Saturation is multiplied by 1 ± this."""
    hue: float = 0.02
    """Hue is turned by ± this part of the colour circle (0.5 is all of it)."""
    grey: float = 0.1
    """Probability of losing all colour."""
    blur: float = 0.5
    """Probability of a Gaussian blur."""
    blur_sigma: float = 2.0
    """Largest standard deviation of the blur, in pixels of a view of 224, in proportion for others; smallest 0.1."""

    def __post_init__(self) -> None:
        require(self.size >= 8, "views.size must be at least 8 pixels", self.size, "choose 32 to 256")
        require(0 < self.min_area <= 1, "views.min_area must be above 0, at most 1", self.min_area, "try 0.25")
        for name in ("flip", "jitter", "grey", "blur"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"views.{name} is a probability, 0 to 1", value, "choose one in that range")
        for name in ("brightness", "contrast", "saturation"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"views.{name} must lie in 0 to 1", value, "choose one in that range")
        require(self.blur_sigma >= 0.1, "views.blur_sigma must be at least 0.1", self.blur_sigma, "try 2")
        require(0 <= self.hue <= 0.5, "views.hue must lie in 0 to 0.5", self.hue, "choose one in that range")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Settings of one training run."""

    preset: str = "balanced"
    """Named settings to begin with: fast, balanced, best (for a GPU), colour-exact (the same design in another colour
    is another product) or same-design (it is the same one); any other option then changes a single one of them."""
    store: Path = DEFAULT_STORE
    """The store whose photos to train on."""
    name: str = ""
    """The run's name; empty: the next free number."""
    resume: bool = False
    """Go on with the run of that name (default: the newest), which was interrupted."""
    encoder: str = "efficientnet_lite0"
    """Backbone: efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, resnet10_narrow, resnet18, resnet34,
    resnet50, mobilenet_v3_small, mobilenet_v3_large, or timm:NAME for any image encoder of timm."""
    weights: str = "imagenet"
    """Where to start: "imagenet", "none" (random), or a file of weights (.safetensors, or .pt read as weights only)."""
    epochs: int = 0
    """Times that every photo is seen, in two views each; 0: as often as --views-shown allows, 1 to 40 times."""
    views_shown: int = 36_000
    """Views that a run with --epochs 0 shows in all."""
    batch_size: int = 128
    """Photos in a batch, of all processes together (each repels all others); shrinks for small catalogs."""
    chunk_size: int = 0
    """Photos that go through a process's network at once; the batch's loss stays whole (GradCache). 0: all of them.
    Live batch norms then take their statistics from these photos alone, not from the batch."""
    balance: str = ""
    """A column of the table: photos are drawn so that each of its values is seen equally often, as far as no photo
    comes twice in a batch; empty: each photo once an epoch."""
    image_size: int = 192
    """Side of the input when embedding and searching, in pixels."""
    centre_crop: float = 1.0
    """Part of the photo's short side that is looked at when embedding and searching."""
    views: ViewConfig = field(default_factory=ViewConfig)
    """How views are made."""
    pooling: Literal["auto", "avg", "gem"] = "auto"
    """How the backbone's feature map becomes one vector: avg (mean), gem (generalised mean, which favours strong
    activations), auto: gem if pretrained and the encoder allows it."""
    head: Literal["auto", "linear", "mlp"] = "auto"
    """Projection head: linear (begun as a PCA of the start's features), mlp (random), auto: linear if pretrained."""
    pca_power: float = 0.0
    """Scale of a linear head's components at the start: 0 plain, above 0 favours what varies most in the catalog
    (kinds of products), below 0 favours details."""
    projection_dim: int = 512
    """Width of the projection, the vector that is indexed; at most the width of the backbone's features."""
    temperature: float = 0.1
    """Temperature of NT-Xent."""
    keep_start: float = 2.0
    """Weight of the term that keeps the pretrained start's similarities; 0 leaves it out, as does a random start."""
    keep_neighbours: int = 20
    """What that term keeps of a photo is smoothed over so many photos nearest to it, at most one in 150 of the catalog:
    kinds of products come together; 0 keeps each photo's own."""
    freeze: float = 0.45
    """Part of a pretrained backbone's stages, from the input on, that stays as it is: training is a third quicker."""
    freeze_norms: Literal["auto", "yes", "no"] = "auto"
    """Keep batch norms as the start has them; auto: yes where the start is pretrained."""
    optimizer: Literal["adam", "adamw", "sgd", "lars"] = "adamw"
    """adam, adamw (decoupled weight decay), sgd (Nesterov momentum) or lars (large batches from a random start)."""
    momentum: float = 0.9
    """Of sgd and lars."""
    learning_rate: float = 3e-4
    """Highest learning rate of the backbone."""
    head_learning_rate: float = 3e-4
    """Highest learning rate of the projection head."""
    rate_scaling: Literal["none", "linear", "sqrt"] = "none"
    """How both learning rates grow with the batch of B photos: none, linear (x B / 256) or sqrt (x root of B)."""
    clip_norm: float = 0.0
    """Gradients longer than this are shortened to it; 0: as they are."""
    precision: Precision = "auto"
    """auto: bfloat16 on a GPU, and on a CPU that computes in it where the encoder gains by it."""
    compile: bool = False
    """Compile the network (torch.compile): pays on a GPU, for long runs; needs a C++ compiler."""
    weight_decay: float = 1e-6
    """Weight decay (SimCLR, 2.2); biases and norms are spared."""
    warmup: float = 0.1
    """Part of all steps during which the learning rate climbs; a cosine then takes it to zero."""
    knn_column: str = ""
    """A column of labels: how often a photo's nearest others share its label is logged; never trained on."""
    knn_every: int = 5
    """Epochs between two such probes; the last epoch has one too."""
    patience: int = 0
    """Stop when altered copies of the photos have not found their originals better for so many epochs, and keep the
    best epoch's encoder; 0: run to the end."""
    workers: int = 0
    """Threads that make views ahead of the network; 0 makes them in its turn. The result is the same to the bit."""
    pixels_side: int = 224
    """Side of the decoded photos that are kept in the store for training."""
    seed: int = 0
    """Decides order, views and random weights, alone: the same seed gives the same run."""
    device: Device = "auto"
    """Where to train."""

    def __post_init__(self) -> None:
        require(self.epochs >= 0, "--epochs must not be negative", self.epochs, "choose 1 or more, or 0 for auto")
        require(self.views_shown >= 1, "--views-shown must be at least 1", self.views_shown, "try 36000")
        require(self.batch_size >= 2, "--batch-size must be at least 2", self.batch_size, "choose 64 to 512")
        require(self.temperature > 0, "--temperature must be above 0", self.temperature, "try 0.1")
        require(self.projection_dim >= 2, "--projection-dim must be at least 2", self.projection_dim, "try 256")
        require(-1 <= self.pca_power <= 1, "--pca-power must lie in -1 to 1", self.pca_power, "try 0 or 0.5")
        require(self.keep_start >= 0, "--keep-start must not be negative", self.keep_start, "0 leaves the term out")
        require(
            self.keep_neighbours >= 0,
            "--keep-neighbours must not be negative",
            self.keep_neighbours,
            "0 smooths nothing",
        )
        require(0 <= self.freeze < 1, "--freeze must lie in 0 to below 1", self.freeze, "0 trains all stages")
        require(self.chunk_size >= 0, "--chunk-size must not be negative", self.chunk_size, "0 takes the batch whole")
        require(0 <= self.momentum < 1, "--momentum must lie in 0 to below 1", self.momentum, "try 0.9")
        require(self.clip_norm >= 0, "--clip-norm must not be negative", self.clip_norm, "0 leaves gradients alone")
        require(self.knn_every >= 1, "--knn-every must be at least 1", self.knn_every, "try 5")
        require(self.patience >= 0, "--patience must not be negative", self.patience, "0 runs to the end")
        require(0 <= self.workers <= 64, "--workers must lie in 0 to 64", self.workers, "try 2")
        require(self.learning_rate > 0, "--learning-rate must be above 0", self.learning_rate, "try 3e-4")
        require(
            self.head_learning_rate > 0, "--head-learning-rate must be above 0", self.head_learning_rate, "try 3e-4"
        )
        require(self.weight_decay >= 0, "--weight-decay must not be negative", self.weight_decay, "try 1e-6")
        require(0 <= self.warmup < 1, "--warmup must lie in 0 to below 1", self.warmup, "try 0.1")
        require(0 < self.centre_crop <= 1, "--centre-crop must be above 0, at most 1", self.centre_crop, "try 0.875")
        require(16 <= self.image_size <= 1024, "--image-size must lie in 16 to 1024", self.image_size, "try 224")
        require(16 <= self.pixels_side <= 1024, "--pixels-side must lie in 16 to 1024", self.pixels_side, "try 224")
        require(
            self.name == "" or (self.name.isascii() and self.name.replace("-", "").replace("_", "").isalnum()),
            "--name takes letters, digits, - and _",
            repr(self.name),
            "choose such a name",
        )

    def to_json(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**asdict(self), "store": str(self.store)}


PRESETS: dict[str, TrainConfig] = {
    "fast": TrainConfig(preset="fast", views_shown=8_000),
    "balanced": TrainConfig(),
    "best": TrainConfig(
        preset="best", views_shown=400_000, batch_size=512, views=ViewConfig(size=192), image_size=256, pixels_side=288
    ),
    "colour-exact": TrainConfig(preset="colour-exact", views=ViewConfig(saturation=0.0, hue=0.0, grey=0.0)),
    "same-design": TrainConfig(preset="same-design", views=ViewConfig(saturation=0.8, hue=0.5, grey=0.5)),
}
"""What `--preset` names."""
