"""The same picture after whatever shops do to it, and look-alikes that are not the same picture."""

from __future__ import annotations

from itertools import combinations

import pytest
from PIL import Image, ImageDraw, ImageFont

from catalog.align import Thumbnail
from catalog.same_picture import Comparison, compare
from tests.catalog.drawn import PRODUCTS, at_home, saved, studio

NUMBERS = (1, 6, 14, 23)


def held(one: Image.Image, other: Image.Image) -> Comparison:
    """What is found, whichever of the two is named first."""
    there, back = compare(Thumbnail.of(one), Thumbnail.of(other)), compare(Thumbnail.of(other), Thumbnail.of(one))
    assert (there.same, there.mirrored) == (back.same, back.mirrored)
    return there


def marked(photo: Image.Image, words: str, colour: str) -> Image.Image:
    mask = Image.new("L", photo.size)
    font = ImageFont.load_default(photo.height / 7)
    ImageDraw.Draw(mask).text((photo.width / 2, photo.height / 2), words, 110, font, anchor="mm")
    copy = photo.copy()
    copy.paste(colour, mask=mask)
    return copy


@pytest.mark.parametrize("number", NUMBERS)
def test_resized_and_saved_again(number: int) -> None:
    for photo in (studio(number), at_home(number)):
        for copy in (
            photo,
            saved(photo, 25),
            photo.resize((90, 90)),
            photo.resize((700, 700)),
            photo.resize((256, 230)),
        ):
            found = held(photo, copy)
            assert found.same and not found.mirrored and not found.marked
            assert found.overlap > 0.97 and found.different < 0.01


@pytest.mark.parametrize("number", NUMBERS)
def test_cropped(number: int) -> None:
    for photo in (studio(number), at_home(number)):
        for box in ((0, 0, 200, 256), (30, 20, 230, 225), (60, 70, 220, 230)):
            found = held(photo, saved(photo.crop(box), 85))
            assert found.same and not found.mirrored
            area = (box[2] - box[0]) * (box[3] - box[1]) / 256**2
            assert found.overlap == pytest.approx(area, abs=0.03)


@pytest.mark.parametrize("number", NUMBERS)
def test_mirrored(number: int) -> None:
    photo = at_home(number)
    flipped = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for copy in (flipped, flipped.crop((20, 10, 240, 235))):
        found = held(photo, saved(copy, 85))
        assert found.same and found.mirrored


@pytest.mark.parametrize("number", NUMBERS)
def test_watermarked(number: int) -> None:
    for photo in (studio(number), at_home(number)):
        for colour in ("white", "black"):
            assert held(photo, saved(marked(photo, "SAMPLE", colour), 88)).same
    assert any(held(at_home(number), marked(at_home(number), "SAMPLE", colour)).marked for colour in ("white", "black"))


def test_the_same_design_in_another_colour_is_another_picture() -> None:
    pairs = [
        (one, other)
        for family in range(0, 16, 4)
        for one, other in combinations(range(family, family + 4), 2)
        if PRODUCTS[one].scale == PRODUCTS[other].scale
    ]
    assert len(pairs) >= 12
    assert [pair for pair in pairs if held(studio(pair[0]), studio(pair[1])).same] == []


def test_another_photo_of_the_same_product_is_another_picture() -> None:
    assert [number for number in range(12) if held(studio(number), at_home(number)).same] == []


def test_small_things_on_a_white_page_are_told_apart() -> None:
    def page(draw_thing: str) -> Image.Image:
        white = Image.new("RGB", (256, 256), "white")
        draw = ImageDraw.Draw(white)
        if draw_thing == "ring":
            draw.ellipse((118, 118, 138, 138), outline="goldenrod", width=4)
        else:
            draw.rectangle((120, 120, 136, 136), fill="navy")
        return white

    assert not held(page("ring"), page("square")).same
    assert held(page("ring"), saved(page("ring"), 60)).same


def test_plain_and_tiny_pictures_are_compared_without_an_error() -> None:
    plain, tiny, long = (Image.new("RGB", size, "red") for size in ((300, 200), (8, 8), (4000, 8)))
    for one, other in combinations((plain, tiny, long, at_home(0)), 2):
        assert not held(one, other).same or {one.size, other.size} == {(300, 200), (8, 8)}
