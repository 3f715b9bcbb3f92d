"""The colour block: against a loop over pixels, what it tells apart, and weights against the two cosines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from index.blocks import projected, weigh
from index.colour import DIMENSION, HIGH, LOW, colour_descriptor, object_weights, soft_histogram, to_lab
from index.vectors import Embeddings, block_products, unit_norm

BLOCKS = {"projection": 5, "colour": 3}


def thing(colour: str, background: str = "white", *, box: tuple[int, int, int, int] = (45, 45, 115, 115)) -> np.ndarray:
    image = Image.new("RGB", (160, 160), background)
    ImageDraw.Draw(image).ellipse(box, fill=colour)
    return np.asarray(image)


def alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(colour_descriptor(one) @ colour_descriptor(other))


def test_lab_is_that_of_published_values() -> None:
    """CIELAB (D50) of sRGB's corners, as colour tables give them."""
    for colour, expected in {
        "white": (100, 0, 0),
        "black": (0, 0, 0),
        "red": (54.3, 80.8, 69.9),
        "lime": (87.8, -79.3, 81.0),
        "blue": (29.6, 68.3, -112.0),
    }.items():
        found = to_lab(np.asarray(Image.new("RGB", (40, 40), colour)))
        assert found[7, 9] == pytest.approx(expected, abs=0.8), colour


def test_the_histogram_is_that_of_a_loop_over_pixels() -> None:
    random = np.random.default_rng(0)
    lab = random.uniform((-10, -90, -90), (110, 90, 90), size=(6, 5, 3))
    weights = random.uniform(size=(6, 5))
    bins = (3, 4, 5)
    expected = np.zeros(bins)
    for values, weight in zip(lab.reshape(-1, 3), weights.ravel(), strict=True):
        shares = []
        for value, low, high, count in zip(values, LOW, HIGH, bins, strict=True):
            middles = np.linspace(low, high, count)
            shares.append([np.interp(value, middles, np.eye(count)[bin_]) for bin_ in range(count)])
        expected += weight * np.einsum("i,j,k->ijk", *shares)
    np.testing.assert_allclose(soft_histogram(lab, weights, bins), expected.ravel(), atol=1e-12)
    assert expected.sum() == pytest.approx(weights.sum())


def test_the_same_thing_on_another_table_is_nearer_than_another_thing_on_the_same() -> None:
    asked = thing("crimson", "white")
    assert alike(asked, thing("crimson", "tan")) > alike(asked, thing("navy", "white")) + 0.3
    assert alike(asked, thing("crimson", box=(30, 60, 90, 120))) > 0.95  # moved
    assert alike(asked, thing("crimson", box=(55, 55, 105, 105))) > 0.9  # smaller
    assert alike(asked, asked) == pytest.approx(1.0, abs=1e-6)


def test_near_colours_are_nearer_than_far_ones() -> None:
    to_red = [alike(thing("#c02020"), thing(other)) for other in ("#c82828", "#c05020", "#2040c0")]
    assert to_red == sorted(to_red, reverse=True)
    assert to_red[0] > 0.97


@given(level=st.integers(0, 255), side=st.integers(1, 60))
def test_a_photo_of_one_colour_has_a_descriptor(level: int, side: int) -> None:
    found = colour_descriptor(np.full((side, 40, 3), level, np.uint8))
    assert found.shape == (DIMENSION,)
    assert found.dtype == np.float32
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-5)
    assert object_weights(to_lab(np.full((side, 40, 3), level, np.uint8))).min() > 0


@given(seed=st.integers(0, 2**32 - 1), colour=st.floats(0, 1, width=32))
def test_a_weighed_query_scores_the_weighted_mean_of_the_cosines(seed: int, colour: float) -> None:
    random = np.random.default_rng(seed)
    parts = [unit_norm(random.normal(size=(4, width)).astype(np.float32)) for width in BLOCKS.values()]
    vectors = np.concatenate(parts, axis=1)
    found = weigh(vectors[:1], BLOCKS, colour) @ vectors.T
    expected = (1 - colour) * parts[0][:1] @ parts[0].T + colour * parts[1][:1] @ parts[1].T
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found).max() <= 1 + 1e-5
    np.testing.assert_array_equal(projected(vectors, BLOCKS), parts[0])
    np.testing.assert_allclose(
        block_products(vectors, vectors[::-1], BLOCKS),
        np.stack([(part * part[::-1]).sum(axis=1) for part in parts], axis=1),
        atol=1e-6,
    )


def test_embeddings_need_every_block_at_unit_norm() -> None:
    vectors = np.concatenate([np.eye(2, 5, dtype=np.float32), np.eye(2, 3, dtype=np.float32)], axis=1)
    ids = np.arange(2)
    Embeddings(ids, vectors, BLOCKS)
    with pytest.raises(ValueError, match="every block"):
        Embeddings(ids, vectors * np.repeat(np.array([1.4, 0.2], np.float32), [5, 3]), BLOCKS)
    with pytest.raises(ValueError, match="as wide as their blocks"):
        Embeddings(ids, vectors, {"projection": 5})
