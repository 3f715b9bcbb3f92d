"""What `lookalike serve` can be told. Imports nothing heavy: the command's help reads this."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catalog.errors import UsageError
from catalog.store import DEFAULT_STORE
from training.config import Device

ANY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104
"""Hosts that mean every address of the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """The web page and the HTTP API of one store.

    Raises:
        UsageError: a value that cannot work, in one line.
    """

    store: Path = DEFAULT_STORE
    """The store to answer from."""
    host: str = "127.0.0.1"
    """Address to listen on. The default answers this machine only; 0.0.0.0 answers everyone who can reach it."""
    port: int = 7860
    """TCP port to listen on; 0 takes any free one."""
    device: Device = "auto"
    """Where to encode and search; "gpu" without one fails."""
    poll_seconds: float = 1.0
    """How often to look whether a new version was published, in seconds."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names (without port) under which the page may be opened, such as that of a proxy; "*.shop.example" too.
    Any other name is refused, so that a foreign web page cannot reach the server through a name of its own."""
    login: Path | None = None
    """TOML file with who may come in: a table [people] of name = "password" (HTTP Basic), and a table [programs] of
    name = "token" (Authorization: Bearer token). Only its owner may be able to read it. Without it, everyone may."""
    log: Literal["text", "json"] = "text"
    """How the log on stderr is written: lines for people, or one JSON object a line, which also tell of
    each request."""
    admin: bool = False
    """Also serve /admin, where whoever is let in sees versions, runs and files left out, and starts a sync, a rebuild
    or a rollback. Needs --login."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError(f"--port must lie in 0 … 65535; got {self.port}: 7860 is the default")
        if not 0.05 <= self.poll_seconds <= 3600:
            raise UsageError(f"--poll-seconds must lie in 0.05 … 3600; got {self.poll_seconds}: 1 is the default")
        for name in self.allowed_hosts:
            if not name.removeprefix("*.") or set(name.removeprefix("*.")) & set("*/@ "):
                raise UsageError(
                    f'--allowed-hosts takes plain names such as shop.example or *.shop.example; got "{name}": '
                    "leave out scheme, port and path"
                )
        if self.admin and self.login is None:
            raise UsageError(
                "--admin must come with --login, which says who may use it; got --admin alone: add --login FILE"
            )
        if self.host in ANY_ADDRESS and not self.allowed_hosts:
            raise UsageError(
                f'--host "{self.host}" answers every network, so --allowed-hosts must name how the page is reached; '
                "got none: for example --allowed-hosts 192.168.1.20 shop-pc"
            )

    @property
    def accepted_hosts(self) -> tuple[str, ...]:
        """Every name under which the page may be opened."""
        own = () if self.host in ANY_ADDRESS else (url_host(self.host),)
        return tuple(dict.fromkeys((*own, "127.0.0.1", "localhost", "[::1]", *map(url_host, self.allowed_hosts))))

    def address(self, port: int) -> str:
        """The URL to open, given the port that was really taken."""
        host = self.host
        if host in ANY_ADDRESS:
            host = next((name for name in self.allowed_hosts if not name.startswith("*")), "127.0.0.1")
        return f"http://{url_host(host)}:{port}"


def url_host(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """The whole job on a catalog that the project draws itself."""

    folder: Path = Path("lookalike-demo")
    """Where the drawn photos and their store go; what is there already is used again."""
    serve: bool = True
    """Open the page at the end; --no-serve prints the figures and ends."""
    port: int = 7860
    """TCP port of the page."""
    products: int = 432
    """Products to draw."""
    epochs: int = 0
    """Times that every photo is seen in training; 0: as the preset "fast" says."""
    device: Device = "auto"
    """Where to compute."""
