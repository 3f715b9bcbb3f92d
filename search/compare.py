"""`lookalike compare`: how much the answers have changed since an earlier version, such as after a new encoder.

Products of both versions are asked for in each, by the vectors that it holds; what counts is which other products come
first, among the first five and among the first ten.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.errors import BadImage
from catalog.image import decode_photo, read_photo
from catalog.manifest import CatalogItem
from catalog.paths import catalog_photo_path
from catalog.progress import progress
from catalog.store import Store
from index.loading import load_current, load_version
from index.versions import rollback_target
from search.compare_config import CompareConfig
from search.neighbours import NearestOthers
from search.rows import check_output, write_rows
from search.snapshot import Snapshot

DEPTHS = (1, 5, 10)
"""Neighbours that are looked at."""
BATCH = 256
PICTURED, IN_ROW = 8, 6
"""Products on the sheet, and neighbours of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One product's neighbours in two versions, nearest first, at most ten each.

    Attributes:
        item: its first photo, in the version in use.
        before, now: items of the neighbours.
    """

    item: CatalogItem
    before: tuple[CatalogItem, ...]
    now: tuple[CatalogItem, ...]

    def changed(self, depth: int) -> bool:
        """Whether the first so many neighbours are others than before, whatever their order."""
        return _ids(self.before[:depth]) != _ids(self.now[:depth])

    @property
    def kept(self) -> int:
        """How many of the neighbours before are among those now."""
        return len(_ids(self.before) & _ids(self.now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a comparison found."""

    before: str
    now: str
    """Ids of the two versions."""
    changes: tuple[Change, ...]
    """One for each product asked for."""
    seconds: float

    def part_changed(self, depth: int) -> float:
        """The part of the products that have other neighbours among the first so many, in [0, 1]."""
        return float(np.mean([change.changed(depth) for change in self.changes]))

    def __str__(self) -> str:
        first, five, ten = (f"{self.part_changed(depth):.0%}" for depth in DEPTHS)
        kept = float(np.mean([change.kept for change in self.changes]))
        return (
            f"from version {self.before} to {self.now}, {len(self.changes):,} products: another nearest neighbour for "
            f"{first}, others among the first five for {five}, among the first ten for {ten}; of ten neighbours "
            f"{kept:.1f} stayed, in {self.seconds:.1f} s"
        )


def compare(config: CompareConfig) -> Comparison:
    """Compare the answers of the version in use with those of an earlier one.

    Raises:
        UsageError: there is no earlier version, none of that id, no product that both have, or an output cannot be
            written.
        StoreError, VersionError: there is no version, or one of them is refused.
    """
    begun = time.monotonic()
    check_output(config.output)
    check_output("" if config.sheet is None else str(config.sheet), ".png", "--sheet")
    store = Store.open(config.store)
    earlier = rollback_target(store, config.before)
    before = Snapshot(load_version(store.versions_dir / earlier, config.device))
    now = Snapshot(load_current(store, config.device))
    asked = [item_id for item_id in now.product_of if item_id in before.product_of]
    asked = [asked[place] for place in np.unique(np.linspace(0, len(asked) - 1, config.products).astype(int))]
    neighbours = [list(_neighbours(snapshot, asked, label)) for snapshot, label in ((before, "before"), (now, "now"))]
    changes = tuple(
        Change(item=_first_photo(now, item_id), before=old, now=new)
        for item_id, old, new in zip(asked, *neighbours, strict=True)
    )
    write_rows(config.output, ("item_id", "path", "kept_of_ten", "first_before", "first_now"), map(_row, changes))
    if config.sheet is not None:
        _draw(config.sheet, changes, Path(before.loaded.version.root), Path(now.loaded.version.root))
    return Comparison(before=earlier, now=now.loaded.version.id, changes=changes, seconds=time.monotonic() - begun)


def _ids(items: Sequence[CatalogItem]) -> set[str]:
    return {item.item_id for item in items}


def _first_photo(snapshot: Snapshot, item_id: str) -> CatalogItem:
    members = snapshot.products.members(snapshot.product_of[item_id])
    return snapshot.loaded.items.item(int(members[0]))


def _neighbours(snapshot: Snapshot, item_ids: Sequence[str], label: str) -> Iterator[tuple[CatalogItem, ...]]:
    """The ten nearest other products of each product in a version."""
    nearest = NearestOthers(snapshot, k=DEPTHS[-1], product_by="best", duplicate_similarity=2.0)
    products = np.array([snapshot.product_of[item_id] for item_id in item_ids], np.int64)
    batches = range(0, len(products), BATCH)
    for begin in progress(batches, total=len(batches), description=f"searching {label}", unit="batches"):
        for places in nearest.of(products[begin : begin + BATCH]):
            yield tuple(snapshot.loaded.items.item(place.position) for place in places)


def _row(change: Change) -> dict[str, str | int]:
    first = [neighbours[0].item_id if neighbours else "" for neighbours in (change.before, change.now)]
    return {
        "item_id": change.item.item_id,
        "path": change.item.path,
        "kept_of_ten": change.kept,
        "first_before": first[0],
        "first_now": first[1],
    }


def _draw(path: Path, changes: Sequence[Change], root_before: Path, root_now: Path) -> None:
    """Draw the products that kept the fewest neighbours: before, and now; green frames for those that stayed."""
    from training.evaluation.contact_sheet import ContactRow, Tile, draw_contact_sheet  # imports matplotlib

    def tile(item: CatalogItem, root: Path, caption: str, stays: bool | None = None) -> Iterator[Tile]:
        try:
            image = decode_photo(read_photo(catalog_photo_path(root, item.path)), fit=200).image
        except BadImage:  # it is gone since that version
            return
        yield Tile(image=image, caption=caption, right=True if stays else None)

    rows = []
    for change in sorted(changes, key=lambda one: one.kept)[:PICTURED]:
        both = _ids(change.before) & _ids(change.now)
        for label, neighbours, root in (("before", change.before, root_before), ("now", change.now, root_now)):
            own = list(tile(change.item, root_now, f"{change.item.title}\n{label}, {change.kept} of ten stayed"))
            others = [
                drawn for item in neighbours[:IN_ROW] for drawn in tile(item, root, item.title, item.item_id in both)
            ]
            if own and others:
                rows.append(ContactRow(query=own[0], nearest=tuple(others)))
    if rows:
        draw_contact_sheet(rows, path)
