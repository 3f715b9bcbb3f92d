"""Paths as text, for every table: relative to the catalog's root, with "/", and reversible whatever the name holds."""

from __future__ import annotations

import os
import re
from pathlib import Path

from catalog.errors import BadImage, printable

_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")
_PERCENT = re.compile(r"%(?=[0-9A-Fa-f]{2})")
_LONE_BYTE = re.compile("[\udc80-\udcff]")


def path_to_text(path: str | os.PathLike[str]) -> str:
    """A file's name as text that any table can hold.

    Nearly every name stays as it is. Bytes that are not UTF-8 are percent-encoded ("caf\\xe9.jpg" becomes
    "caf%E9.jpg"), and so is a "%" that would otherwise be read as such a code ("100%25.jpg" becomes "100%2525.jpg",
    while "50% off.jpg" stays). `text_to_path` gives exactly the name back.
    """
    if isinstance(path, str) and path.isascii() and "%" not in path:
        return path  # the rest takes microseconds, which a hundred thousand photos feel
    name = os.fsencode(path).decode("utf-8", "surrogateescape")
    name = _PERCENT.sub("%25", name)
    return _LONE_BYTE.sub(lambda match: f"%{ord(match[0]) - 0xDC00:02X}", name)


def text_to_path(text: str) -> str:
    """The file name that `path_to_text` made this text from."""
    if text.isascii() and "%" not in text:
        return text
    return os.fsdecode(_ENCODED.sub(lambda match: bytes([int(match[1], 16)]), text.encode("utf-8", "surrogateescape")))


def catalog_photo_path(root: Path, text_path: str) -> Path:
    """Where a photo of the catalog lies on this machine, links resolved.

    Args:
        root: the catalog's root.
        text_path: the photo's path in the manifest.

    Raises:
        BadImage: "outside-root" where the path, or a link on the way, leads out of the root.
    """
    real_root = os.path.realpath(root)
    try:
        real = os.path.realpath(os.path.join(real_root, text_to_path(text_path)))
    except ValueError:  # a NUL byte
        raise BadImage("missing", "there is no such file") from None
    if not is_inside(real, real_root):
        raise BadImage("outside-root", "a photo must lie in the catalog's folder; this path or link leads out of it")
    return Path(real)


def is_inside(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Whether an absolute, resolved path is a folder or lies in it."""
    inner, outer = os.fspath(path), os.fspath(folder)
    return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)


def shown(text: str) -> str:
    """A path or a value as errors say it, too: `catalog.errors.printable`."""
    return printable(text)
