"""Who may use the server: names with passwords and tokens from a file, and the middleware that asks for them.

People send a name and a password (HTTP Basic, RFC 7617), programs a token (Bearer, RFC 6750).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import stat
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from starlette.types import ASGIApp, Receive, Scope, Send

from catalog.errors import UsageError
from catalog.paths import shown
from ui.problems import ProblemResponse

OPEN_ROUTES = frozenset({"/healthz", "/readyz"})
"""What is answered without a login: one word each."""
LEAST_CHARACTERS = 8
"""Of a password or a token."""
EXAMPLE = '[people] and below it anna = "a long password"'
TABLES = ("people", "programs")
CHALLENGE = 'Basic realm="Lookalike", charset="UTF-8"'

_TOKEN = re.compile(r"[!-~]+")


class Credentials:
    """The names with passwords and the tokens that are let in. Holds their SHA-256 digests, not themselves."""

    def __init__(self, *, people: Mapping[str, str], programs: Mapping[str, str]) -> None:
        """`people`: password by name; `programs`: token by name."""
        self._people = [_digest(f"{name}:{password}") for name, password in people.items()]
        self._programs = [_digest(token) for token in programs.values()]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Those of a TOML file with the tables [people] and [programs], of which one may be missing.

        Raises:
            UsageError: the file is not as it must be; in one line, without any password.
        """
        tables = _tables(path, _content(path))
        for table, entries in tables.items():
            for name, secret in entries.items():
                _check_entry(path, table, name, secret)
        if not any(tables.values()):
            raise UsageError(
                f"--login must name a file that lets someone in; {path} names nobody: write a line such as {EXAMPLE}"
            )
        return cls(people=tables.get("people", {}), programs=tables.get("programs", {}))

    def include(self, authorization: bytes) -> bool:
        """Whether an Authorization header's value is one of them; takes as long for a known name as for another."""
        scheme, _, given = authorization.partition(b" ")
        match scheme.lower():
            case b"basic":
                return _one_of(self._people, _basic(given.strip()))
            case b"bearer":
                return _one_of(self._programs, given.strip().decode("latin-1"))
        return False


class Login:
    """Lets through only who is known; the health of the server is told to everyone."""

    def __init__(self, app: ASGIApp, *, credentials: Credentials) -> None:
        self.app = app
        self.credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        if scope["type"] == "lifespan" or self._may_pass(scope):
            await self.app(scope, receive, send)
        else:
            detail = "this server wants a login: a name with its password (Basic), or a token (Bearer)"
            response = ProblemResponse(401, "login-needed", detail, {"WWW-Authenticate": CHALLENGE})
            await response(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        if scope["type"] == "http" and scope["path"] in OPEN_ROUTES and scope["method"] in ("GET", "HEAD"):
            return True
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(sent) == 1 and self.credentials.include(sent[0])


def _one_of(known: Iterable[bytes], sent: str) -> bool:
    """Whether a text has one of these digests; all are compared, whichever it is."""
    digest = _digest(sent)
    found = False
    for other in known:
        found |= hmac.compare_digest(digest, other)
    return found


def _digest(text: str) -> bytes:
    """Of a text, however its accents are written (RFC 7617 asks for NFC, keyboards and files give other forms too)."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).digest()


def _basic(encoded: bytes) -> str:
    """`name:password` of a Basic header; empty, which nobody has, where it is none."""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return ""


def _content(path: Path) -> bytes:
    """What is in a file that nobody but its owner may read."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise UsageError(
                    f"--login must name a file that only its owner may read; {path} has the mode {mode:04o}: run "
                    f"chmod 600 {path}"
                )
            return file.read()
    except OSError as error:
        raise UsageError(
            f"--login must name a file with who may come in; {path} cannot be read ({error.strerror}): write one with "
            f"{EXAMPLE}"
        ) from None


def _tables(path: Path, content: bytes) -> dict[str, dict[str, Any]]:
    """Its tables, whose entries are not looked at yet."""
    try:
        tables = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        place = re.search(r"at line \d+, column \d+|at end of document", str(error))  # the rest may quote a password
        raise UsageError(
            f"--login must name a TOML file; {path} is none{f' ({place[0]})' if place else ''}: write {EXAMPLE}"
        ) from None
    for name, entries in tables.items():
        if name not in TABLES or not isinstance(entries, dict):
            raise UsageError(
                f"--login takes a file with the tables [people] and [programs] only; {path} has "
                f'"{shown(name)}" as well: take it out'
            )
    return tables


def _check_entry(path: Path, table: str, name: str, secret: object) -> None:
    entry = f'"{shown(name)}" in [{table}]'
    if not name or ":" in name:
        raise UsageError(f'--login takes names that are not empty and hold no ":"; {path} has {entry}: choose another')
    if not isinstance(secret, str) or len(secret) < LEAST_CHARACTERS:
        received = f"{len(secret)} characters" if isinstance(secret, str) else "no text"
        raise UsageError(
            f"--login takes passwords and tokens of at least {LEAST_CHARACTERS} characters, in quotes; {path} has "
            f"{received} for {entry}: choose a longer one"
        )
    if table == "programs" and not _TOKEN.fullmatch(secret):
        raise UsageError(
            f"--login takes tokens of ASCII letters, digits and signs only, since a header carries them; {path} has "
            f"others for {entry}: choose another"
        )
