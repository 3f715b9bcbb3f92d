"""Settings of the commands that build and choose versions. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catalog.errors import UsageError
from catalog.store import DEFAULT_STORE
from training.config import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexConfig:
    """Settings of one build."""

    store: Path = DEFAULT_STORE
    """The store whose photos to index."""
    run: str = ""
    """The training run whose encoder to use; empty: the newest finished one."""
    encoder: Literal["trained", "imagenet"] = "trained"
    """"trained", or "imagenet" to search before any training."""
    keep: int = 3
    """How many versions stay; the oldest ones beyond that are removed, never the one in use."""
    force: bool = False
    """Put the encoder into use even if it is measurably worse than the one in use."""
    device: Device = "auto"
    """Where to embed."""

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise UsageError(f"--keep must be at least 1; received {self.keep}: choose 1 or more")
        if self.encoder == "imagenet" and self.run:
            raise UsageError(f'--encoder imagenet takes no --run; received --run "{self.run}": leave one of them out')


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Which store to look at."""

    store: Path = DEFAULT_STORE
    """The store."""
    device: Device = "auto"
    """The device whose presence to check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackConfig:
    """Which version to put back into use."""

    store: Path = DEFAULT_STORE
    """The store."""
    to: str = ""
    """Id of the version; empty: the newest one before the one in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneConfig:
    """How many versions to keep."""

    store: Path = DEFAULT_STORE
    """The store."""
    keep: int = 3
    """Versions that stay, the one in use among them."""

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise UsageError(f"--keep must be at least 1; received {self.keep}: choose 1 or more")
