"""The pictures: there, of the right size, saying by colour what they should, and the same bytes each time."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tests.conftest import draw_photo
from training.evaluation.contact_sheet import RIGHT, TILE, WRONG, ContactRow, Tile, draw_contact_sheet
from training.evaluation.pictures import GROUND, draw_confusion, draw_curves

Draw = Callable[[Path], None]


def rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def open_png(path: Path) -> Image.Image:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.convert("RGB")


def metrics(steps: int) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = []
    for step in range(10, steps + 1, 10):
        rows.append({"step": step, "loss": 5 - step / 200, "spread": 0.8, "learning_rate": 1e-4, "nt_xent": 4.0})
        if step % 50 == 0:
            rows.append({"step": step, "knn_accuracy": 0.5 + step / 2000})
    return rows


def sheet() -> list[ContactRow]:
    photos = [Tile(image=draw_photo(n), caption=f"bag {n}\n0.9{n}", right=n % 2 == 0) for n in range(4)]
    query = Tile(image=draw_photo(9), caption="a caption that is much too long for the width of one tile\nand more")
    return [ContactRow(query=query, nearest=tuple(photos)), ContactRow(query=query, nearest=tuple(photos[:2]))]


DRAWN: dict[str, Draw] = {
    "curves": lambda path: draw_curves(metrics(500), path),
    "confusion": lambda path: draw_confusion(["a", "b $5"], np.array([[9, 1], [0, 4]]), path),
    "sheet": lambda path: draw_contact_sheet(sheet(), path),
}


@pytest.mark.parametrize("name", DRAWN)
def test_same_input_gives_the_same_bytes_whatever_the_users_own_style(name: str, tmp_path: Path) -> None:
    DRAWN[name](tmp_path / "first.png")
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 20, "text.usetex": True}):
        DRAWN[name](tmp_path / "second.png")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert b"matplotlib" not in (tmp_path / "first.png").read_bytes().lower()
    assert dict(matplotlib.rcParams) == before
    assert {path.name for path in tmp_path.iterdir()} == {"first.png", "second.png"}


def test_curves_have_a_panel_for_each_number_that_is_there(tmp_path: Path) -> None:
    draw_curves(metrics(500), tmp_path / "four.png")
    assert open_png(tmp_path / "four.png").size == (3 * 525, 2 * 375)
    draw_curves([{"step": 1, "loss": 2.0, "spread": float("nan"), "surprise": 3.0}], tmp_path / "one.png")
    assert open_png(tmp_path / "one.png").size == (525, 375)
    with pytest.raises(ValueError, match="received rows with step, surprise"):
        draw_curves([{"step": 1, "surprise": 3.0}], tmp_path / "none.png")
    with pytest.raises(ValueError, match="received rows with none"):
        draw_curves([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_curves_are_drawn_from_what_training_logs(tmp_path: Path) -> None:
    lines = [json.dumps({"step": 10 * n, "contrastive_accuracy": n / 9, "views_per_second": 90.0}) for n in range(9)]
    rows = [json.loads(line) for line in lines]
    draw_curves(rows, tmp_path / "up.png")
    draw_curves(
        [{**row, "contrastive_accuracy": 1 - row["contrastive_accuracy"]} for row in rows], tmp_path / "down.png"
    )
    up, down = (np.asarray(open_png(tmp_path / name)).astype(int) for name in ("up.png", "down.png"))
    assert (up != down).any()
    line_up, line_down = ((picture == rgb("#0b6b61")).all(axis=2)[:, 100:500] for picture in (up, down))
    assert line_up[:, -80:].nonzero()[0].mean() < line_up[:, :80].nonzero()[0].mean()  # rows count downwards
    assert line_down[:, -80:].nonzero()[0].mean() > line_down[:, :80].nonzero()[0].mean()


def test_confusion_is_shaded_by_shares_of_the_true_label(tmp_path: Path) -> None:
    """One of 2 is as dark as 500 of 1,000, all of 3 is darkest, and a label without test rows stays empty."""
    path, labels = tmp_path / "confusion.png", ["rare", "often", "sure", "never"]
    draw_confusion(labels, np.array([[1, 1, 0, 0], [500, 500, 0, 0], [0, 0, 3, 0], [0, 0, 0, 0]]), path)
    picture = open_png(path)
    left = picture.width - 150 - 300  # the cells are 300 pixels in all, an inch from the right edge

    def cell(row: int, column: int) -> tuple[int, ...]:
        colour = picture.getpixel((left + 75 * column + 12, 37 + 75 * row + 12))
        assert isinstance(colour, tuple)
        return colour

    assert cell(0, 0) == cell(0, 1) == cell(1, 0) == cell(1, 1)
    assert sum(cell(2, 2)) < sum(cell(0, 0)) < sum(rgb(GROUND))
    assert {cell(3, column) for column in range(4)} == {cell(0, 2)} == {rgb(GROUND)}


@pytest.mark.parametrize("count", [1, 20, 21, 100, 150])
def test_confusion_of_any_number_of_labels(count: int, tmp_path: Path) -> None:
    draw_confusion(
        [f"a rather long label {n}" for n in range(count)], np.eye(count, dtype=np.int64), tmp_path / "c.png"
    )
    width, height = open_png(tmp_path / "c.png").size
    assert 300 < height < width < 2800


def test_confusion_needs_counts_of_its_labels(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"needs \(2, 2\) counts"):
        draw_confusion(["a", "b"], np.zeros((3, 3), dtype=np.int64), tmp_path / "c.png")


def test_contact_sheet_frames_say_right_and_wrong(tmp_path: Path) -> None:
    draw_contact_sheet(sheet(), tmp_path / "sheet.png")
    picture = np.asarray(open_png(tmp_path / "sheet.png"))
    edges = np.array([picture[60, column] for column in range(picture.shape[1])])  # along the top of the first row
    runs = [
        "right" if tuple(colour) == rgb(RIGHT) else "wrong"
        for colour, before in zip(edges[1:], edges[:-1], strict=True)
        if tuple(colour) in (rgb(RIGHT), rgb(WRONG)) and tuple(colour) != tuple(before)
    ]
    assert runs == ["right", "wrong", "right", "wrong"]
    for colour, frames in ((RIGHT, 3), (WRONG, 3)):
        painted = (picture == rgb(colour)).all(axis=2).sum()
        assert painted == pytest.approx(frames * (TILE**2 - (TILE - 10) ** 2), rel=0.02)  # and the marks


def test_contact_sheet_shows_whole_photos_of_every_kind(tmp_path: Path) -> None:
    wide, tall = Image.new("RGB", (600, 30), "blue"), Image.new("L", (30, 600), 0)
    see_through = Image.new("RGBA", (50, 50), (255, 0, 0, 0))
    row = ContactRow(
        query=Tile(image=wide, caption=""),
        nearest=tuple(Tile(image=image, caption="x") for image in (tall, see_through)),
    )
    draw_contact_sheet([row], tmp_path / "sheet.png")
    picture = np.asarray(open_png(tmp_path / "sheet.png"))
    blue = (picture == (0, 0, 255)).all(axis=2)
    assert blue.any(axis=0).sum() == pytest.approx(TILE - 10, abs=2)
    assert blue.any(axis=1).sum() == pytest.approx((TILE - 10) / 20, abs=2)
    assert (picture == (255, 255, 255)).all(axis=2).sum() == pytest.approx((TILE - 10) ** 2, rel=0.05)


def test_captions_stay_under_their_tile_and_scripts_without_a_font_raise_nothing(tmp_path: Path) -> None:
    long = Tile(image=Image.new("RGB", (9, 9)), caption="W" * 90 + "\n" + "字" * 90)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_contact_sheet([ContactRow(query=long, nearest=(long, long))], tmp_path / "sheet.png")
    picture = np.asarray(open_png(tmp_path / "sheet.png")).astype(int)
    under = np.abs(picture[263:300] - rgb(GROUND)).max(axis=2) > 20  # the two lines under the tiles
    written = under.sum(axis=0)
    assert written[32:232].any()
    assert not written[233:275].any()  # between the query and its first answer
    assert not written[477:491].any()  # between two answers
    assert not written[-31:].any()


def test_contact_sheet_needs_a_row(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        draw_contact_sheet([], tmp_path / "sheet.png")
