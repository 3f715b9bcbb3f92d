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
    └── DeviceError                 the asked-for device is not there

A message is one line: the rule, what was received, what to do.
"""

from __future__ import annotations


class LookalikeError(Exception):
    """The work could not be done; the message says why and what to do."""

    exit_code = 1


class UsageError(LookalikeError):
    """The command was called wrongly, or its input is not what the command takes."""

    exit_code = 2


class BadImage(LookalikeError):
    """One photo cannot be used.

    Attributes:
        code: a short stable word for tables and counts, such as "truncated".
        reason: one sentence for people, without any path of the machine.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason


class StoreError(LookalikeError):
    """The store is missing, of another format, or damaged."""


class StoreBusy(StoreError):
    """Another process is writing to the same store."""


class TrainingError(LookalikeError):
    """A training run cannot start or cannot go on."""


class VersionError(LookalikeError):
    """A version is incomplete, damaged, or was made by another encoder than the one at hand."""


class WorseEncoder(LookalikeError):
    """A new encoder is measurably worse than the one in use, and is not put into use."""


class PromiseError(LookalikeError):
    """A new index finds fewer of the true nearest neighbours than promised, and is not put into use."""


class DeviceError(UsageError):
    """The asked-for device is not there."""


class Terminated(BaseException):
    """SIGTERM arrived: unwinds like KeyboardInterrupt, so that locks and temporary files are let go."""
