"""docs/errors.md: every error a user can meet, from the code.

    python -m benchmarks.errors_page

Kinds and codes are read from `catalog.errors` and `ui.problem_codes`, messages from the places that raise them.
"""

from __future__ import annotations

import ast
import importlib
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from catalog.command_line import ENDED
from catalog.errors import PHOTO_CODES, BadImage, LookalikeError, UsageError, VersionError
from ui.problem_codes import PROBLEM_CODES
from ui.problems import describe

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "errors.md"
FOLDERS = ("catalog", "training", "index", "search", "ui")
ELSEWHERE = ("ui.admin_jobs", "ui.gate")
"""Modules with errors of their own."""
HELPERS: Mapping[tuple[str, str], tuple[type[LookalikeError], str, tuple[int, int]]] = {
    ("training/config.py", "require"): (UsageError, "{}; received …: {}", (1, 3)),
    ("catalog/disk.py", "require_room"): (LookalikeError, "{} need … in …; … are free: {}", (2, 3)),
    ("index/loading.py", "_refused"): (
        VersionError,
        'version … is refused: {}; {}: run "lookalike rollback" or "lookalike index"',
        (1, 2),
    ),
}
"""Functions that make an error's message, by file and name: which error, how, and the arguments that are put in. One
that begins with _ counts in its own file only."""

FEWEST = 12
"""Characters of a message; shorter ones are put together elsewhere."""

INTRODUCTION = """# Errors

Every error that a user can meet, and what to do. Made from the code by `python -m benchmarks.errors_page`; a test
fails where this page is not what the code says. On the command line an error is one line on stderr: the rule, what was
received, what to do. Over HTTP it is `application/problem+json` with `status`, `code` and `detail`, without paths of
the server.
"""


def kinds() -> list[type[LookalikeError]]:
    """Every class of error, each after the one that it is a kind of."""
    for module in ELSEWHERE:
        importlib.import_module(module)

    def below(kind: type[LookalikeError]) -> Iterator[type[LookalikeError]]:
        yield kind
        for other in sorted(kind.__subclasses__(), key=lambda other: other.__name__):
            yield from below(other)

    return list(below(LookalikeError))


def messages() -> dict[str, list[str]]:
    """What each kind of error says, by its name; "…" stands for what differs from case to case."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    names = {kind.__name__ for kind in kinds()} - {BadImage.__name__}
    for file, call in calls():
        name = called(call)
        texts = [text_of(argument) for argument in call.args]
        if name in names and texts:
            found[name].add(texts[0])
        for (where, helper), (kind, form, places) in HELPERS.items():
            if name == helper and (file == where or not helper.startswith("_")):
                found[kind.__name__].add(form.format(*(texts[place] for place in places)))
    return {name: sorted(text for text in texts if len(text) > FEWEST) for name, texts in found.items()}


def problem_codes() -> set[tuple[int, str]]:
    """Status and code of each error that the HTTP side answers by itself, as far as they stand in one place."""
    found = set()
    for file, call in calls():
        if file.startswith("ui/") and called(call) in ("ProblemResponse", "_problem") and len(call.args) > 1:
            status, code = call.args[:2]
            if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                found.add((int(str(status.value)), str(code.value)))
    return found


def photo_codes() -> set[str]:
    """Every code that a photo is left out with."""
    found = set()
    for _, call in calls():
        place = {"BadImage": 0, "LeftOut": 1}.get(called(call))
        if place is not None and len(call.args) > place:
            code = call.args[place]
            if isinstance(code, ast.Constant):
                found.add(str(code.value))
    return found


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the code, with its file."""
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield file.relative_to(ROOT).as_posix(), node


def called(call: ast.Call) -> str:
    """The name of what is called."""
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def text_of(node: ast.expr) -> str:
    """A text in the code, "…" for each value that is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"


def over_http(kind: type[LookalikeError]) -> str:
    """Status and code of an error over HTTP."""
    problem = describe(BadImage("its code", "") if kind is BadImage else kind(""))
    return f"{problem.status} {problem.code}"


def page() -> str:
    """The whole page."""
    said = messages()
    lines = [INTRODUCTION, "## Exit codes", "", "| code | |", "|---|---|"]
    codes = {0: "done", 1: "failed", 2: "wrong usage", 3: "done, but some files could not be read", **ENDED}
    lines += [f"| {code} | {told} |" for code, told in codes.items()]
    lines += ["", "## Kinds", "", "| kind | when | what to do | exit code | over HTTP |", "|---|---|---|---|---|"]
    for kind in kinds():
        when = (kind.__doc__ or "").splitlines()[0].rstrip(".")
        lines.append(f"| {kind.__name__} | {when} | {kind.remedy} | {kind.exit_code} | {over_http(kind)} |")
    lines += ["", "The owner's page (`/admin`) answers StoreBusy, JobConflict and VersionError with 409, see below."]
    lines += ["", "## Photos that cannot be used", "", "`code` in quarantine.csv, and over HTTP with the status 422."]
    lines += ["", "| code | when | what to do |", "|---|---|---|"]
    lines += [f"| {code} | {entry.when} | {entry.remedy} |" for code, entry in sorted(PHOTO_CODES.items())]
    lines += ["", "## Over HTTP", "", "| status | code | when | what to do |", "|---|---|---|---|"]
    lines += [
        f"| {status} | {code} | {entry.when} | {entry.remedy} |"
        for (status, code), entry in sorted(PROBLEM_CODES.items())
    ]
    lines += ["", "## Every message", "", "Sorted; `…` stands for what differs from case to case."]
    for kind in kinds():
        if kind.__name__ in said:
            lines += ["", f"### {kind.__name__}", "", *(f"- {text}" for text in said[kind.__name__])]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write it."""
    logging.disable()  # of the errors that are made up to be described
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
