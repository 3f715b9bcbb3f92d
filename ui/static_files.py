"""What the pages are made of: static/*.html, *.css and *.js, put into a page as they are."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files


def static(name: str) -> str:
    """The text of a file in static/."""
    return (files("ui") / "static" / name).read_text(encoding="utf-8")


def style(names: Iterable[str]) -> str:
    """static/*.css as one element."""
    return "<style>\n" + "\n".join(static(f"{name}.css") for name in names) + "\n</style>"


def scripts(names: Iterable[str]) -> str:
    """static/*.js, in the order given, as elements."""
    return "\n".join(f"<script>\n{static(f'{name}.js')}\n</script>" for name in names)
