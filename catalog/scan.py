"""Scan a catalog: from a folder of photos, or a table that names them, to the manifest and the quarantine."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalog import arrow, atomic
from catalog.config import ScanConfig
from catalog.errors import BadImage, LookalikeError, StoreError, UsageError
from catalog.files import find_photos
from catalog.image import decode_photo, read_photo
from catalog.image_ids import KnownPhoto, assign_image_ids
from catalog.known_files import FileStamp, KnownFiles, PhotoFacts, read_known_files, stamps_of, write_known_files
from catalog.manifest import OWN_COLUMNS, Manifest
from catalog.parallel import default_workers, map_in_order
from catalog.paths import catalog_photo_path, is_inside, path_to_text, shown, text_to_path
from catalog.progress import progress
from catalog.quarantine import LeftOut, write_quarantine
from catalog.store import Store
from catalog.table import TABLE_EXTENSIONS, read_table

_CHECK_FIT = 64
"""JPEGs are decoded at a reduced scale when they are only checked: every byte is read all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSummary:
    """What a scan found.

    Attributes:
        source: the folder or table that was scanned.
        store: where the manifest and the quarantine are.
        photos: rows of the manifest.
        products: different item_ids among them.
        quarantined: how many files were left out, by code.
        same_bytes: groups of paths whose files have the same content.
        other_files: files in the folder that do not have a photo's name.
        repeated_rows: rows of the table that name a product and photo named before; the first one counts.
        renumbered: the store's old manifest was damaged, so that every photo got a new image_id.
        opened: files that were new or had changed; the others were known from the last scan.
        seconds: how long it took.
    """

    source: Path
    store: Path
    photos: int
    products: int
    opened: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    same_bytes: tuple[tuple[str, ...], ...] = ()
    other_files: int = 0
    repeated_rows: int = 0
    renumbered: bool = False
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """3 when some files were left out, else 0."""
        return 3 if self.quarantined else 0

    def __str__(self) -> str:
        photos, products = _counted(self.photos, "photo"), _counted(self.products, "product")
        lines = [f"{photos} of {products} from {self.source} in {self.seconds:.1f} s, into the store {self.store}"]
        if self.opened < self.photos:
            lines.append(f"{_counted(self.opened, 'file')} opened: the others have not changed since the last scan")
        if self.other_files:
            lines.append(
                f"{_counted(self.other_files, 'other file')} in the folder without a photo's name: passed over"
            )
        if self.repeated_rows:
            lines.append(
                f"{_counted(self.repeated_rows, 'row')} of the table repeated a product and photo: passed over"
            )
        if self.renumbered:
            lines.append("the old manifest.parquet could not be read: every photo got a new image_id")
        if self.same_bytes:
            groups = [" = ".join(shown(path) for path in group[:4]) for group in self.same_bytes[:3]]
            more = f"; and {len(self.same_bytes) - 3:,} more" if len(self.same_bytes) > 3 else ""
            count = _counted(len(self.same_bytes), "group")
            lines.append(f"{count} of files with the same bytes: {'; '.join(groups)}{more}")
        if self.quarantined:
            total = _counted(sum(self.quarantined.values()), "file")
            lines.append(f"{total} left out: {_by_code(self.quarantined)}; see {self.store / 'quarantine.csv'}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Source:
    """What is to be looked at: rows that each name a product and a photo.

    `rows` are positions in `columns` (the user's own columns), in step with `item_ids` and `paths`.
    """

    kind: str
    root: Path
    item_ids: list[str]
    paths: list[str]
    rows: list[int]
    columns: pa.Table | None
    left_out: list[LeftOut]
    other_files: int = 0
    repeated_rows: int = 0


def scan(config: ScanConfig) -> ScanSummary:
    """Find and open every photo of a catalog, and write what there is into the store.

    Everything is found out first and written at the end: an interruption leaves the store as it was. The manifest
    and the quarantine are written in full before either replaces the old one; catalog.json follows last, since it is
    what makes a folder a store (a first scan that dies before it leaves none), and since an old one beside a new
    manifest says nothing wrong: it names the same photos' folder, and the next free image_id is taken from both.

    Raises:
        UsageError: no such folder or table, a table that cannot be used, a photo outside the root, or a store that
            holds another catalog.
        StoreError: the store is of another format, or another process writes to it.
        LookalikeError: no photos, or none that can be opened; or a folder of the last scan may not be looked into.
    """
    store = Store.create(config.store)
    kind, root = _locate(config)
    _check_same_catalog(store, root, config)
    with store.writing("lookalike scan"):
        return _scan(store, config, kind, root)


def scan_again(store: Store, *, reopen: bool = False, accept_unreadable: bool = False) -> ScanSummary:
    """Scan a store's catalog as it was scanned the last time. To be called under the store's lock.

    Raises:
        UsageError, LookalikeError: see `scan`.
    """
    known = store.read_catalog()
    table_root = Path(known["root"]) if known["kind"] == "table" else None
    config = ScanConfig(
        catalog=Path(known["source"]),
        store=store.root,
        root=table_root,
        reopen=reopen,
        accept_unreadable=accept_unreadable,
    )
    kind, root = _locate(config)
    _check_same_catalog(store, root, config)
    return _scan(store, config, kind, root)


def _scan(store: Store, config: ScanConfig, kind: str, root: Path) -> ScanSummary:
    started, begun = time.monotonic(), time.time_ns()
    source = _list_table(config, root) if kind == "table" else _list_folder(root, store)
    if not source.paths and not source.left_out:
        raise LookalikeError(
            f"a catalog must hold photos; there are no photos in {config.catalog}: name a folder with JPEG, PNG, "
            "WebP, GIF, BMP, TIFF or AVIF files, or a table with their paths"
        )
    known_files = {} if config.reopen or config.moved else read_known_files(store.known_files_file)
    found = _open_all(source, known_files, config.workers or default_workers())
    facts, left_out = found.facts, found.left_out
    kept = [position for position, path in enumerate(source.paths) if path in facts]
    if not kept:
        raise _nothing_usable(config.catalog, left_out)
    known, next_image_id, renumbered = _known_photos(store)
    if not config.accept_unreadable:
        _refuse_hidden(root, {photo.path for _, photo in known} - facts.keys())
    manifest, next_image_id = _manifest(source, kept, facts, known, next_image_id)
    summary = ScanSummary(
        source=config.catalog,
        store=config.store,
        photos=len(manifest),
        products=manifest.product_count,
        quarantined=dict(Counter(row.code for row in left_out).most_common()),
        same_bytes=_same_bytes(facts),
        other_files=source.other_files,
        repeated_rows=source.repeated_rows,
        renumbered=renumbered,
        opened=found.opened,
        seconds=time.monotonic() - started,
    )
    with (
        atomic.replacing(store.quarantine_file) as quarantine_file,
        atomic.replacing(store.manifest_file) as manifest_file,
        atomic.replacing(store.known_files_file) as known_files_file,
    ):
        pq.write_table(manifest.table, manifest_file)
        write_quarantine(quarantine_file, left_out)
        write_known_files(known_files_file, found.stamps, facts, begun)
    store.write_catalog(
        {
            "source": os.path.abspath(config.catalog),
            "kind": source.kind,
            "root": str(root),
            "scanned": datetime.now(UTC).isoformat(timespec="seconds"),
            "photos": summary.photos,
            "products": summary.products,
            "quarantined": summary.quarantined,
            "next_image_id": next_image_id,
        }
    )
    return summary


def _locate(config: ScanConfig) -> tuple[str, Path]:
    """Whether the catalog is a "folder" or a "table", and the real path of its root."""
    catalog = config.catalog
    if catalog.is_dir():
        if config.root is not None and os.path.realpath(config.root) != os.path.realpath(catalog):
            raise UsageError(f"--root is for a table's paths; {catalog} is a folder: leave --root out")
        kind, root = "folder", catalog
    elif catalog.is_file() and catalog.suffix.lower() in TABLE_EXTENSIONS:
        kind, root = "table", config.root if config.root is not None else catalog.parent
        if not root.is_dir():
            raise UsageError(
                f"--root must be a folder; {root} is none: name the folder that the table's paths start in"
            )
    elif catalog.exists():
        raise UsageError(f"CATALOG must be a folder, or a table named .csv or .parquet; {catalog} is neither")
    else:
        raise UsageError(f"CATALOG must be a folder or a table; there is no {catalog}: check the path")
    real_root, real_store = os.path.realpath(root), os.path.realpath(config.store)
    if is_inside(real_root, real_store):
        raise UsageError(f"the photos must not lie in the store; {root} lies in {config.store}: name another --store")
    return kind, Path(real_root)


def _check_same_catalog(store: Store, root: Path, config: ScanConfig) -> None:
    """Refuse to replace one catalog by another: its runs and versions would be of photos that are not there."""
    if config.moved or not store.catalog_file.exists():
        return
    known = str(store.read_catalog().get("root", root))
    if known != str(root):
        raise UsageError(
            f"a store holds one catalog; {config.store} holds that of {known}, not of {root}: "
            "name another --store, or add --moved if these are the same photos in a new place"
        )


def _list_folder(root: Path, store: Store) -> _Source:
    """Every photo of a folder is a product of its own, named by its path."""
    found = find_photos(root, skip=store.root)
    paths = [path_to_text(path) for path in found.paths]
    rows = list(range(len(paths)))
    return _Source("folder", root, paths, paths, rows, None, found.left_out, other_files=found.other_files)


def _list_table(config: ScanConfig, root: Path) -> _Source:
    """The products and photos that a table names, in its order."""
    table = read_table(config.catalog)
    roots = (os.path.abspath(config.root or config.catalog.parent), str(root))
    cells = table["path"].to_pylist()
    items = table["item_id"].to_pylist() if "item_id" in table.column_names else [None] * len(cells)
    item_ids, paths, rows, left_out = [], [], [], []
    seen: set[tuple[str, str]] = set()
    for row, (cell, item) in enumerate(zip(cells, items, strict=True)):
        if not cell:
            left_out.append(LeftOut("", "missing", f"row {row + 1} of the table has no path"))
            continue
        path = _path_of_cell(cell, roots)
        if path is None:
            raise UsageError(
                f'every path of a table must lie in its root; row {row + 1} has "{shown(cell)}", which leads out of '
                f"{root}: correct it, or name the folder that holds all photos with --root"
            )
        key = (item or path, path)
        if key not in seen:
            seen.add(key)
            item_ids.append(key[0])
            paths.append(path)
            rows.append(row)
    repeated = len(cells) - len(rows) - len(left_out)
    columns = table.drop_columns([name for name in ("path", "item_id") if name in table.column_names])
    return _Source("table", root, item_ids, paths, rows, columns, left_out, repeated_rows=repeated)


def _path_of_cell(cell: str, roots: Sequence[str]) -> str | None:
    """The path in the manifest of what a table's cell names; None where it leads out of the root.

    A cell is a file's name as it is; where there is no such file, it may be a name as `path_to_text` writes it.

    Args:
        cell: a relative or absolute path.
        roots: the root's name as it was given and with its links resolved; absolute paths may start with either.
    """
    names = dict.fromkeys((cell, text_to_path(cell)))
    candidates = [(os.path.normpath(os.path.join(root, name)), root) for name in names for root in roots]
    inside = [(path, root) for path, root in candidates if is_inside(path, root)]
    if not inside:
        return None
    there = (candidate for candidate in inside if os.path.lexists(candidate[0]))
    path, root = inside[0] if len(names) == 1 else next(there, inside[0])
    return path_to_text(os.path.relpath(path, root))


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the files told: facts of the usable ones by path, in the source's order.

    `stamps` are those of all files that are there; `opened` says how many were looked into, usable or not.
    """

    facts: dict[str, PhotoFacts]
    stamps: dict[str, FileStamp]
    left_out: list[LeftOut]
    opened: int


def _open_all(source: _Source, known: KnownFiles, workers: int) -> _Opened:
    """Open every file that is not known as it is, once."""
    paths = list(dict.fromkeys(source.paths))
    stamps = stamps_of(source.root, paths)
    facts = {path: known[path][1] for path in paths if path in known and known[path][0] == stamps.get(path)}
    to_open = [path for path in paths if path not in facts]
    left_out = list(source.left_out)

    def look(path: str) -> PhotoFacts | LeftOut:
        try:
            data = read_photo(catalog_photo_path(source.root, path))
            photo = decode_photo(data, fit=_CHECK_FIT)
        except BadImage as error:
            return LeftOut(path, error.code, error.reason)
        return PhotoFacts(hashlib.sha256(data).hexdigest(), photo.width, photo.height)

    looked: Iterator[PhotoFacts | LeftOut] = map_in_order(look, to_open, workers=workers)
    for path, found in zip(to_open, progress(looked, total=len(to_open), description="scan"), strict=True):
        if isinstance(found, LeftOut):
            left_out.append(found)
        else:
            facts[path] = found
    in_order = {path: facts[path] for path in paths if path in facts}
    return _Opened(facts=in_order, stamps=stamps, left_out=left_out, opened=len(to_open))


def _known_photos(store: Store) -> tuple[list[tuple[int, KnownPhoto]], int, bool]:
    """The last scan's photos and their ids, the next free id, and whether the old manifest was lost."""
    next_id = int(store.read_catalog().get("next_image_id", 0)) if store.catalog_file.exists() else 0
    if not store.manifest_file.exists():
        return [], next_id, next_id > 0
    try:
        table = Manifest.read(store.manifest_file).table
    except StoreError:  # a new scan is the remedy, so it must not fail for the same reason
        return [], next_id, True
    ids, *identities = (table[name].to_pylist() for name in ("image_id", "item_id", "path", "sha256"))
    return list(zip(ids, map(KnownPhoto, *identities), strict=True)), next_id, False


def _manifest(
    source: _Source,
    kept: Sequence[int],
    facts: Mapping[str, PhotoFacts],
    known: Sequence[tuple[int, KnownPhoto]],
    next_id: int,
) -> tuple[Manifest, int]:
    """The manifest of the kept rows, and the next free image_id."""
    photos = [
        KnownPhoto(source.item_ids[position], source.paths[position], facts[source.paths[position]].sha256)
        for position in kept
    ]
    ids, next_id = assign_image_ids(photos, known, next_id)
    values: dict[str, list[Any]] = {
        "image_id": ids,
        "item_id": [photo.item_id for photo in photos],
        "path": [photo.path for photo in photos],
        "sha256": [photo.sha256 for photo in photos],
        "width": [facts[photo.path].width for photo in photos],
        "height": [facts[photo.path].height for photo in photos],
    }
    table = arrow.columns(values, OWN_COLUMNS)
    if source.columns is not None:
        own = source.columns.take(arrow.numbers([source.rows[position] for position in kept], pa.int64()))
        for name in own.column_names:
            table = table.append_column(own.schema.field(name), own[name])
    return Manifest(table.sort_by("image_id").combine_chunks()), next_id


def _same_bytes(facts: Mapping[str, PhotoFacts]) -> tuple[tuple[str, ...], ...]:
    """Groups of two and more files with the same content."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path, found in facts.items():
        groups[found.sha256].append(path)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _refuse_hidden(root: Path, lost: Set[str]) -> None:
    """Refuse to take photos for deleted that nobody can see: their folder is there, and cannot be listed.

    Args:
        lost: photos of the last scan that this one has not.

    Raises:
        LookalikeError: naming the folder.
    """
    count_by_folder = Counter(Path(root, text_to_path(path)).parent for path in lost)
    for folder, count in count_by_folder.items():
        try:
            os.scandir(folder).close()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise LookalikeError(
                f"every folder of the last scan must be readable; {shown(path_to_text(str(folder)))} is not "
                f"({error.strerror}), and {_counted(count, 'photo')} of the catalog lie in it: change its permissions, "
                "or take them out of the catalog by --accept-unreadable"
            ) from None


def _nothing_usable(catalog: Path, left_out: Sequence[LeftOut]) -> LookalikeError:
    """None of the photos can be used; the quarantine is not written, so the reasons are here."""
    counts = Counter(row.code for row in left_out)
    code = counts.most_common(1)[0][0]
    example = next(row for row in left_out if row.code == code)
    return LookalikeError(
        f"a catalog must hold at least one usable photo; none of the {len(left_out):,} in {catalog} is "
        f'({_by_code(counts)}; "{shown(example.path)}": {example.reason}): repair them or name another folder'
    )


def _by_code(counts: Mapping[str, int]) -> str:
    """Such as "8 truncated, 4 unsupported-format", the most frequent first."""
    return ", ".join(
        f"{count:,} {code}" for code, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    )


def _counted(count: int, noun: str) -> str:
    """Such as "1 photo" or "3,068 photos"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
