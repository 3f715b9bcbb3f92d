"""Every error a user can meet, in one tree.

    LookalikeError                  exit code 1: the work could not be done
    ├── UsageError                  exit code 2: the command or its input is wrong
    ├── BadImage                    one photo cannot be used (never ends a run over many)
    ├── StoreError                  the store is missing, of another format, or damaged
    │   └── StoreBusy               another process is writing to the same store
    ├── TrainingError               a run cannot go on (collapsed, non-finite, too few photos)
    ├── VersionError                a version is incomplete, damaged, or made by another encoder
    ├── WorseEncoder                a new encoder is measurably worse than the one in use
    ├── PromiseError                a new index finds fewer true neighbours than promised
    ├── EngineError                 the server that holds the vectors does not answer, or refuses
    └── DeviceError                 the asked-for device is not there

A message is one line: the rule, what was received, what to do. docs/errors.md lists all of them; it is made from the
code by `python -m benchmarks.errors_page`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Explained:
    """An entry of docs/errors.md."""

    when: str
    """It happens."""
    remedy: str
    """What to do."""


def printable(text: str) -> str:
    """A text for a line on a terminal: control characters and lone bytes escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


class LookalikeError(Exception):
    """The work could not be done; the message says why and what to do."""

    exit_code = 1
    remedy: ClassVar[str] = "what the message says after its last colon; what was in use stays in use"
    """What to do, in general."""

    def __str__(self) -> str:
        """The message: one line whatever it quotes, with nothing that a terminal would obey."""
        return printable(super().__str__())


class UsageError(LookalikeError):
    """The command was called wrongly, or its input is not what the command takes."""

    exit_code = 2
    remedy = "call it as the message says; nothing was done"


class BadImage(LookalikeError):
    """One photo cannot be used.

    Attributes:
        code: a short stable word for tables and counts, such as "truncated".
        reason: one sentence for people, without any path of the machine.
    """

    remedy = "see its code below; in a scan the photo is left out, named in quarantine.csv, and the exit code is 3"

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason


class StoreError(LookalikeError):
    """The store is missing, of another format, or damaged."""

    remedy = "what the message says: mostly a scan makes anew what is damaged; photos are never touched"


class StoreBusy(StoreError):
    """Another process is writing to the same store."""

    remedy = "wait until the process that is named has ended, or end it; reading goes on meanwhile"


class TrainingError(LookalikeError):
    """A training run cannot start or cannot go on."""

    remedy = "what the message says; the last good checkpoint stays, and the run can be resumed"


class VersionError(LookalikeError):
    """A version is incomplete, damaged, or was made by another encoder than the one at hand."""

    remedy = '"lookalike rollback" to an earlier version, or "lookalike index" to build a new one'


class WorseEncoder(LookalikeError):
    """A new encoder is measurably worse than the one in use, and is not put into use."""

    remedy = "train again or longer, or insist by --force"


class PromiseError(LookalikeError):
    """A new index finds fewer of the true nearest neighbours than promised, and is not put into use."""

    remedy = "ask for less by --recall, or choose --kind exact"


class EngineError(LookalikeError):
    """The server that holds the vectors does not answer, or refuses what it was asked."""

    remedy = "start the server, or build the version anew with the right address: lookalike index --engine"


class DeviceError(UsageError):
    """The asked-for device is not there."""

    remedy = "leave --device out, or choose cpu"


class Terminated(BaseException):
    """SIGTERM arrived: unwinds like KeyboardInterrupt, so that locks and temporary files are let go."""


PHOTO_CODES: Mapping[str, Explained] = {
    "bomb": Explained(
        "its text, colour profile or passes would unpack to far more than a photo needs", "save it anew, without them"
    ),
    "corrupt": Explained("its data is damaged, so that no picture comes out", "copy or download it again"),
    "decoder-failed": Explained(
        "the process that decodes uploads died over it, or the server is closing", "save it anew as JPEG or PNG"
    ),
    "decoder-timeout": Explained("decoding an upload took longer than it may", "save it smaller, or anew"),
    "empty": Explained("the file has 0 bytes", "copy or download it again"),
    "expired": Explained("an upload is older than half an hour, or made room for others", "choose the photo again"),
    "missing": Explained(
        "there is no such file (any more), or a row of the table has no path", "bring it back or correct the path, scan"
    ),
    "not-a-file": Explained("it is a folder, a named pipe, a socket or a device", "put a regular file there"),
    "out-of-memory": Explained("decoding it takes more memory than it may", "save it smaller"),
    "outside-root": Explained(
        "its path, or a link, leads out of the catalog's folder", "put the photo itself into the folder"
    ),
    "too-large": Explained("the file is larger than 200 MiB, an upload larger than 20 MiB", "save it smaller"),
    "too-long-side": Explained("a side has more than 16,000 pixels", "save it smaller"),
    "too-many-pixels": Explained(
        "it has more than 25 million pixels, a JPEG more than 120 million, a progressive one more than 60 million",
        "save it smaller",
    ),
    "too-small": Explained("a side has less than 8 pixels", "use a larger photo"),
    "truncated": Explained("the file ends before its picture does", "copy or download it again"),
    "unreadable": Explained(
        "it may not be read, is a link to itself, or the disk failed", "change its permissions, mend the link"
    ),
    "unsupported-format": Explained(
        "it is no JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, whatever its name says, or its pixels are of a rare kind",
        "save it as JPEG or PNG",
    ),
}
"""Every code of a `BadImage` and of quarantine.csv."""
