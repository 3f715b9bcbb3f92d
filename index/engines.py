"""Where the vectors of a catalog lie: with FAISS, in the version's own folder, or in Milvus. The setting `--engine`.

faiss                        index.faiss in the version's folder; the default, for what one machine can hold
milvus:http://host:19530     a Milvus server; its token, where it wants one, is in the environment variable TOKEN
milvus:FILE.db               Milvus Lite: a file on this machine, opened by one process at a time
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from catalog.errors import UsageError
from catalog.paths import shown

TOKEN = "LOOKALIKE_MILVUS_TOKEN"  # noqa: S105  the name of the variable, not a token
"""Environment variable with a Milvus server's token, "user:password" or an API key; kept in no file."""
FAISS = "faiss"


@dataclass(frozen=True, slots=True)
class Engine:
    """A place for vectors.

    Attributes:
        milvus: address of a server or a file of Milvus Lite; empty for FAISS.
    """

    milvus: str = ""

    def __str__(self) -> str:
        return f"milvus:{self.milvus}" if self.milvus else FAISS


def read_engine(text: str) -> Engine:
    """An engine from a setting, a file's path made absolute.

    Raises:
        UsageError: it is none.
    """
    if text == FAISS:
        return Engine()
    kind, _, place = text.partition(":")
    if kind != "milvus" or not place:
        raise UsageError(
            f'--engine must be "faiss", "milvus:http://HOST:PORT" or "milvus:FILE.db"; received "{shown(text)}"'
        )
    if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", place):
        if not place.endswith(".db"):
            raise UsageError(
                f"--engine takes a Milvus server as milvus:http://HOST:PORT, a file of Milvus Lite as milvus:FILE.db; "
                f'received "{shown(place)}"'
            )
        return Engine(milvus=str(Path(place).absolute()))
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
        raise UsageError(
            f'--engine takes a Milvus server by http:// or https:// and a port up to 65535; received "{shown(place)}"'
        )
    if parts.username or parts.password:
        raise UsageError(
            f"--engine takes an address without a password, which would be written into every version: "
            f"put it into the environment variable {TOKEN}"
        )
    return Engine(milvus=place.rstrip("/"))


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False
