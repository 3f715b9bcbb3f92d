"""`index`: embed what is not embedded yet, build the index, publish it as a new version."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import VersionError
from catalog.manifest import Manifest
from catalog.store import Store
from index.config import IndexChoice, IndexConfig
from index.embedding import embed_catalog
from index.encoders import EncoderFiles, chosen_encoder, held_encoder
from index.engines import FAISS, read_engine
from index.fit_verdicts import verdicts_for
from index.gate import FEWEST, measure_quality, refuse_if_worse
from index.milvus import check_engine
from index.milvus_collections import drop_unused
from index.publish import publish
from index.versions import IndexVersion, current_id, prune, read_version
from training.checkpoint import read_header


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSummary:
    """What a build did."""

    version: IndexVersion
    embedded: int
    """Photos encoded now."""
    reused: int
    """Photos whose vectors were there already."""
    unreadable: int
    """Photos of the manifest that are gone or damaged since the scan, and are left out."""
    removed: tuple[str, ...]
    """Old versions that were removed."""
    verdict: str
    """What the check of the encoder found; empty where it is the one that was in use."""
    replaced: bool
    """Whether another encoder was in use before."""
    seconds: float

    @property
    def exit_code(self) -> int:
        """3 where photos had to be left out, else 0."""
        return 3 if self.unreadable else 0

    def __str__(self) -> str:
        lost = f', {self.unreadable} unreadable since the scan (run "lookalike scan")' if self.unreadable else ""
        return (
            f"version {self.version.id} in use: {self.version.photos} photos of {self.version.products} products by "
            f"{self.version.encoder_name}; {self.embedded} embedded, {self.reused} reused{lost}, "
            f"in {self.seconds:.1f} s"
            + (f"\nencoder: {self.verdict}" if self.verdict else "")
            + ('\nhow the answers have changed: "lookalike compare"' if self.replaced else "")
        )


def build_version(config: IndexConfig) -> IndexSummary:
    """Embed, build and publish.

    Raises:
        UsageError: no such run.
        EngineError: the server that is to hold the vectors does not answer; nothing was begun.
        WorseEncoder: the encoder is measurably worse than the one in use, which stays; `force` overrides.
        PromiseError: the index finds less than promised; the version in use stays.
        LookalikeError: no photo can be read, or the disk is full; the version in use stays.
    """
    begun = time.monotonic()
    store = Store.open(config.store)
    with store.writing("lookalike index"):
        in_use = _version_in_use(store)
        engine = read_engine(config.engine or (in_use.engine if in_use else FAISS))
        check_engine(engine)
        manifest = Manifest.read(store.manifest_file)
        encoder = chosen_encoder(store, config)
        catalog = embed_catalog(store, manifest, encoder, config.device)
        quality, verdict = _measured(store, manifest, encoder, in_use, config)
        verdicts = verdicts_for(catalog, Path(store.read_catalog()["root"]), encoder, in_use)
        choice = IndexChoice(kind=config.kind, recall=config.recall, engine=str(engine))
        version = publish(store, catalog.items, catalog.embeddings, encoder, quality, verdicts, choice)
        removed = prune(store, config.keep)
        drop_unused(store)
    return IndexSummary(
        version=version,
        embedded=catalog.embedded,
        reused=catalog.reused,
        unreadable=catalog.unreadable,
        removed=tuple(removed),
        verdict=verdict,
        replaced=in_use is not None and in_use.encoder_sha256 != encoder.sha256,
        seconds=time.monotonic() - begun,
    )


def _measured(
    store: Store, manifest: Manifest, encoder: EncoderFiles, version: IndexVersion | None, config: IndexConfig
) -> tuple[Mapping[str, Any], str]:
    """What is recorded of the encoder's quality, and what people are told; refuses one that is measurably worse.

    Args:
        version: the one in use, if there is one.
    """
    if version is not None and version.encoder_sha256 == encoder.sha256:
        return version.quality, ""
    in_use = None
    with suppress(VersionError):  # a damaged encoder protects nothing: a new version is what mends the store
        in_use = None if version is None else (held_encoder(store, version), version.encoder_name)
    quality = measure_quality(store, manifest, encoder, in_use, config.device)
    header = read_header(encoder.checkpoint)
    layer = {"indexed": header.spec.layer, **header.config.get("layer_choice", {})}
    if quality is None:
        return {"layer": layer}, f"not checked: that takes at least {FEWEST} photos that can be read"
    if version is not None and in_use is not None and not config.force:
        run = f"--run {shlex.quote(config.run or header.name)}"
        again = "--encoder imagenet" if config.encoder == "imagenet" else run
        refuse_if_worse(quality, header.name, version, again)
    return {**quality.to_json(), "layer": layer}, quality.warning or quality.verdict


def _version_in_use(store: Store) -> IndexVersion | None:
    """What the version in use says of itself; None where there is none, or none that can be read."""
    try:
        return read_version(store.versions_dir / current_id(store))
    except VersionError:
        return None
