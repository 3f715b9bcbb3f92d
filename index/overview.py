"""What a store holds, as values: the catalog's counts, and every version with the one in use. For the owner's page.

`index.status` says the same in lines for a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass

from catalog.errors import VersionError
from catalog.manifest import Manifest
from catalog.quarantine import read_quarantine
from catalog.store import Store
from index.versions import IndexVersion, current_id, read_version, version_folders


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionEntry:
    """A version there is."""

    id: str
    version: IndexVersion | None
    """What it says of itself; None where that cannot be read."""
    problem: str = ""
    """Why it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A store at one moment."""

    photos: int
    """Usable photos of the catalog, as last scanned."""
    products: int
    """Different products among them."""
    left_out: int
    """Files in the quarantine."""
    in_use: str
    """Id of the version in use; empty where there is none."""
    behind: bool
    """Whether the catalog was scanned with changes since the version in use was built."""
    versions: tuple[VersionEntry, ...]
    """Newest first."""


def overview(store: Store) -> Overview:
    """Read it.

    Raises:
        StoreError: the manifest cannot be read.
    """
    manifest = Manifest.read(store.manifest_file)
    versions = tuple(_entry(store, folder.name) for folder in reversed(version_folders(store)))
    try:
        in_use = current_id(store)
    except VersionError:
        in_use = ""
    built_from = {entry.version.manifest_fingerprint for entry in versions if entry.version and entry.id == in_use}
    return Overview(
        photos=len(manifest),
        products=manifest.product_count,
        left_out=len(read_quarantine(store.quarantine_file)),
        in_use=in_use,
        behind=bool(built_from) and manifest.fingerprint not in built_from,
        versions=versions,
    )


def _entry(store: Store, version_id: str) -> VersionEntry:
    try:
        return VersionEntry(id=version_id, version=read_version(store.versions_dir / version_id))
    except VersionError as error:
        return VersionEntry(id=version_id, version=None, problem=str(error))
