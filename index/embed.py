"""`embed`: make the vectors of a catalog's photos without building an index; under torchrun in several processes.

    torchrun --nproc-per-node 2 -m -- index.embed --store STORE --run NAME

(Without the "--", torchrun would take --run for one of its own options.)

Each process embeds a slice of the photos that have no vector yet and leaves what it has made in part files
(index/parts.py). Rank 0, which holds the store's lock all the time, moves them into the encoder's cache: those of a run
that was killed before it plans, those of its own at the end. Why so: docs/decisions/0022.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog.arrow import numbers
from catalog.command_line import main
from catalog.errors import LookalikeError, Terminated
from catalog.manifest import CatalogPhoto, Manifest
from catalog.store import Store
from index.config import EmbedConfig
from index.embedder import embeds_on_gpu
from index.embedding import checked_embedder, embed_photos, open_cache, parts_folder, require_readable, require_room_for
from index.encoders import chosen_encoder, kept_encoder
from index.parts import PartWriter
from index.vectors import Blocks, Ids
from training.config import Device
from training.device import choose_device
from training.ranks import Ranks, torchrun_ranks
from training.say import Say

LOOKED_UP = 65_536
"""Photos that are looked up in the manifest together: each time Arrow joins the chunks of a large table anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedSummary:
    """What an embedding did; photos are counted once for each content."""

    embedded: int
    """Photos encoded now."""
    reused: int
    """Photos whose vectors were there already."""
    unreadable: int
    """Photos that are gone or damaged since the scan, and are left out."""
    processes: int
    rate: float
    """Photos embedded in a second, from when the encoder was ready until all processes were."""
    seconds: float
    next: str
    """The command that searches with the vectors."""

    @property
    def exit_code(self) -> int:
        """3 where photos had to be left out, else 0; under torchrun 0, for which every other code is a failed run."""
        return 3 if self.unreadable and self.processes == 1 else 0

    def __str__(self) -> str:
        lost = f', {self.unreadable} unreadable since the scan (run "lookalike scan")' if self.unreadable else ""
        processes = "1 process" if self.processes == 1 else f"{self.processes} processes"
        rate = f" ({self.rate:.1f} photos/s)" if self.embedded else ""
        return (
            f"{self.embedded} photos embedded, {self.reused} reused{lost}, by {processes} in {self.seconds:.1f} s"
            f'{rate}; run "{self.next}"'
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What all processes of an embedding know."""

    name: str
    """How the names of its parts begin. Nobody else's do, not those of a process that has outlived a killed run."""
    encoder: str
    """The SHA-256 of its checkpoint."""
    blocks: Blocks
    rows: Ids
    """Of the manifest: photos without a vector, distinct in content. Numbers, because a catalog may have millions."""
    cached: int
    """Vectors in the cache."""
    reused: int
    """Photos of the manifest, distinct in content, that have one of these."""


def embed(config: EmbedConfig, say: Say = print) -> EmbedSummary:
    """Embed what has no vector by an encoder yet. Under torchrun rank 0 alone returns, the others end.

    Args:
        say: takes a line if the process is told to stop.

    Raises:
        UsageError: no such run.
        StoreBusy: another process is writing to the store.
        LookalikeError: no photo can be read, the disk is full, or another of the processes has ended; what was embedded
            is kept.
        KeyboardInterrupt, Terminated: asked to stop; what was embedded is kept.
    """
    begun = time.monotonic()
    with torchrun_ranks(choose_device("gpu" if embeds_on_gpu(config.device) else "cpu")) as ranks, ExitStack() as lock:
        plan = ranks.from_first(_plan, config, lock)
        try:
            embedded, rate = _embed_slice(config.store, plan, ranks, config.part)
        except (KeyboardInterrupt, Terminated):
            say(
                f"process {ranks.index + 1} of {ranks.count} was told to stop: the same command goes on, also with "
                "another number of processes"
            )
            raise
        ranks.from_first(_join, config.store, plan, embedded)
    return EmbedSummary(
        embedded=embedded,
        reused=plan.reused,
        unreadable=len(plan.rows) - embedded,
        processes=ranks.count,
        rate=rate,
        seconds=time.monotonic() - begun,
        next="lookalike index"
        + (" --encoder imagenet" if config.encoder == "imagenet" else f" --run {config.run}" if config.run else ""),
    )


def _plan(config: EmbedConfig, lock: ExitStack) -> Plan:
    """Rank 0's beginning: the store locked, the encoder exported, old parts joined, what is missing found."""
    store = Store.open(config.store)
    lock.enter_context(store.writing("lookalike embed"))
    manifest = Manifest.read(store.manifest_file)
    encoder = chosen_encoder(store, config)
    blocks = checked_embedder(store, encoder, config.device).blocks
    cache = open_cache(store, encoder, blocks)
    keys = manifest.table["sha256"].to_pylist()
    rows = [row for row in manifest.first_rows if keys[row] not in cache.rows]
    require_room_for(len(rows), cache)
    return Plan(
        name=uuid.uuid4().hex,
        encoder=encoder.sha256,
        blocks=blocks,
        rows=np.array(rows, np.int64),
        cached=len(cache),
        reused=len(manifest.first_rows) - len(rows),
    )


def _embed_slice(root: Path, plan: Plan, ranks: Ranks, part: int) -> tuple[int, float]:
    """Embed this rank's slice into parts; how many photos all ranks have embedded then, and how many a second."""
    store = Store.open(root)
    encoder = kept_encoder(store, plan.encoder)
    rows = np.array_split(plan.rows, ranks.count)[ranks.index]
    photos = _photos(Path(store.read_catalog()["root"]), Manifest.read(store.manifest_file), rows)
    device: Device = "gpu" if ranks.device.type == "cuda" else "cpu"
    embedder = checked_embedder(store, encoder, device)
    begun = time.monotonic()
    with PartWriter(parts_folder(store, encoder), f"{plan.name}-{ranks.index:05d}", part) as writer:
        embedded = embed_photos(photos, embedder, writer, total=len(rows), shown=ranks.first)
    embedded = ranks.summed(embedded)
    return embedded, embedded / (time.monotonic() - begun)


def _photos(root: Path, manifest: Manifest, rows: Ids) -> Iterator[CatalogPhoto]:
    """The photos at some rows, looked up as they are needed."""
    table = manifest.table.select(["path", "sha256"])
    for begin in range(0, len(rows), LOOKED_UP):
        columns = table.take(numbers(rows[begin : begin + LOOKED_UP].tolist(), pa.int64())).to_pydict()
        for path, sha256 in zip(columns["path"], columns["sha256"], strict=True):
            yield CatalogPhoto(root=root, path=path, sha256=sha256)


def _join(root: Path, plan: Plan, embedded: int) -> None:
    """Rank 0's end: every vector that was made is in the cache."""
    store = Store.open(root)
    cache = open_cache(store, kept_encoder(store, plan.encoder), plan.blocks)
    found = len(cache) - plan.cached
    if found < embedded:
        raise LookalikeError(
            f"all vectors that were made must arrive in {root}; received {found} of {embedded}: start the same command "
            "again, on several machines with a --store that all of them share"
        )
    require_readable(plan.reused + embedded, plan.reused + len(plan.rows))


if __name__ == "__main__":
    from index.commands import COMMANDS

    sys.exit(main({"embed": COMMANDS["embed"]}, "python -m index.embed", sys.argv[1:]))
