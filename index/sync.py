"""`sync`: look at the catalog again, embed what is new with the encoder in use, and publish what is there now."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from catalog.manifest import Manifest
from catalog.scan import ScanSummary, scan_again
from catalog.store import Store
from index.changes import CatalogChanges, changes_between
from index.config import IndexChoice, SyncConfig
from index.embedding import embed_catalog
from index.encoders import held_encoder
from index.engines import read_engine
from index.fit_verdicts import verdicts_for
from index.loading import check_files
from index.milvus import check_engine
from index.milvus_collections import drop_unused
from index.publish import publish
from index.versions import ITEMS_FILE, IndexVersion, current_id, prune, read_version


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSummary:
    """What a sync did."""

    scanned: ScanSummary
    changes: CatalogChanges
    """Since the version that was in use."""
    version: IndexVersion
    """The version in use now."""
    published: bool
    """Whether it is a new one."""
    embedded: int
    """Photos encoded now."""
    unreadable: int
    """Photos that vanished or were damaged while this ran, and are left out."""
    seconds: float

    @property
    def exit_code(self) -> int:
        """3 where files had to be left out, else 0."""
        return 3 if self.unreadable else self.scanned.exit_code

    def __str__(self) -> str:
        lines = [str(self.scanned)]
        lost = f", {self.unreadable} unreadable since the scan" if self.unreadable else ""
        if self.published:
            lines.append(
                f"version {self.version.id} in use: {self.changes}; {self.embedded} embedded{lost}, "
                f"{self.version.photos} photos of {self.version.products} products, in {self.seconds:.1f} s"
            )
        else:
            lines.append(f"nothing has changed{lost}: version {self.version.id} stays in use, {self.seconds:.1f} s")
        return "\n".join(lines)


def sync(config: SyncConfig) -> SyncSummary:
    """Take in photos and table columns that were added, changed, deleted, renamed or moved since the version in use.

    The encoder stays the one in use, so nothing is embedded again but new content. What is compared is the version in
    use and the catalog as it is now: a sync that was interrupted is made up for by the next one.

    Raises:
        VersionError: there is no version in use, or it is damaged.
        EngineError: the server that holds its vectors does not answer, or has them no more; nothing was begun.
        PromiseError: the index finds less than promised; the version in use stays.
        LookalikeError: the catalog is gone, or the disk is full; the version in use stays.
    """
    begun = time.monotonic()
    store = Store.open(config.store)
    with store.writing("lookalike sync"):
        version = read_version(store.versions_dir / current_id(store))
        folder = store.versions_dir / version.id
        check_files(folder, version, (ITEMS_FILE,))
        check_engine(read_engine(version.engine), version.collection)
        encoder = held_encoder(store, version)
        scanned = scan_again(store, reopen=config.reopen, accept_unreadable=config.accept_unreadable)
        catalog = embed_catalog(store, Manifest.read(store.manifest_file), encoder, config.device)
        changes = changes_between(Manifest.read(folder / ITEMS_FILE), catalog.items)
        published = (
            bool(changes)
            or version.root != store.read_catalog()["root"]
            or version.blocks != catalog.embeddings.blocks  # made by a release with another colour descriptor
        )
        if published:
            verdicts = verdicts_for(catalog, Path(store.read_catalog()["root"]), encoder, version)
            choice = IndexChoice(kind=version.asked_kind, recall=version.promised_recall, engine=version.engine)
            version = publish(store, catalog.items, catalog.embeddings, encoder, version.quality, verdicts, choice)
        prune(store, config.keep)  # of a sync that was interrupted before it came to this, too
        drop_unused(store)
    return SyncSummary(
        scanned=scanned,
        changes=changes,
        version=version,
        published=published,
        embedded=catalog.embedded,
        unreadable=catalog.unreadable,
        seconds=time.monotonic() - begun,
    )
