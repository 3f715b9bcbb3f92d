"""The gate: an encoder that is measurably worse than the one in use is not put into use.

Both are asked to find altered copies of catalog photos (training/evaluation/label_free.py), on the catalog as it is
now and without labels. Only an interval of the paired difference wholly below `TOLERANCE` refuses; no measurable
difference publishes. Where nothing is in use yet, the untrained start is what a new encoder is held against, and the
answer is a warning, never a refusal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalog import atomic
from catalog.errors import WorseEncoder
from catalog.manifest import CatalogPhoto, Manifest
from catalog.progress import progress
from catalog.store import Store
from index.batches import batches
from index.blocks import projected
from index.embedder import Embedder
from index.embedding import embed_missing, open_vectors, read_vectors
from index.encoders import EncoderFiles, start_encoder_files
from index.labelled_gate import LabelGain, label_gain
from index.versions import IndexVersion
from training.checkpoint import read_header
from training.config import Device
from training.evaluation.alterations import ALTERATIONS
from training.evaluation.bootstrap import Estimate
from training.evaluation.label_free import LabelFreeCheck, altered_copies, check_label_free, sample_by_content

TOLERANCE = -0.01
"""A difference in recall@1 whose whole interval lies below this is a refusal."""
ASKED = 300
"""Photos of which altered copies are asked for; of each, one copy for each family of alterations."""
SEARCHED = 2000
"""Photos that are searched."""
FEWEST = 8
"""With fewer photos nothing is measured."""
CHECK_FILE = "label_free.json"
BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What the gate found of a new version's encoder."""

    check: LabelFreeCheck
    """The new encoder's."""
    against: str
    """Name of the encoder it was held against; empty where there was none."""
    other: LabelFreeCheck | None = None
    """That one's."""
    difference: Estimate | None = None
    """New minus other, recall@1."""
    first_version: bool = False
    """Whether nothing was in use, so that it was held against its untrained start."""
    gain: LabelGain | None = None
    """Of an encoder fine-tuned on labels: how much better it tells them apart than the other."""

    @property
    def worse(self) -> bool:
        """Whether it is measurably worse; one that is proven better at the labels it was taught is not."""
        if self.gain is not None and self.gain.proven:
            return False
        return self.difference is not None and self.difference.wholly_below(TOLERANCE)

    @property
    def verdict(self) -> str:
        """In words, with the figures."""
        mine = f"altered copies find their original first {self.check.recall(1)}"
        if self.difference is None or self.other is None:
            return mine
        figures = f"{mine}; {self.against}: {self.other.recall(1)}; difference {self.difference}"
        if self.gain is not None:
            figures = f"{self.gain}; {figures}"
            if self.gain.proven:
                return f"better at its labels than {self.against}: {figures}"
        if self.difference.low > 0:
            return f"better than {self.against}: {figures}"
        if self.worse:
            return f"measurably worse than {self.against}: {figures}"
        return f"no measurable loss against {self.against}: {figures}"

    @property
    def warning(self) -> str:
        """What `status` says where the untrained start would have been better; else empty."""
        if not (self.first_version and self.worse):
            return ""
        return f'the untrained start finds originals better: "lookalike index --encoder imagenet" ({self.verdict})'

    def to_json(self) -> dict[str, Any]:
        """As it stands in version.json."""
        return {
            "label_free": self.check.figures(),
            "against": self.against,
            "difference": None if self.difference is None else self.difference.to_json(),
            "labels": None if self.gain is None else self.gain.to_json(),
            "verdict": self.verdict,
            "warning": self.warning,
        }


def measure_quality(
    store: Store,
    manifest: Manifest,
    encoder: EncoderFiles,
    in_use: tuple[EncoderFiles, str] | None,
    device: Device,
) -> Quality | None:
    """Hold a new encoder against the one in use, or against its untrained start where nothing is in use.

    The new encoder's vectors of the catalog are in its cache already. What the other lacks is embedded now; checks are
    kept beside the vectors, so that the same encoder on the same photos is checked once.

    Args:
        in_use: the encoder in use and its name.

    Returns:
        None where there are too few photos to tell.
    """
    root = Path(store.read_catalog()["root"])
    searched = sample_by_content(manifest.distinct_photos(root), SEARCHED)
    if len(searched) < FEWEST:
        return None
    header = read_header(encoder.checkpoint)
    check = _check(store, encoder, searched, device)
    if check is None:
        return None
    if in_use is not None:
        other_files, name = in_use
    elif header.name == "imagenet":
        return Quality(check=check, against="", first_version=True)
    else:
        other_files, name = start_encoder_files(store, header.spec), "its untrained start"
    other = _check(store, other_files, searched, device)
    if other is None:
        return Quality(check=check, against="")
    return Quality(
        check=check,
        against=name,
        other=other,
        difference=check.better_than(other),
        first_version=in_use is None,
        gain=label_gain(store, manifest, encoder, other_files, device),
    )


def refuse_if_worse(quality: Quality, name: str, in_use: IndexVersion, again: str) -> None:
    """Refuse a measurably worse encoder.

    Args:
        again: the options by which the same encoder is chosen again.

    Raises:
        WorseEncoder: naming the figures.
    """
    if quality.worse:
        raise WorseEncoder(
            f"an encoder must not be measurably worse than the one in use (difference wholly below {TOLERANCE}); "
            f"{name} is {quality.verdict}; version {in_use.id} stays in use: train again, "
            f'or publish it all the same by "lookalike index {again} --force"'
        )


def _check(
    store: Store, encoder: EncoderFiles, searched: Sequence[CatalogPhoto], device: Device
) -> LabelFreeCheck | None:
    """An encoder's check on these photos: kept from before, or made now."""
    fingerprint = hashlib.sha256("".join(photo.sha256 for photo in searched).encode()).hexdigest()
    folder = store.embeddings_dir / encoder.sha256
    kept = _kept(folder / CHECK_FILE, fingerprint)
    if kept is not None:
        return kept
    embedder, cache = open_vectors(store, encoder, device)
    embed_missing(searched, embedder, cache)
    there = [photo for photo in searched if photo.sha256 in cache.rows]
    contents, copies = _embed_copies(there[:ASKED], embedder)
    if len(contents) < FEWEST:
        return None
    keys = [photo.sha256 for photo in there]
    originals = projected(read_vectors(cache, keys, embedder.dimension), embedder.blocks)
    check = check_label_free(contents, copies, originals, keys)
    content = {"photos": fingerprint, "alterations": ALTERATIONS, "check": check.to_json()}
    atomic.write_bytes(folder / CHECK_FILE, json.dumps(content).encode())
    return check


def _kept(file: Path, fingerprint: str) -> LabelFreeCheck | None:
    try:
        content: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if (content["photos"], content["alterations"]) != (fingerprint, ALTERATIONS):
            return None
        return LabelFreeCheck.from_json(content["check"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # there is none, or none that can be read: it is made anew


def _embed_copies(photos: Sequence[CatalogPhoto], embedder: Embedder) -> tuple[list[str], Any]:
    """The contents of the photos that can be read, and their altered copies' projected embeddings, photo by photo."""
    made = altered_copies(photos, embedder.preprocess)
    contents, vectors = [], []
    shown = progress(made, total=len(photos), description="checking the encoder")
    for group in batches(shown, BATCH // 4):
        contents += [photo.sha256 for photo, _ in group]
        vectors.append(embedder.encode([pixels for _, copies in group for pixels in copies]))
    return contents, np.concatenate(vectors) if vectors else np.zeros((0, embedder.spec.embedding_dim), np.float32)
