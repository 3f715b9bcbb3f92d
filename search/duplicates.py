"""`lookalike duplicates`: groups of identical and near-identical photos of the version in use.

Identical photos have the same SHA-256. Near-identical ones are looked for among each photo's nearest in the index, and
confirmed on the pixels of both files (catalog/same_picture.py): a photo that merely looks alike is no duplicate.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from catalog.align import SIDE, Thumbnail
from catalog.errors import BadImage
from catalog.image import decode_photo, read_photo
from catalog.parallel import default_workers, map_in_order
from catalog.paths import catalog_photo_path
from catalog.same_picture import Comparison, compare
from index.colour_weights import SAME_DESIGN
from index.groups import Groups
from index.loading import LoadedVersion
from index.search_index import SearchIndex
from index.vectors import Ids
from search.duplicate_groups import Group, Pair, group_pairs
from search.duplicates_config import DuplicatesConfig
from search.duplicates_report import DuplicateGroup, DuplicatesSummary, Member, relation, write_groups, write_sheet
from search.nearest_photos import Weighed, nearest_others
from search.rows import check_output
from search.service import SearchService
from search.snapshot import Snapshot

OPENED = 512
"""Photos whose small pictures are kept in memory, some 0.5 MB each."""
TIE = 1e-6
"""By how much the similarity of two photos may differ by which of them asked."""


@dataclass(frozen=True, eq=False)
class Contents:
    """The different pictures of a version, by content; each may be that of several photos.

    Attributes:
        groups: the positions of each content, numbered 0 … C-1 in order of first appearance.
        positions: int64 (C,), a position whose file is there; -1 where none is.
        gone: positions whose files are not there.
    """

    groups: Groups
    positions: Ids
    gone: frozenset[int]

    @classmethod
    def of(cls, loaded: LoadedVersion) -> Contents:
        """Of a version, each file looked for once."""
        groups = Groups.of_equal(loaded.items.table["sha256"])
        root, paths = Path(loaded.version.root), loaded.items.table["path"].to_pylist()
        gone = frozenset(position for position, path in enumerate(paths) if not _is_there(root, path))
        positions = np.full(len(groups), -1, np.int64)
        for position in range(len(paths) - 1, -1, -1):
            if position not in gone:
                positions[groups.codes[position]] = position
        return cls(groups, positions, gone)

    @property
    def codes(self) -> Ids:
        """The content of each position, int64 (N,)."""
        return self.groups.codes

    def members(self, content: int) -> list[int]:
        """Positions of a content whose files are there."""
        return [position for position in self.groups.members(content).tolist() if position not in self.gone]


class Comparer:
    """Compares pictures of a catalog by their contents' codes. Safe to use from several threads.

    Attributes:
        unreadable: contents whose files could not be read, or have changed since the scan.
    """

    def __init__(self, loaded: LoadedVersion, contents: Contents) -> None:
        self._loaded, self._contents = loaded, contents
        self.unreadable: set[int] = set()
        self._opened = lru_cache(OPENED)(self._open)

    def __call__(self, pair: Pair) -> Comparison | None:
        """What two pictures have in common; None where they are not the same picture."""
        one, other = (self._opened(content) for content in pair)
        found = None if one is None or other is None else compare(one, other)
        return found if found is not None and found.same else None

    def _open(self, content: int) -> Thumbnail | None:
        item = self._loaded.items.item(int(self._contents.positions[content]))
        try:
            data = read_photo(catalog_photo_path(Path(self._loaded.version.root), item.path))
            if hashlib.sha256(data).hexdigest() == item.sha256:
                return Thumbnail.of(decode_photo(data, fit=SIDE).image)
        except BadImage:
            pass
        self.unreadable.add(content)
        return None


def find_duplicates(config: DuplicatesConfig) -> DuplicatesSummary:
    """Find the groups, write them, say how many there are.

    Raises:
        UsageError: an output that cannot be written.
        StoreError, VersionError: there is nothing to look through.
    """
    begun = time.monotonic()
    check_output(config.output)
    check_output("" if config.sheet is None else str(config.sheet), ".png", "--sheet")
    snapshot = SearchService.open(config.store, device=config.device).pin()
    loaded = snapshot.loaded
    weighed = partial(snapshot.weighed, colour=SAME_DESIGN)
    contents = Contents.of(loaded)
    comparer = Comparer(loaded, contents)
    compared, same = 0, {}
    candidates = candidate_pairs(loaded.index, weighed, contents, config.k, config.least_similarity)
    for pair, found in map_in_order(lambda pair: (pair, comparer(pair)), candidates, workers=default_workers()):
        compared += 1
        if found is not None:
            same[pair] = found
    near = group_pairs(same, lambda content: _rank(loaded, int(contents.positions[content])), comparer)
    groups = sorted(
        _described(near, contents, comparer.unreadable, snapshot), key=lambda group: group.members[0].item.image_id
    )
    write_groups(config.output, groups, loaded.items)
    return DuplicatesSummary(
        groups=tuple(groups),
        photos=len(loaded.items),
        compared=compared,
        gone=len(contents.gone) + sum(len(contents.members(content)) for content in comparer.unreadable),
        version=loaded.version.id,
        printed=config.output == "",
        on_sheet=write_sheet(config.sheet, groups, Path(loaded.version.root)) if config.sheet is not None else 0,
        seconds=time.monotonic() - begun,
    )


def candidate_pairs(index: SearchIndex, weighed: Weighed, contents: Contents, k: int, least: float) -> Iterator[Pair]:
    """Pairs of contents of which one is among the k nearest of the other, each once, as they are found.

    Args:
        weighed: see `nearest_others`.
        least: pairs of a lower similarity are left out.
    """
    asked = contents.positions[contents.positions >= 0]
    farthest = np.full(len(contents.positions), -np.inf, np.float32)
    for others in nearest_others(index, weighed, contents.codes, asked, k, description="looking for duplicates"):
        own = int(contents.codes[others.position])
        if len(others.similarities) == k:
            farthest[own] = others.similarities[-1]
        for position, similarity in zip(others.positions.tolist(), others.similarities.tolist(), strict=True):
            other = int(contents.codes[position])
            if similarity < least or contents.positions[other] < 0:
                continue
            if own < other or similarity < farthest[other] + TIE:  # else the other one has named this pair already
                yield min(own, other), max(own, other)


def _is_there(root: Path, path: str) -> bool:
    try:
        return catalog_photo_path(root, path).is_file()
    except BadImage:
        return False


def _rank(loaded: LoadedVersion, position: int) -> tuple[int, int]:
    """The largest picture stands for its group, of equal ones the one that has been there longest."""
    item = loaded.items.item(position)
    return -item.width * item.height, position


def _described(
    near: list[Group[Comparison]], contents: Contents, unreadable: set[int], snapshot: Snapshot
) -> Iterator[DuplicateGroup]:
    """The groups with their photos: near-identical pictures, and pictures that lie there more than once."""
    in_group = {content for group in near for content in (group.first, *group.others)} | unreadable
    several = np.flatnonzero(np.bincount(contents.codes) > 1).tolist()
    alone: list[Group[Comparison]] = [Group(content, {}) for content in several if content not in in_group]
    for group in (*near, *alone):
        members = _members(group, contents, snapshot)
        if len(members) > 1:
            yield DuplicateGroup(members=tuple(members))


def _members(group: Group[Comparison], contents: Contents, snapshot: Snapshot) -> list[Member]:
    """The photos of a group, the first one first; a file that several products share comes once."""
    relations = {group.first: "identical", **{content: relation(found) for content, found in group.others.items()}}
    first = int(contents.positions[group.first])
    loaded = snapshot.loaded
    query = snapshot.weighed(loaded.index.vector(first)[None], SAME_DESIGN)[0]
    members: dict[str, Member] = {}
    for content, words in relations.items():
        for position in contents.members(content):
            item = loaded.items.item(position)
            similarity = float(np.clip(query @ loaded.index.vector(position), -1, 1))
            told = "first" if position == first else words
            members.setdefault(item.path, Member(item=item, similarity=similarity, relation=told))
    return list(members.values())
