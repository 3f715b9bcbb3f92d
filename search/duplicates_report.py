"""What `lookalike duplicates` found, and how it is told: a table, and pictures on a contact sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import BadImage
from catalog.image import decode_photo, read_photo
from catalog.manifest import CatalogItem, Manifest
from catalog.paths import catalog_photo_path, shown
from catalog.same_picture import Comparison
from search.rows import write_rows

GROUP_COLUMNS = ("group", "kind", "relation", "item_id", "image_id", "path", "similarity", "width", "height")
"""What every row begins with; the catalog's own columns follow."""
CROPPED = 0.97
"""A smaller part of the view than this is called a crop."""
PRINTED, ON_SHEET, IN_ROW = 10, 50, 7
"""Most groups that are printed, that are drawn, and photos beside a group's first that are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A photo of a group."""

    item: CatalogItem
    similarity: float
    """Inner product of its vector and the first photo's, in [-1, 1]."""
    relation: str
    """What it is to the group's first photo, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateGroup:
    """Photos that show one picture, the largest first; each was held against that one."""

    members: tuple[Member, ...]

    @property
    def kind(self) -> str:
        """ "identical" where all files have the same bytes, else "near-identical"."""
        return "identical" if len({member.item.sha256 for member in self.members}) == 1 else "near-identical"


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatesSummary:
    """What a look for duplicates found."""

    groups: tuple[DuplicateGroup, ...]
    photos: int
    """Photos of the version that was looked through."""
    compared: int
    """Pairs that were compared pixel by pixel."""
    gone: int
    """Photos that are not there any more, or not as they were scanned, and were left out."""
    version: str
    printed: bool
    """Whether the first groups are part of the text."""
    on_sheet: int
    """Groups drawn on the contact sheet."""
    seconds: float

    @property
    def exit_code(self) -> int:
        """3 where photos had to be left out, else 0."""
        return 3 if self.gone else 0

    def __str__(self) -> str:
        identical = sum(group.kind == "identical" for group in self.groups)
        members = sum(len(group.members) for group in self.groups)
        several = sum(len({member.item.item_id for member in group.members}) > 1 for group in self.groups)
        lines = list(self._printed_groups()) if self.printed else []
        lines.append(
            f"{len(self.groups)} groups of {members} photos: {identical} identical, "
            f"{len(self.groups) - identical} near-identical; {several} join different products"
        )
        lines.append(
            f"version {self.version}: {self.photos:,} photos, {self.compared:,} pairs compared by their pixels, "
            f"in {self.seconds:.1f} s"
        )
        if self.on_sheet and self.on_sheet < len(self.groups):
            lines.append(f"the sheet shows the first {self.on_sheet} groups")
        if self.gone:
            lines.append(f'{self.gone} photos are gone or have changed and were left out: run "lookalike sync"')
        return "\n".join(lines)

    def _printed_groups(self) -> Iterator[str]:
        for number, group in enumerate(self.groups[:PRINTED], start=1):
            yield f"{number:5d}  {group.kind}"
            for member in group.members:
                yield f"       {member.similarity:.3f}  {shown(member.item.path)}  ({member.relation})"
        if len(self.groups) > PRINTED:
            yield f"       … and {len(self.groups) - PRINTED} more: --output FILE.csv writes all"


def relation(found: Comparison) -> str:
    """In words, what a photo is to another that shows the same picture."""
    facts = {"mirrored": found.mirrored, "cropped": found.overlap < CROPPED, "watermarked": found.marked}
    return ", ".join(name for name, holds in facts.items() if holds) or "same view"


def write_groups(output: str, groups: Sequence[DuplicateGroup], items: Manifest) -> None:
    """Write one row per photo, group after group.

    Args:
        output: a CSV file's name, "-" for stdout, "" for nowhere.
    """
    own = {name: f"catalog_{name}" if name in GROUP_COLUMNS else name for name in items.user_columns}
    write_rows(output, [*GROUP_COLUMNS, *own.values()], _rows(groups, own))


def _rows(groups: Sequence[DuplicateGroup], own: dict[str, str]) -> Iterator[dict[str, Any]]:
    for number, group in enumerate(groups, start=1):
        for member in group.members:
            item = member.item
            yield {
                "group": number,
                "kind": group.kind,
                "relation": member.relation,
                "item_id": item.item_id,
                "image_id": item.image_id,
                "path": item.path,
                "similarity": round(member.similarity, 6),
                "width": item.width,
                "height": item.height,
                **{written: item.columns[name] for name, written in own.items()},
            }


def write_sheet(path: Path, groups: Sequence[DuplicateGroup], root: Path) -> int:
    """Draw the first groups; returns how many. Where there are none, no file is written."""
    from training.evaluation.contact_sheet import ContactRow, Tile, draw_contact_sheet  # imports matplotlib

    def tile(member: Member) -> Iterator[Tile]:
        with suppress(BadImage):  # it went away just now
            image = decode_photo(read_photo(catalog_photo_path(root, member.item.path)), fit=200).image
            yield Tile(image=image, caption=f"{member.item.title}\n{member.similarity:.3f}  {member.relation}")

    rows = []
    for group in groups[:ON_SHEET]:
        tiles = [drawn for member in group.members[: 1 + IN_ROW] for drawn in tile(member)]
        if len(tiles) > 1:
            rows.append(ContactRow(query=tiles[0], nearest=tuple(tiles[1:])))
    if rows:
        draw_contact_sheet(rows, path, headings=("first photo", "the same picture"))
    return len(rows)
