"""The table that `lookalike duplicates --output FILE.csv` leaves, read back group by group."""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

from catalog.csv_text import as_it_was


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMember:
    """A photo of a group."""

    image_id: int
    item_id: str
    path: str
    """Relative to the catalog's root."""
    relation: str
    """What it is to the group's first photo, in words."""
    similarity: float
    """Inner product of its vector and the first photo's, in [-1, 1]."""
    width: int
    height: int
    """In pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundGroup:
    """Photos that show one picture."""

    kind: str
    """ "identical" or "near-identical"."""
    members: tuple[FoundMember, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsPage:
    """Some of the groups, and how many there are."""

    total: int = 0
    groups: tuple[FoundGroup, ...] = ()


def read_groups(file: Path, *, offset: int, limit: int) -> GroupsPage:
    """So many groups of the table, from the given one on."""
    total, groups = 0, []
    with file.open(encoding="utf-8", newline="") as stream:
        for _, rows in itertools.groupby(csv.DictReader(stream), key=lambda row: row["group"]):
            members = list(rows)
            if offset <= total < offset + limit:
                groups.append(FoundGroup(kind=members[0]["kind"], members=tuple(map(_member, members))))
            total += 1
    return GroupsPage(total=total, groups=tuple(groups))


def _member(row: dict[str, str]) -> FoundMember:
    return FoundMember(
        image_id=int(row["image_id"]),
        item_id=as_it_was(row["item_id"]),
        path=as_it_was(row["path"]),
        relation=row["relation"],
        similarity=float(row["similarity"]),
        width=int(row["width"]),
        height=int(row["height"]),
    )
