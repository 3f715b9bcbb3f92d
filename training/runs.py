"""Runs on disk: `runs/<name>/`, how they are named and found. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog import atomic
from catalog.errors import LookalikeError, UsageError, VersionError
from catalog.hashing import file_sha256
from catalog.store import Store
from training.checkpoint import read_header


@dataclass(frozen=True, slots=True)
class Run:
    """The files of one training run."""

    folder: Path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def config_file(self) -> Path:
        """config.json: the resolved settings."""
        return self.folder / "config.json"

    @property
    def checkpoint_file(self) -> Path:
        """checkpoint.safetensors: the last good encoder."""
        return self.folder / "checkpoint.safetensors"

    @property
    def resume_file(self) -> Path:
        """resume.pt: what `--resume` needs; removed when the run is finished."""
        return self.folder / "resume.pt"

    @property
    def start_rows_file(self) -> Path:
        """start_rows.npy: what the run keeps of its start, photo by photo; removed when the run is finished."""
        return self.folder / "start_rows.npy"

    def forget_how_to_resume(self) -> None:
        """Remove what only an unfinished run needs."""
        self.resume_file.unlink(missing_ok=True)
        self.start_rows_file.unlink(missing_ok=True)

    @property
    def metrics_file(self) -> Path:
        """metrics.jsonl: one JSON object per logged step."""
        return self.folder / "metrics.jsonl"

    @property
    def result_file(self) -> Path:
        """result.json: what a finished run came to."""
        return self.folder / "result.json"

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        try:
            return self.checkpoint_file.exists() and read_header(self.checkpoint_file).finished
        except VersionError:
            return False

    @property
    def damaged(self) -> bool:
        """Whether the run came to its end, and its checkpoint cannot be read any more."""
        return self.result_file.exists() and not self.finished and not self.resumable

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Say what the finished run came to, and what its checkpoint must be from now on."""
        told = {"checkpoint": self.checkpoint_file.name, "sha256": file_sha256(self.checkpoint_file)}
        atomic.write_json(self.result_file, {**result, **told})

    def check(self) -> None:
        """Hold the checkpoint against what the run was finished with.

        Raises:
            VersionError: it cannot be read, or has another content.
        """
        read_header(self.checkpoint_file)
        try:
            must = json.loads(self.result_file.read_text(encoding="utf-8")).get("sha256")
        except (OSError, ValueError, AttributeError):  # not finished, or by a release that said nothing of it
            return
        if must is not None and (found := file_sha256(self.checkpoint_file)) != must:
            raise VersionError(
                f"{self.checkpoint_file} must have the SHA-256 {must!s:.12}…; it has {found[:12]}…: "
                "restore the run from a backup, train again, or name another run by --run"
            )

    @property
    def resumable(self) -> bool:
        """Whether there is a state to go on from."""
        return self.resume_file.exists()


def all_runs(store: Store) -> list[Run]:
    """Every run of a store, oldest first."""
    if not store.runs_dir.is_dir():
        return []
    runs = [Run(folder) for folder in store.runs_dir.iterdir()]
    begun = [run for run in runs if run.config_file.exists()]
    return sorted(begun, key=lambda run: (run.config_file.stat().st_mtime_ns, run.name))


def new_run(store: Store, name: str) -> Run:
    """A run that does not exist yet; an empty name becomes the next free number.

    Raises:
        UsageError: the name is taken.
    """
    taken = {run.name for run in all_runs(store)}
    if name in taken:
        raise UsageError(f'--name must be new; there is a run "{name}": choose another, or go on with it by --resume')
    number = 1
    while not name and f"run-{number}" in taken:
        number += 1
    return Run(store.runs_dir / (name or f"run-{number}"))


def find_run(store: Store, name: str) -> Run:
    """The run of a name.

    Raises:
        UsageError: there is none; the message names those there are.
    """
    runs = all_runs(store)
    for run in runs:
        if run.name == name:
            return run
    there = ", ".join(run.name for run in runs) or "none"
    raise UsageError(f'there is no run "{name}"; there are: {there}')


def newest_finished(store: Store) -> Run | None:
    """The newest run that came to its end."""
    return max((run for run in all_runs(store) if run.finished), default=None, key=_finish_time)


def _newest_ended(store: Store) -> Run | None:
    """The same, damaged ones included: they are refused, not passed over for an older one."""
    ended = (run for run in all_runs(store) if run.checkpoint_file.exists() and (run.finished or run.damaged))
    return max(ended, default=None, key=_finish_time)


def run_to_use(store: Store, name: str = "", *, otherwise: str = "") -> Run:
    """The run of a name, or the newest finished one, with a checkpoint.

    Args:
        otherwise: what else the user could do, where there is no run.

    Raises:
        UsageError: there is no run of that name.
        LookalikeError: there is no finished run, or no checkpoint yet.
        VersionError: its checkpoint is damaged.
    """
    run = find_run(store, name) if name else _newest_ended(store)
    if run is None:
        if any(run.resumable for run in all_runs(store)):
            raise LookalikeError(
                f'there is no finished training run: go on with the one that was begun by "lookalike train --resume"'
                f"{otherwise}"
            )
        raise LookalikeError(f'there is no finished training run: run "lookalike train"{otherwise}')
    if not run.checkpoint_file.exists():
        raise VersionError(f'the run "{run.name}" has no checkpoint yet: go on with it by "lookalike train --resume"')
    run.check()
    return run


def newest_resumable(store: Store, name: str = "") -> Run:
    """The newest run that can be gone on with, or the one of a name.

    Raises:
        UsageError: there is none.
    """
    runs = [find_run(store, name)] if name else all_runs(store)
    resumable = [run for run in runs if run.resumable]
    if not resumable:
        which = f'the run "{name}" has nothing' if name else "no run of this store has anything"
        raise UsageError(f'--resume needs a run that was interrupted; {which} to go on from: run "lookalike train"')
    return resumable[-1]


def _finish_time(run: Run) -> int:
    return run.checkpoint_file.stat().st_mtime_ns
