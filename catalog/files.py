"""Find the files in a folder that could be photos, without leaving the folder."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from catalog.paths import is_inside, path_to_text
from catalog.quarantine import LeftOut

PHOTO_EXTENSIONS = frozenset(
    (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic")
)
"""A file with such a name is looked at, and named in the quarantine if it is no photo; others are only counted."""


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """What a folder holds.

    Attributes:
        paths: files that could be photos, relative to the folder, in a sorted order that never changes.
        left_out: what has a photo's name and cannot be one, and folders that cannot be looked into.
        other_files: how many files have other names.
    """

    paths: list[str]
    left_out: list[LeftOut]
    other_files: int


def find_photos(root: Path, *, skip: Path | None = None) -> FoundFiles:
    """Walk a folder to any depth.

    Hidden files and folders (a leading dot) are passed over. A link to a file inside the root is a file like any
    other; a link that leads out of it is left out ("outside-root"). A link to a folder inside the root is passed
    over: its photos are found where they are, so there are no loops. A folder named like a photo is left out by name
    ("not-a-file"), and the photos in it are taken.

    Args:
        root: the folder.
        skip: a folder not to look into: the store, when it lies inside the catalog.
    """
    real_root = os.path.realpath(root)
    real_skip = os.path.realpath(skip) if skip is not None else None
    paths: list[str] = []
    left_out: list[LeftOut] = []
    other_files = 0
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(real_root, folder)) as listing:
                entries = list(listing)
        except OSError as error:
            left_out.append(_unreadable_folder(folder, error))
            continue
        for entry in entries:
            path = f"{folder}{os.sep}{entry.name}" if folder else entry.name
            if entry.name.startswith(".") or entry.path == real_skip:
                continue
            is_link, leads_out = entry.is_symlink(), False
            if is_link:
                real = os.path.realpath(entry.path)
                leads_out = not is_inside(real, real_root) or (real_skip is not None and is_inside(real, real_skip))
            is_folder = _is_folder(entry)
            named_like_photo = os.path.splitext(entry.name)[1].lower() in PHOTO_EXTENSIONS
            if leads_out and (is_folder or named_like_photo):
                reason = "a photo must lie in the catalog's folder; this link leads out of it and is not followed"
                left_out.append(LeftOut(path_to_text(path), "outside-root", reason))
            elif is_folder:
                if named_like_photo:
                    reason = "a photo must be a regular file; this is a folder (photos inside it are taken)"
                    left_out.append(LeftOut(path_to_text(path), "not-a-file", reason))
                if not is_link:
                    folders.append(path)
            elif named_like_photo:
                paths.append(path)
            else:
                other_files += 1
    paths.sort(key=os.fsencode)
    left_out.sort(key=lambda row: row.path)
    return FoundFiles(paths, left_out, other_files)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link that leads nowhere is none."""
    try:
        return entry.is_dir()
    except OSError:  # a link loop
        return False


def _unreadable_folder(folder: str, error: OSError) -> LeftOut:
    """A folder that could not be listed."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return LeftOut(path_to_text(folder or "."), "missing", "the folder went away during the scan")
    reason = f"the folder may not be looked into ({os.strerror(error.errno or errno.EIO)}): change its permissions"
    return LeftOut(path_to_text(folder or "."), "unreadable", reason)
