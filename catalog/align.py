"""Where one picture lies within another: the search for the crop, and its exact place.

Two pictures of the same scene at most differ by a crop, a change of size and a mirroring. The crop is searched for at
every size and place by normalised cross-correlation (J. P. Lewis, "Fast normalized cross-correlation", 1995), on small
grey pictures by the Fourier transform, and is then placed to a fraction of a pixel by Gauss-Newton steps (S. Baker and
I. Matthews, "Lucas-Kanade 20 years on", IJCV 2004) that give little weight to pixels which differ for another reason,
such as a watermark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.fft
from PIL import Image

Floats = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in parts of the picture's width and height."""

SIDE = 160
"""Long side of a picture as it is compared, in pixels."""
COARSE_SIDE = 48
"""Long side of the grey picture in which a crop is searched for, in pixels; the transforms are of this size."""
LEAST_CROP = 0.5
"""A crop keeps at least this part of the long side."""
SIZES = np.geomspace(1.0, LEAST_CROP, 12)
"""The sizes of a crop that are tried."""
LEAST_CONTRAST = 2.0
"""Standard deviation of grey levels below which a part of a picture shows nothing to go by."""
ROUGH, EXACT = (32,), (64, 128)
"""Long sides at which a crop is placed, one after the other, in pixels."""
STEPS = 5
"""Most Gauss-Newton steps at each of them."""
SETTLED = 0.1
"""Pixels by which a step must move an edge for another one to follow."""
LEAST_SPREAD = 6.0
"""Grey levels by which the same picture may differ anywhere without a pixel losing weight."""


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A photo, small, as it is compared with others.

    Attributes:
        image: RGB, its long side of SIDE pixels.
    """

    image: Image.Image

    @classmethod
    def of(cls, photo: Image.Image) -> Thumbnail:
        """Of an RGB photo of any size and shape."""
        return cls(_resized(photo, SIDE))

    @cached_property
    def mirrored(self) -> Thumbnail:
        """The same, left and right exchanged."""
        return Thumbnail(self.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))

    @cached_property
    def grey(self) -> Image.Image:
        """Grey levels, in floating point."""
        return self.image.convert("L").convert("F")

    @cached_property
    def scene(self) -> Scene:
        """As the picture that crops are searched for in."""
        return Scene.of(np.asarray(_resized(self.image.convert("L"), COARSE_SIDE), np.float32))

    @cached_property
    def templates(self) -> list[Template]:
        """As the picture that is searched for, at every size."""
        grey = self.image.convert("L")
        return [Template.of(np.asarray(_resized(grey, round(COARSE_SIDE * size)), np.float32)) for size in SIZES]


@dataclass(frozen=True, eq=False)
class Scene:
    """A grey picture that crops are searched for in.

    Attributes:
        height, width: in pixels.
        transform: Fourier transform of the levels, of mean 0.
        sums: float64 (2, H + 1, W + 1), integral images of the levels and of their squares, for a window's contrast.
    """

    height: int
    width: int
    transform: npt.NDArray[np.complex64]
    sums: npt.NDArray[np.float64]

    @classmethod
    def of(cls, grey: Floats) -> Scene:
        """Of grey levels, float32 (H, W), at most COARSE_SIDE wide and high."""
        centred = grey - grey.mean()
        sums = np.zeros((2, grey.shape[0] + 1, grey.shape[1] + 1))
        sums[:, 1:, 1:] = np.stack([centred, centred**2]).astype(np.float64).cumsum(1).cumsum(2)
        return cls(grey.shape[0], grey.shape[1], scipy.fft.rfft2(centred, (COARSE_SIDE, COARSE_SIDE)), sums)

    def find(self, templates: list[Template]) -> tuple[float, Box]:
        """The best place of a picture in this one: normalised cross-correlation in [-1, 1], and the box.

        -1 where it fits nowhere.
        """
        fitting = [each for each in templates if each.height <= self.height and each.width <= self.width]
        best, box = -1.0, (0.0, 0.0, 1.0, 1.0)
        if not fitting:
            return best, box
        spectra = np.stack([each.conjugate for each in fitting])
        products = scipy.fft.irfft2(spectra * self.transform, (COARSE_SIDE, COARSE_SIDE))
        for template, product in zip(fitting, products, strict=True):
            rows, columns = self.height - template.height + 1, self.width - template.width + 1
            correlation = product[:rows, :columns] / self._contrast(template.height, template.width)
            place = int(correlation.argmax())
            top, left = divmod(place, columns)
            if correlation[top, left] > best:
                best = float(correlation[top, left])
                box = (
                    left / self.width,
                    top / self.height,
                    (left + template.width) / self.width,
                    (top + template.height) / self.height,
                )
        return best, box

    def _contrast(self, height: int, width: int) -> npt.NDArray[np.float64]:
        """Root of the summed squares about the mean, of every window of this size."""
        sums = self.sums
        total, squares = (
            sums[:, height:, width:]
            - sums[:, :-height, width:]
            - sums[:, height:, :-width]
            + sums[:, :-height, :-width]
        )
        pixels = height * width
        contrast: npt.NDArray[np.float64] = np.sqrt(np.maximum(squares - total**2 / pixels, pixels * LEAST_CONTRAST**2))
        return contrast


@dataclass(frozen=True, eq=False)
class Template:
    """A grey picture that is searched for: the conjugate transform of its levels, of mean 0 and norm 1."""

    height: int
    width: int
    conjugate: npt.NDArray[np.complex64]

    @classmethod
    def of(cls, grey: Floats) -> Template:
        """Of grey levels, float32 (H, W), at most COARSE_SIDE wide and high."""
        centred = grey - grey.mean()
        centred /= max(float(np.linalg.norm(centred)), LEAST_CONTRAST * np.sqrt(grey.size))
        return cls(grey.shape[0], grey.shape[1], scipy.fft.rfft2(centred, (COARSE_SIDE, COARSE_SIDE)).conj())


def refine(scene: Image.Image, part: Image.Image, box: Box, sides: tuple[int, ...]) -> Box:
    """Move a box until what it shows of the scene is as like the part as can be.

    Args:
        scene, part: grey levels in floating point (mode F).
        box: where the part lies in the scene, to a pixel or two of the first side.
        sides: ROUGH, then EXACT.
    """
    edges = np.array(box)
    for side in sides:
        for _ in range(STEPS):
            step = _step(scene, part, edges, side)
            edges = np.clip(edges + step, 0, 1)
            if edges[2] - edges[0] < LEAST_CROP / 2 or edges[3] - edges[1] < LEAST_CROP / 2:
                return box
            if np.abs(step).max() < SETTLED / side:
                break
    return (float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3]))


def _step(scene: Image.Image, part: Image.Image, edges: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """By how much to move the edges of a box, float64 (4,), seen at a long side of so many pixels."""
    across, down = float(edges[2] - edges[0]), float(edges[3] - edges[1])
    scale = side / max(across * scene.width, down * scene.height)
    width, height = max(8, round(across * scene.width * scale)), max(8, round(down * scene.height * scale))
    wanted = np.asarray(part.resize((width, height), Image.Resampling.HAMMING))
    seen = np.asarray(cut(scene, (edges[0], edges[1], edges[2], edges[3]), (width, height)))
    error = (wanted - seen).ravel()
    error = error - np.median(error)
    slope_down, slope_across = np.gradient(seen)
    slope_down, slope_across = slope_down * (height / down), slope_across * (width / across)
    u = (np.arange(width, dtype=np.float32) + 0.5) / width
    v = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    slopes = np.stack([slope_across * (1 - u), slope_down * (1 - v), slope_across * u, slope_down * v]).reshape(4, -1)
    spread = max(LEAST_SPREAD, 1.4826 * float(np.median(np.abs(error))))
    weighted = slopes / (1 + (error / (2 * spread)) ** 2)  # Cauchy's weights: a watermark counts for little
    system = weighted @ slopes.T
    system += 1e-4 * (np.trace(system) + 1) * np.eye(4)
    return np.linalg.solve(system, weighted @ error).clip(-0.05, 0.05)


def cut(picture: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """What a box shows of a picture, at a size (width, height) in pixels."""
    width, height = picture.size
    return picture.resize(
        size,
        Image.Resampling.HAMMING,
        box=(box[0] * width, box[1] * height, box[2] * width, box[3] * height),
    )


def _resized(picture: Image.Image, side: int) -> Image.Image:
    """A picture at another size: its long side of so many pixels."""
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.HAMMING, reducing_gap=3.0)
