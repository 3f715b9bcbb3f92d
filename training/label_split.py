"""Which labelled photos fine-tuning learns from, and which it is measured on.

Stratified: each label's photos are divided by themselves. Photos of one product, and products that share a photo,
stay on one side, or the measure would be of recognising the product again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from catalog.errors import UsageError
from catalog.manifest import Manifest
from training.evaluation.ranking import Keys
from training.photos import labels_of
from training.random_streams import generator

Places = npt.NDArray[np.int64]

HOLD_OUT, FRACTION = 0x484F_4C44, 0x4652_4143
"""First words of the draws' names (docs/decisions/0006)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSplit:
    """The photos of a fine-tuning: N to learn from, M to measure on."""

    train: Places
    """Which of the run's photos are learned from, ascending, (N,)."""
    train_labels: Keys
    """Their labels, strings, (N,): every label that is held out is among them."""
    held_out: Places
    """Which are measured on, ascending, (M,)."""
    held_out_labels: Keys
    """Their labels, (M,)."""
    unlabelled: int
    """Photos left out because they have no label."""


def split_fingerprint(split: LabelSplit, contents: Sequence[str]) -> str:
    """SHA-256 over which photos are learned from and held out, and their labels.

    Args:
        contents: SHA-256 of the photos that were divided, in their order.
    """
    digest = hashlib.sha256()
    for places, labels in ((split.train, split.train_labels), (split.held_out, split.held_out_labels)):
        for place, label in zip(places.tolist(), labels.tolist(), strict=True):
            digest.update(f"{contents[place]}\0{label}\0".encode())
        digest.update(b"\1")
    return digest.hexdigest()


def split_photos(
    manifest: Manifest, rows: Places, column: str, *, held_out: float, label_fraction: float, seed: int
) -> LabelSplit:
    """Divide a run's labelled photos.

    Args:
        rows: of the run's photos in the manifest.
        column: of the manifest, or "folder"; where it is null, NaN or blank, a photo has no label.
        held_out: part of each label's photos, 0 to 0.5; above 0 at least one of each label that can spare it.
        label_fraction: part of each label's other photos that may be learned from, at least one. A smaller fraction
            takes a part of what a larger one takes; what is held out does not depend on it.
        seed: decides the draws.

    Raises:
        UsageError: no such column, fewer than 2 labels, or no label that can spare a photo.
    """
    values = labels_of(manifest, column, "--labels", rows.tolist())
    labelled = np.array([place for place, value in enumerate(values) if value is not None], np.int64)
    labels = np.array([str(values[place]) for place in labelled])
    names = np.unique(labels)
    if len(names) < 2:
        raise UsageError(
            f'--labels must name a column with at least 2 different labels; "{column}" has {len(names)} in '
            f"{len(labelled)} labelled photos: choose another column"
        )
    groups = product_groups(manifest, rows[labelled])
    held = _draw_held_out(labels, groups, held_out, seed)
    if held_out and not held.any():
        raise UsageError(
            f'--held-out needs a label that at least 2 products share; "{column}" has {len(names)} labels in '
            f"{len(labelled)} photos and none: choose another column, or --held-out 0"
        )
    learned = _draw_fraction(labels, ~held, label_fraction, seed)
    return LabelSplit(
        train=labelled[learned],
        train_labels=labels[learned],
        held_out=labelled[held],
        held_out_labels=labels[held],
        unlabelled=len(values) - len(labelled),
    )


def product_groups(manifest: Manifest, rows: Places) -> Places:
    """A number for each of some rows of a manifest, the same for photos that must stay together, (len(rows),).

    These are the photos of one product, and of products linked by photos that they share.
    """
    items = np.unique(manifest.table["item_id"].to_pylist(), return_inverse=True)[1]
    contents = np.unique(manifest.table["sha256"].to_pylist(), return_inverse=True)[1] + len(items)
    links = coo_matrix((np.ones(len(items)), (items, contents)), shape=(2 * len(items), 2 * len(items)))
    return connected_components(links, directed=False)[1][items[rows]].astype(np.int64)  # type: ignore[no-any-return]


def _draw_held_out(labels: Keys, groups: Places, part: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which photos are held out: whole groups, in random order, as many as fit into each label's part."""
    held = np.zeros(len(labels), np.bool_)
    if not part:
        return held
    members: dict[int, list[int]] = {}
    for place, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(place)
    of_label: dict[str, list[list[int]]] = {}
    for places in members.values():
        of_label.setdefault(_commonest([labels[place] for place in places]), []).append(places)
    for number, label in enumerate(sorted(of_label)):
        choices = of_label[label]
        if len(choices) < 2:
            continue
        choices = [choices[row] for row in generator(seed, HOLD_OUT, number).permutation(len(choices))]
        wanted = max(1, round(part * sum(map(len, choices))))
        taken = 0
        for places in choices:
            if taken + len(places) <= wanted:
                held[places] = True
                taken += len(places)
        if not taken:  # every product has more photos than are wanted: the smallest one is nearest
            held[min(choices, key=len)] = True
    learned = Counter(labels[~held].tolist())
    for places in members.values():  # a product of several labels may have taken the last photo of one with it
        if held[places].any() and not all(learned[labels[place]] for place in places):
            held[places] = False
            learned.update(labels[places].tolist())
    return held


def _commonest(values: Sequence[str]) -> str:
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value))


def _draw_fraction(labels: Keys, allowed: npt.NDArray[np.bool_], fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which of the allowed photos are learned from: a part of each label's, at least one."""
    learned = np.zeros(len(labels), np.bool_)
    places = np.flatnonzero(allowed)
    places = places[np.argsort(labels[places], kind="stable")]
    starts = np.unique(labels[places], return_index=True)[1]
    for number, own in enumerate(np.split(places, starts[1:])):
        count = max(1, round(fraction * len(own)))
        learned[generator(seed, FRACTION, number).permutation(own)[:count]] = True
    return learned
