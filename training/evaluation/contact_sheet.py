"""A contact sheet: queries beside what was found for them, to see where an embedding is right and where wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image, ImageOps

from catalog.colour import to_rgb
from training.evaluation.pictures import GROUND, INK, SOFT, one_line, picture

RIGHT, WRONG = "#1a8a4f", "#c8372d"
"""Frames of a right and of a wrong answer; a mark in the caption says the same without colour."""
MARKS = {True: ("✓", RIGHT), False: ("✗", WRONG)}
BEHIND = "#f0eeea"
"""What shows beside a photo that is not square."""
TILE = 200
"""Side of a photo with its frame, in pixels, as all that follows."""
FRAME = 5
GAP = 16
QUERY_GAP = 44
"""Between a query and its first answer."""
MARGIN = 32
HEADER = 26
CAPTION = 40
"""Room for two lines under a photo."""
LINE_HEIGHT = 17
ASCENT = 11
"""From the top of a line to its baseline."""
MARK_WIDTH = 16
DPI = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One photo of a contact sheet."""

    image: Image.Image
    """Of any size and mode that the catalog takes."""
    caption: str
    """One line, or two parted by a line break; what does not fit is cut."""
    right: bool | None = None
    """A right answer (green frame), a wrong one (red), or, with None, neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRow:
    """A query and what was found for it."""

    query: Tile
    nearest: tuple[Tile, ...]
    """Nearest first."""


def draw_contact_sheet(
    rows: Sequence[ContactRow], path: Path, *, headings: tuple[str, str] = ("query", "nearest")
) -> None:
    """Draw one line per query: the query, then its answers, each in a frame that says whether it is right.

    Args:
        rows: at least one; they may be of different lengths.
        path: of the PNG.
        headings: over the queries, and over their first answers.

    Raises:
        ValueError: there are no rows.
        BadImage: a picture of a kind that the catalog does not take.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row; received none")
    columns = 1 + max(len(row.nearest) for row in rows)
    width = _left(columns) - GAP + MARGIN
    height = 2 * MARGIN + HEADER + len(rows) * (TILE + CAPTION + GAP) - GAP
    sheet = Image.new("RGB", (width, height), GROUND)
    with picture(path, width / DPI, height / DPI, dpi=DPI) as figure:
        for column, heading in enumerate([*headings, *(f"{rank}" for rank in range(2, columns))][:columns]):
            _write(figure, heading, _left(column), MARGIN, colour=SOFT)
        for place, row in enumerate(rows):
            top = MARGIN + HEADER + place * (TILE + CAPTION + GAP)
            for column, tile in enumerate([row.query, *row.nearest]):
                sheet.paste(_framed(tile), (_left(column), top))
                _write_caption(figure, tile, _left(column), top + TILE + 5)
        figure.figimage(sheet)  # type: ignore[arg-type]


def _left(column: int) -> int:
    """Left edge of a column; 0 is the queries'."""
    return MARGIN + column * (TILE + GAP) + (QUERY_GAP - GAP if column else 0)


def _framed(tile: Tile) -> Image.Image:
    """The whole photo in a square, with the frame of its verdict."""
    inner = TILE - 2 * FRAME
    photo = ImageOps.pad(to_rgb(tile.image), (inner, inner), Image.Resampling.LANCZOS, color=BEHIND)
    return ImageOps.expand(photo, FRAME, fill=BEHIND if tile.right is None else MARKS[tile.right][1])


def _write_caption(figure: Figure, tile: Tile, left: int, top: int) -> None:
    first, _, second = tile.caption.strip().partition("\n")
    mark, colour = ("", INK) if tile.right is None else MARKS[tile.right]
    indent = MARK_WIDTH if mark else 0
    _write(figure, mark, left, top, colour=colour)
    _write(figure, first, left + indent, top, colour=INK, width=TILE - indent)
    _write(figure, second, left + indent, top + LINE_HEIGHT, colour=SOFT, width=TILE - indent)


def _write(figure: Figure, words: str, left: int, top: int, *, colour: str, width: int = TILE) -> None:
    """Write one line into a line box with that top left corner, cut to the width."""
    across, down = figure.get_size_inches() * DPI
    line = one_line(words, 80)
    text = figure.text(left / across, 1 - (top + ASCENT) / down, line, color=colour, va="baseline")
    for length in range(len(line) - 1, 0, -1):
        if text.get_window_extent().width <= width:
            return
        text.set_text(one_line(line, length))
