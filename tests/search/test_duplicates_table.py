"""The table of duplicates, read back as it was written."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from catalog.manifest import OWN_COLUMNS, CatalogItem, Manifest
from search.duplicates_report import DuplicateGroup, Member, write_groups
from search.duplicates_table import FoundMember, read_groups


def group(*names: str, sha256: str) -> DuplicateGroup:
    members = [
        Member(
            item=CatalogItem(
                image_id=100 + place,
                item_id=f'{name}, "one"\nand more',
                path=f"{name}.jpg",
                sha256=sha256 or name,
                width=30,
                height=20,
                columns={},
            ),
            similarity=0.75,
            relation="cropped" if place else "first",
        )
        for place, name in enumerate(names)
    ]
    return DuplicateGroup(members=tuple(members))


def test_groups_come_back_as_they_were_written(tmp_path: Path) -> None:
    groups = [group("a", "b", sha256="same"), group("c", "d", "e", sha256=""), group("f", "g", sha256="same")]
    table = tmp_path / "groups.csv"
    nothing = Manifest(pa.table({name: pa.array([], kind) for name, kind in OWN_COLUMNS.items()}))
    write_groups(str(table), groups, nothing)
    found = read_groups(table, offset=0, limit=10)
    assert found.total == 3 and [one.kind for one in found.groups] == ["identical", "near-identical", "identical"]
    assert found.groups[1].members[1] == FoundMember(
        image_id=101,
        item_id='d, "one"\nand more',
        path="d.jpg",
        relation="cropped",
        similarity=0.75,
        width=30,
        height=20,
    )
    middle = read_groups(table, offset=1, limit=1)
    assert middle.total == 3 and middle.groups == found.groups[1:2]
    assert read_groups(table, offset=3, limit=1).groups == ()
