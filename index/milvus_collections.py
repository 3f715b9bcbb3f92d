"""The collections of a store's versions in Milvus: how they are named, which one is in use, and when one goes.

`milvus.json` in the store lists every collection that was begun, also one whose build was killed. One that no version
has is dropped by the first command that writes once GRACE_SECONDS have passed: until then a reader may be at it.
Versions that are kept for a rollback leave the server's memory in the same way.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from catalog import atomic
from catalog.errors import EngineError, StoreError, VersionError
from catalog.store import Store
from index.engines import read_engine
from index.milvus import WRITE_SECONDS, connect
from index.versions import IndexVersion, current_id, read_version, version_folders

GRACE_SECONDS = 3600.0
"""For how long a batch search may go on with a version that has been removed."""
FILE = "milvus.json"


@dataclass(frozen=True, slots=True)
class Begun:
    """A collection."""

    engine: str
    collection: str
    unused_since: float | None
    """When it was seen that no version has it, in seconds since 1970; None: one has."""


@dataclass(frozen=True, slots=True)
class Collections:
    """What milvus.json says.

    Attributes:
        alias: by which a server knows the collection in use, and with which the names of all begin.
        builds: how many were begun.
    """

    alias: str
    builds: int
    begun: Sequence[Begun]


def begin_collection(store: Store, engine: str, encoder_sha256: str) -> str:
    """A name for the collection of a new version, which no other has had."""
    known = _read(store)
    name = f"{known.alias}_{encoder_sha256[:12]}_{known.builds + 1}"
    begun = [*known.begun, Begun(engine, name, time.time())]
    _write(store, Collections(known.alias, known.builds + 1, begun))
    return name


def point_alias(store: Store, version: IndexVersion) -> None:
    """Let the store's alias on the server name a version's collection, if it has one.

    Raises:
        EngineError: the server does not answer.
    """
    if not version.collection:
        return
    server, alias = connect(read_engine(version.engine)), _read(store).alias
    try:
        server.call("alter_alias", version.collection, alias)
    except EngineError:  # there is none yet
        server.call("create_alias", version.collection, alias)


def release_idle(store: Store) -> None:
    """Let servers forget, until they are opened, collections of versions that have long been out of use."""
    try:
        in_use, since = current_id(store), store.current_file.stat().st_mtime
    except (VersionError, OSError):
        return
    if time.time() - since < GRACE_SECONDS:
        return  # the one before may still be searched
    for folder in version_folders(store):
        with suppress(VersionError, EngineError):
            version = read_version(folder)
            if version.collection and version.id != in_use:
                connect(read_engine(version.engine)).call("release_collection", version.collection)


def drop_unused(store: Store) -> None:
    """Drop collections that no version has had for long enough, where their servers answer."""
    if not (store.root / FILE).exists():
        return
    release_idle(store)
    known, now = _read(store), time.time()
    needed = set()
    for folder in version_folders(store):
        try:
            needed.add(read_version(folder).collection)
        except VersionError:  # which collection it needs is not known
            return
    begun = []
    for one in known.begun:
        if one.collection in needed:
            begun.append(replace(one, unused_since=None))
        elif one.unused_since is None or now - one.unused_since < GRACE_SECONDS or not _dropped(one):
            begun.append(replace(one, unused_since=one.unused_since or now))
    _write(store, replace(known, begun=begun))


def _dropped(one: Begun) -> bool:
    with suppress(EngineError):  # another time
        connect(read_engine(one.engine)).call("drop_collection", one.collection, seconds=WRITE_SECONDS)
        return True
    return False


def _read(store: Store) -> Collections:
    file = store.root / FILE
    if not file.exists():
        return Collections(f"lookalike_{uuid.uuid4().hex[:12]}", 0, [])
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Collections(content["alias"], int(content["builds"]), [Begun(**one) for one in content["begun"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{file} must list the store's collections in Milvus; it cannot be read ({error!r}): remove it, and drop "
            "by hand those that no version needs"
        ) from None


def _write(store: Store, collections: Collections) -> None:
    atomic.write_json(store.root / FILE, asdict(collections))
