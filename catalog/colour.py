"""Turn a decoded picture of any colour mode into plain RGB, as it would look on a white page."""

from __future__ import annotations

from PIL import Image

from catalog.errors import BadImage

_SIXTEEN_BIT = {"I;16": 1, "I;16L": 1, "I;16B": 0, "I;16N": 1}
"""Modes of 16 bits per pixel, and where the high byte lies in the little- or big-endian pair."""


def to_rgb(image: Image.Image) -> Image.Image:
    """A loaded picture as RGB, 8 bits a channel.

    16-bit grey keeps its high byte (as Pillow itself does for 16-bit colour; `convert("RGB")` would clip nearly
    everything to white), transparency of every kind (alpha channel, palette, one transparent colour) is laid over
    white, CMYK, palette, grey and YCbCr are converted. Embedded colour profiles are not applied.

    Raises:
        BadImage: "unsupported-format" for pixels of 32 bits, floating point or LAB.
    """
    if image.mode in _SIXTEEN_BIT:
        return _grey_16(image)
    if image.has_transparency_data:
        return _over_white(image)
    if image.mode == "RGB":
        return image
    if image.mode in ("I", "F", "LAB"):
        raise BadImage(
            "unsupported-format",
            f"pixels must have 8 or 16 bits a channel, grey, RGB or CMYK; these are of the kind {image.mode}: "
            "save it as a plain JPEG or PNG",
        )
    return image.convert("RGB")


def _grey_16(image: Image.Image) -> Image.Image:
    """16-bit grey, perhaps with one transparent grey value."""
    wide = image.tobytes()
    grey = Image.frombytes("L", image.size, wide[_SIXTEEN_BIT[image.mode] :: 2])
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        opaque = [255] * 65536
        opaque[transparent & 0xFFFF] = 0
        mask = image.convert("I").point(opaque, "L")
        white = Image.new("L", image.size, 255)
        white.paste(grey, mask=mask)
        grey = white
    return grey.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    """A picture with transparency, laid over white."""
    transparent = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(transparent, tuple) and max(transparent) > 255:
        # a 16-bit PNG: its pixels were cut to their high bytes, its transparent colour was not
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    del image
    alpha = rgba.getchannel("A")
    rgb = rgba.convert("RGB")
    del rgba
    if alpha.getextrema() == (255, 255):
        return rgb
    white = Image.new("RGB", rgb.size, (255, 255, 255))
    white.paste(rgb, mask=alpha)
    return white
