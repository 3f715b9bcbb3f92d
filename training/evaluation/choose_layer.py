"""The label-free check within a run: which projected layer is indexed, and whether training still helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from catalog.errors import TrainingError
from catalog.manifest import CatalogPhoto
from training.encoder import Encoder
from training.evaluation.bootstrap import Estimate
from training.evaluation.label_free import LabelFreeCheck, altered_copies, check_label_free, sample_by_content
from training.evaluation.photos import prepared_photos
from training.evaluation.subjects import FIRST, PROJECTION, embed_all, embed_copies, trained_layers
from training.preprocess import decode_size, preprocess
from training.spec import Layer

ASKED, SEARCHED = 200, 1000
"""Photos of which altered copies are asked for, and photos that are searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChoice:
    """The layer to index, and why."""

    layer: Layer
    recall: Mapping[str, Estimate]
    """How often altered copies found their original first, by each layer."""
    difference: Estimate
    """First head layer minus projection."""

    def to_json(self) -> dict[str, Any]:
        """As plain values, for the checkpoint's header."""
        return {
            "recall@1": {name: value.to_json() for name, value in self.recall.items()},
            "first_minus_projection": self.difference.to_json(),
        }


def choose_layer(encoder: Encoder, photos: Sequence[CatalogPhoto], device: torch.device) -> LayerChoice | None:
    """Compare the head's two layers by the label-free check.

    The projection, which is narrower, is indexed unless the first layer is measurably better.

    Returns:
        None where the head has one layer only, or there are fewer than 2 photos to ask for.
    """
    if not encoder.spec.hidden_dim:
        return None
    checks = _check_layers(encoder, photos, device)
    if checks is None:
        return None
    difference = checks[FIRST].better_than(checks[PROJECTION])
    return LayerChoice(
        layer="first" if difference.low > 0 else "projection",
        recall={name: checks[name].recall(1) for name in (FIRST, PROJECTION)},
        difference=difference,
    )


def label_free_score(encoder: Encoder, photos: Sequence[CatalogPhoto], device: torch.device) -> float:
    """How often altered copies of some photos find their original first by the projection, 0 to 1.

    Raises:
        TrainingError: fewer than 2 photos can be read.
    """
    checks = _check_layers(encoder, photos, device)
    if checks is None:
        raise TrainingError(
            "--patience needs at least 2 photos that can be read where they were scanned, to alter copies of them; "
            'received fewer: bring them back and go on by "lookalike train --resume"'
        )
    return checks[PROJECTION].recall(1).value


def _check_layers(
    encoder: Encoder, photos: Sequence[CatalogPhoto], device: torch.device
) -> dict[str, LabelFreeCheck] | None:
    """The label-free check of every layer of an encoder, on the same photos whenever it is made; None of too few."""
    spec = encoder.spec
    subjects = [trained_layers(encoder, device)]
    prepare = partial(preprocess, spec=spec)
    searched = sample_by_content(photos, SEARCHED)
    gallery, vectors = embed_all(prepared_photos(searched, prepare, decode_size(spec)), subjects)
    asked, copies = embed_copies(altered_copies(gallery[:ASKED], prepare), subjects)
    if len(asked) < 2:
        return None
    keys = [photo.sha256 for photo in gallery]
    return {name: check_label_free(asked, copies[name], vectors[name], keys) for name in copies}
