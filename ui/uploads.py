"""Photos on their way to a search: a private folder with a quota, emptied by age, and read only through one check.

Gradio stores what the page uploads here (GRADIO_TEMP_DIR) and gives the page the file's path; the page sends that
path back with the search. So a path from the page is anyone's claim: `read` believes none that it has not checked.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from catalog.errors import BadImage
from catalog.image import UPLOAD_LIMITS, read_photo

MAX_PHOTO_BYTES = UPLOAD_LIMITS.max_bytes
"""Size of one uploaded photo, in bytes."""
MAX_AGE_SECONDS = 30 * 60.0
"""How long an upload is kept, in seconds: long enough to come back to it after looking at other products."""
QUOTA_BYTES = 512 * 2**20
"""Size of all uploads together, in bytes; beyond it the oldest go."""

PREFIX = "lookalike-uploads-"
"""Every folder of uploads is named so."""
_LOCK = "in-use"


class Uploads:
    """One process's folder of uploads. Use it as a context manager: it leaves nothing behind.

    A process that was killed leaves its folder; the next one to start removes it (a lock tells which are in use).
    """

    def __init__(self, *, parent: Path | None = None, quota: int = QUOTA_BYTES, max_age: float = MAX_AGE_SECONDS):
        """Make the folder, readable by this user only.

        Args:
            parent: where to make it; the system's temporary folder by default.
            quota: bytes to keep at most.
            max_age: seconds to keep a file at most.
        """
        base = Path(parent or tempfile.gettempdir())
        _remove_abandoned(base)
        own = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base)).resolve()
        self._own = own
        self._lock = os.open(own / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.folder = own / "files"
        self.folder.mkdir(mode=0o700)
        self._quota = quota
        self._max_age = max_age

    def read(self, claimed: object) -> bytes:
        """The bytes of an upload, by the path that the page sent back.

        Raises:
            BadImage: it is not a file in this folder ("expired", whatever it is: nothing outside is told apart), or
                it cannot be a photo.
        """
        try:
            path = Path(os.path.realpath(claimed, strict=True)) if isinstance(claimed, str) else None
        except (OSError, ValueError):
            path = None
        if path is None or not path.is_relative_to(self.folder) or path != Path(str(claimed)):
            raise BadImage("expired", "this photo is no longer on the server: choose it again")
        return read_photo(path, UPLOAD_LIMITS)

    def sweep(self) -> None:
        """Remove what is too old, and then the oldest until all fit the quota. Also catches aborted uploads."""
        files = []
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = Path(folder, name)
                try:
                    status = path.lstat()
                except FileNotFoundError:
                    continue
                files.append((status.st_mtime, status.st_size, path))
        files.sort(key=lambda file: file[0])
        total = sum(size for _, size, _ in files)
        oldest_kept = time.time() - self._max_age
        for changed, size, path in files:
            if changed >= oldest_kept and total <= self._quota:
                break
            path.unlink(missing_ok=True)
            total -= size
            if path.parent != self.folder:
                with suppress(OSError):  # another upload lies in it
                    path.parent.rmdir()

    def close(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self._own, ignore_errors=True)
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _remove_abandoned(base: Path) -> None:
    """Remove this user's folders whose process is gone."""
    for folder in base.glob(f"{PREFIX}*"):
        try:
            status = folder.lstat()
            if status.st_uid != os.getuid() or folder.is_symlink():
                continue
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # vanished, not ours, or being made at this moment
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass  # in use
        finally:
            os.close(descriptor)
