"""`EncoderSpec`: everything needed to rebuild an encoder and to feed it. Imports no torch: searching reads it too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from catalog.errors import UsageError

Layer = Literal["backbone", "first", "projection"]
"""Which output is indexed: the backbone's features h, the first head layer, or the projection z."""

Pooling = Literal["avg", "gem"]
"""How a backbone's feature map becomes one vector: the mean, or the generalised mean of power 3 (arXiv 1711.02512)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSpec:
    """How to rebuild an encoder and what to feed it.

    Raises:
        UsageError: a value that no encoder can have.
    """

    backbone: str
    """Name in `training.backbones`, such as "efficientnet_lite0"."""
    feature_dim: int
    """Width of the backbone's pooled features h."""
    image_size: int
    """Side of the square input, in pixels."""
    centre_crop: float = 0.875
    """Side of the centred square that is looked at, as a fraction of the photo's short side."""
    mean: tuple[float, float, float]
    """Subtracted from the 0 … 255 values, per channel."""
    std: tuple[float, float, float]
    """What the difference is divided by, per channel."""
    pooling: Pooling = "avg"
    """How the feature map is pooled into h."""
    small_stem: bool = False
    """3x3 stem without max-pooling, for images of at most 64 px (SimCLR, appendix B.9)."""
    folded_norms: bool = False
    """The backbone's batch norms are folded into its convolutions (training/folding.py)."""
    hidden_dim: int = 0
    """Width of the head's first layer; 0 for a linear head."""
    projection_dim: int = 0
    """Width of the projection z; 0 where there is no head."""
    layer: Layer = "projection"
    """The output that is indexed."""

    def __post_init__(self) -> None:
        if self.image_size < 8:
            raise UsageError(f"image_size must be at least 8 pixels; received {self.image_size}: choose 32 to 512")
        if not 0.0 < self.centre_crop <= 1.0:
            raise UsageError(f"centre_crop must be above 0 and at most 1; received {self.centre_crop}")
        if self.embedding_dim < 1:
            raise UsageError(f'an encoder without a head has no layer "{self.layer}": use "backbone"')

    @property
    def embedding_dim(self) -> int:
        """Width of the indexed layer's output."""
        widths = {"backbone": self.feature_dim, "first": self.hidden_dim, "projection": self.projection_dim}
        return widths[self.layer]

    def to_json(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> EncoderSpec:
        """From the plain values of `to_json`."""
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})
