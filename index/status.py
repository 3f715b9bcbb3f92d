"""What a store holds and which version is in use; going back to an earlier one; removing old ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.errors import DeviceError, VersionError
from catalog.manifest import Manifest
from catalog.quarantine import read_quarantine
from catalog.store import Store
from index.config import PruneConfig, RollbackConfig, StoreConfig
from index.gpu_mirror import gpu_count
from index.loading import load_version
from index.milvus_collections import drop_unused, point_alias
from index.versions import IndexVersion, current_id, point_to, prune, read_version, rollback_targets, version_folders
from training.runs import all_runs


@dataclass(frozen=True, slots=True)
class Report:
    """Lines for people."""

    lines: tuple[str, ...]
    exit_code: int = 0

    def __str__(self) -> str:
        return "\n".join(self.lines)


def status(config: StoreConfig) -> Report:
    """The catalog, the runs, the version in use and the device; exit code 1 where that version cannot be read.

    Raises:
        StoreError: there is no store.
        DeviceError: "gpu" was asked for and there is none.
    """
    store = Store.open(config.store)
    catalog = store.read_catalog()
    manifest = Manifest.read(store.manifest_file)
    runs = all_runs(store)
    finished = [run.name for run in runs if run.finished]
    resumable = [run.name for run in runs if run.resumable]
    exit_code = 0
    try:
        version = _in_use(store, manifest)
    except VersionError as error:
        version, exit_code = str(error), int(store.current_file.exists())  # none yet is no fault
    lines = [
        f"catalog    {catalog['root']}: {len(manifest)} photos of {manifest.product_count} products, "
        f"{len(read_quarantine(store.quarantine_file))} files left out",
        f"runs       {', '.join(finished) or 'none finished'}"
        + (f"; to be resumed: {', '.join(resumable)}" if resumable else ""),
        f"device     {_device(config)}",
        f"version    {version}",
    ]
    return Report(tuple(lines), exit_code)


def _device(config: StoreConfig) -> str:
    gpus = gpu_count()
    if config.device == "gpu" and not gpus:
        raise DeviceError("--device gpu needs a GPU that FAISS can use; none was found: use --device cpu or auto")
    return f"gpu ({gpus} found)" if gpus and config.device != "cpu" else f"cpu ({gpus} GPUs found)"


def _in_use(store: Store, manifest: Manifest) -> str:
    version = read_version(store.versions_dir / current_id(store))
    behind = (
        ""
        if version.manifest_fingerprint == manifest.fingerprint
        else '; the catalog has changed since: run "lookalike index"'
    )
    quality = version.quality.get("warning") or version.quality.get("verdict")
    lines = [describe(version) + behind, *_finds(version)]
    return "\n".join(lines + ([f"encoder    {quality}"] if quality else []))


def _finds(version: IndexVersion) -> list[str]:
    """How much of the true neighbours a version's index finds, and by which settings; nothing of an exact one."""
    if not version.recalls:
        return []
    measured = ", ".join(f"{name}: {recall:.4f}" for name, recall in version.recalls.items())
    settings = ", ".join(
        f"{weight}: {' '.join(f'{name} {value}' for name, value in parameters.items())}"
        for weight, parameters in version.parameters.items()
    )
    return [
        f"recall@10  {measured} (promised {version.promised_recall:g})",
        f"looks at   {settings}",
    ]


def describe(version: IndexVersion) -> str:
    """A version in one line."""
    return (
        f"{version.id}, {version.created}: {version.photos} photos of {version.products} products, "
        f"{version.kind} index of {version.dimension} dimensions, recall {version.recall:.3f}, "
        + (f"in {version.engine} as {version.collection}, " if version.collection else "")
        + f"encoder {version.encoder_name} ({version.encoder_sha256[:12]}, {version.spec.layer})"
    )


def list_versions(config: StoreConfig) -> Report:
    """Every version, newest first, the one in use marked.

    Raises:
        StoreError: there is no store.
        VersionError: there is no version yet.
    """
    store = Store.open(config.store)
    in_use = current_id(store)
    lines = []
    for folder in reversed(version_folders(store)):
        mark = "*" if folder.name == in_use else " "
        try:
            lines.append(f"{mark} {describe(read_version(folder))}")
        except VersionError as error:
            lines.append(f"{mark} {error}")
    return Report(tuple(lines))


def rollback(config: RollbackConfig) -> Report:
    """Put an earlier version into use, once it has been checked; a running page follows within seconds.

    Versions that are damaged are passed over, unless one was named.

    Raises:
        UsageError: there is no such version.
        VersionError: all are refused.
    """
    store = Store.open(config.store)
    with store.writing("lookalike rollback"):
        version, refused = _first_whole(store, rollback_targets(store, config.to))
        point_alias(store, version)
        point_to(store, version.id)
    return Report((*(f"passed over: {reason}" for reason in refused), f"in use: {describe(version)}"))


def _first_whole(store: Store, ids: Sequence[str]) -> tuple[IndexVersion, list[str]]:
    """The first of some versions that is not damaged, and why those before it are refused.

    Raises:
        VersionError: all are.
    """
    refused: list[str] = []
    for version_id in ids:
        try:
            return load_version(store.versions_dir / version_id, "cpu").version, refused
        except VersionError as error:
            refused.append(str(error).partition(': run "lookalike rollback"')[0])
    more = f"; nor can {len(ids) - 1} before it be used" if len(ids) > 1 else ""
    raise VersionError(f'{refused[0]}{more}: build a new version by "lookalike index"')


def prune_versions(config: PruneConfig) -> Report:
    """Remove the oldest versions beyond those to keep; never the one in use."""
    store = Store.open(config.store)
    with store.writing("lookalike prune"):
        removed = prune(store, config.keep)
        drop_unused(store)
    return Report((f"removed: {', '.join(removed) or 'nothing'}",))
