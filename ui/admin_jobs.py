"""Long work that the owner's page starts: the real commands, one at a time, each in a process of its own.

What a job has printed and how far it is stays in this server's memory, so a page that is loaded again sees it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from catalog.errors import LookalikeError
from catalog.progress import LINES, VARIABLE, Progress
from catalog.store import Store
from training.config import Device

JobName = Literal["sync", "index", "duplicates"]
JobState = Literal["running", "finished", "failed", "stopped"]

MODULES: dict[JobName, str] = {"sync": "index", "index": "index", "duplicates": "search"}
"""The folder whose command each job is."""
LINES_KEPT, LONGEST_LINE = 100, 1000
"""Of what a job prints: the last lines, and characters of each."""
DONE = (0, 3)
"""Exit codes of a command that did its work; 3 where some files could not be read."""
END_SECONDS = 5.0
"""How long a job has to end by itself when the server ends."""


class JobConflict(LookalikeError):
    """A job cannot be started or stopped as things are."""

    remedy = "wait for the job that runs, or stop it"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """How a job stands."""

    job: JobName
    state: JobState
    started: str
    """ISO 8601, UTC."""
    seconds: float
    """Since then, or until it ended."""
    exit_code: int | None
    """None while it runs; negative where a signal ended it."""
    lines: tuple[str, ...]
    """The last of what it printed."""
    progress: Progress | None
    """Of the step it is at, or was at last."""


class Jobs:
    """Starts, watches and stops the jobs of one store. Safe to call from several threads; close it at the end."""

    def __init__(self, store: Path, *, device: Device) -> None:
        self._store = Store(store.absolute())
        self._device = device
        self._folder = tempfile.TemporaryDirectory(prefix="lookalike-jobs-")
        self._lock = threading.Lock()
        self._newest: _Job | None = None
        self._looked: _Job | None = None

    @property
    def duplicates_file(self) -> Path:
        """Where the newest look for duplicates that finished left its table."""
        return Path(self._folder.name, "duplicates.csv")

    @property
    def duplicates(self) -> JobReport | None:
        """The newest look for duplicates that finished; None where there was none since the server started."""
        for job in (self._newest, self._looked):
            if job and job.has_looked:
                return job.report()
        return None

    def newest(self) -> JobReport | None:
        """The job that runs, or ran last; None where none was started since the server started."""
        job = self._newest
        return job.report() if job else None

    def start(self, name: JobName) -> JobReport:
        """Start a job.

        Raises:
            JobConflict: one is running.
            StoreBusy: another process writes to the store.
        """
        with self._lock:
            if self._newest and self._newest.running:
                raise JobConflict(f'one job at a time can run; "{self._newest.name}" does: wait for it or stop it')
            if self._newest and self._newest.has_looked:
                self._looked = self._newest
            if name != "duplicates":
                with self._store.writing("lookalike serve"):
                    pass  # now nobody else does; the job itself takes the lock again
            options = ["--output", str(self.duplicates_file)] if name == "duplicates" else []
            command = [MODULES[name], name, "--store", str(self._store.root), "--device", self._device, *options]
            self._newest = _Job(name, command)
            return self._newest.report()

    def stop(self) -> JobReport:
        """Tell the running job to end, which it does when what is at hand is finished; told twice, at once.

        Raises:
            JobConflict: none is running.
        """
        with self._lock:
            if self._newest is None or not self._newest.running:
                raise JobConflict("there is no job to stop: none is running")
            self._newest.stop()
            return self._newest.report()

    def close(self) -> None:
        """End the running job, and forget what jobs left."""
        with self._lock:
            if self._newest:
                self._newest.end()
        self._folder.cleanup()


class _Job:
    """One child process and what it has said."""

    def __init__(self, name: JobName, command: list[str]) -> None:
        self.name = name
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._progress: Progress | None = None
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._begun = time.monotonic()
        self._ended: float | None = None
        self._told_to_stop = False
        own_code = str(Path(__file__).resolve().parent.parent)
        search_path = os.pathsep.join(filter(None, (own_code, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", *command],  # -P: nothing in the working folder is taken for our code
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl+C at the terminal is for the server to handle
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, VARIABLE: LINES, "PYTHONPATH": search_path, "PYTHONIOENCODING": "utf-8"},
        )
        self._listener = threading.Thread(target=self._listen, name=f"job-{name}", daemon=True)
        self._listener.start()

    @property
    def running(self) -> bool:
        return self._ended is None

    @property
    def has_looked(self) -> bool:
        """Whether it is a look for duplicates that has finished."""
        return self.name == "duplicates" and self.report().state == "finished"

    def stop(self) -> None:
        self._told_to_stop = True
        self._process.terminate()

    def end(self) -> None:
        """Make it end; returns when it has."""
        if self.running:
            self.stop()
        self._listener.join(END_SECONDS)
        self._process.kill()  # nothing that is still written can harm: everything is written whole or not at all
        self._listener.join()

    def report(self) -> JobReport:
        ended, code = self._ended, self._process.returncode
        return JobReport(
            job=self.name,
            state="running" if ended is None else self._outcome(),
            started=self._started,
            seconds=round((ended or time.monotonic()) - self._begun, 1),
            exit_code=None if ended is None else code,
            lines=tuple(self._lines.copy()),
            progress=self._progress,
        )

    def _outcome(self) -> JobState:
        if self._process.returncode in DONE:
            return "finished"
        return "stopped" if self._told_to_stop else "failed"

    def _listen(self) -> None:
        """Until the process ends: its progress, and its last lines."""
        assert self._process.stdout
        for line in self._process.stdout:
            progress = Progress.from_line(line)
            if progress:
                self._progress = progress
            elif line.strip():
                self._lines.append(line.rstrip()[:LONGEST_LINE])
        self._process.wait()
        self._ended = time.monotonic()
