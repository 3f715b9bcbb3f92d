"""Crafted pictures for the tests of this folder: odd ones that are good, bad ones with their code, costly ones.

All are made of bytes or by Pillow, from seeds: the same every time.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from tests.catalog.test_image import TO_UPRIGHT, encoded, png, png_chunk
from tests.conftest import draw_photo

NOT_TRUNCATED = ("TIFF", "AVIF")
"""Formats whose decoders cannot tell a cut file from a damaged one."""


@dataclass(frozen=True, slots=True)
class GoodPhoto:
    """A photo that must be indexed as it looks.

    Attributes:
        name: of its file, as bytes.
        content: of its file.
        look: what it shows: upright, RGB, over white.
    """

    name: bytes
    content: bytes
    look: Image.Image


@dataclass(frozen=True, slots=True)
class BadPhoto:
    """A photo that must be left out under one of some codes."""

    name: bytes
    content: bytes
    codes: tuple[str, ...]


def good_photos() -> Iterator[GoodPhoto]:
    """Everything odd that is no reason to lose a photo; each looks like no other."""
    exact: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 100, "subsampling": 0},
        "PNG": {},
        "WEBP": {"lossless": True},
    }
    for number, (image_format, options) in enumerate(exact.items()):
        stored = np.asarray(draw_photo(number))
        for orientation, upright in TO_UPRIGHT.items():  # the same pixels, to be seen in eight ways
            exif = Image.Exif()
            exif[0x0112] = orientation
            name = f"orientation-{orientation}.{image_format.lower()}".encode()
            look = Image.fromarray(np.ascontiguousarray(upright(stored)))
            yield GoodPhoto(name, encoded(stored, image_format, exif=exif, **options), look)
    yield from _odd_colours()
    few = draw_photo(20).quantize(64)
    black = Image.new("P", few.size)
    many = encoded(few, "GIF", save_all=True, append_images=[black if n % 2 else few for n in range(1499)])
    yield GoodPhoto(b"1500-frames.gif", many, few.convert("RGB"))
    yield GoodPhoto(b"really-a-png.jpg", encoded(draw_photo(21), "PNG"), draw_photo(21))
    yield GoodPhoto(b"really-a-webp.png", encoded(draw_photo(22), "WEBP", lossless=True), draw_photo(22))
    for number, name in enumerate(odd_names(), 30):
        yield GoodPhoto(name + b".png", encoded(draw_photo(number), "PNG"), draw_photo(number))


def odd_names() -> tuple[bytes, ...]:
    """Names without their ending of 4 bytes that a file may have."""
    return (b"with  spaces ", b"new\nline", b"-rf", b"--store", b"caf\xe9", b"100%25", b'"quoted", comma', b"n" * 251)


def _odd_colours() -> Iterator[GoodPhoto]:
    photo = draw_photo(10)
    yield GoodPhoto(b"cmyk.jpg", encoded(photo.convert("CMYK"), "JPEG", quality=100, subsampling=0), photo)
    photo = draw_photo(11)
    yield GoodPhoto(b"cmyk.tif", encoded(photo.convert("CMYK"), "TIFF"), photo)
    photo = draw_photo(12)
    wide = (np.asarray(photo).astype(np.uint16) * 257).astype(">u2")
    yield GoodPhoto(b"16-bit.png", png(*photo.size, 16, 2, wide.tobytes()), photo)
    grey = draw_photo(13).convert("L")
    wide = np.asarray(grey).astype(np.uint16) * 257
    yield GoodPhoto(b"16-bit-grey.png", encoded(wide, "PNG"), grey.convert("RGB"))  # type: ignore[arg-type]
    few = draw_photo(14).quantize(16)
    index, palette = np.asarray(few), np.array(few.getpalette()).reshape(-1, 3)
    clear = int(np.bincount(index.ravel()).argmax())  # of the ground, most of which is now to be white
    look = np.where((index == clear)[..., None], 255, palette[index]).astype(np.uint8)
    palette[clear] = 255, 0, 0  # is not to be seen
    few.putpalette(palette.ravel().tolist())
    for image_format in ("PNG", "GIF"):
        name = f"palette-{image_format}.{image_format}".encode().lower()
        yield GoodPhoto(name, encoded(few, image_format, transparency=clear), Image.fromarray(look))
        look, few = look[:, ::-1].copy(), few.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = np.asarray(draw_photo(15))
    clear_part = np.zeros(pixels.shape[:2], bool)
    clear_part[:, ::3] = True
    rgba = np.dstack([np.where(clear_part[..., None], 0, pixels), np.where(clear_part, 0, 255)]).astype(np.uint8)
    look = np.where(clear_part[..., None], 255, pixels).astype(np.uint8)
    yield GoodPhoto(b"alpha.webp", encoded(rgba, "WEBP", lossless=True, exact=True), Image.fromarray(look))


def bad_photos(cuts: int) -> Iterator[BadPhoto]:
    """Everything that must be left out; each format cut at so many places."""
    photos = whole_photos()
    for label, whole in photos.items():
        codes = ("truncated", "corrupt") if label.startswith(NOT_TRUNCATED) else ("truncated",)
        for part in np.linspace(0.25, 0.95, cuts):
            name = f"cut-{label}-{part:.3f}.{label.split('-')[0]}".lower().encode()
            yield BadPhoto(name, whole[: int(len(whole) * part)], codes)
    for name in odd_names():
        yield BadPhoto(name + b".jpg", photos["JPEG"][:700], ("truncated",))
    yield BadPhoto(b"zero.jpg", b"", ("empty",))
    for name, content in {
        b"page.jpg": b"<!DOCTYPE html><html><body>404</body></html>",
        b"drawing.png": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>',
        b"drawing.tif": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40),
        b"words.gif": b"GIF is what this begins with",
    }.items():
        yield BadPhoto(name, content, ("unsupported-format",))
    yield from _bombs()
    for name, size in {b"1x1.png": (1, 1), b"10000x1.jpg": (10_000, 1), b"1x10000.webp": (1, 10_000)}.items():
        ending = {"jpg": "JPEG"}.get(name.decode().split(".")[1], name.decode().split(".")[1].upper())
        yield BadPhoto(name, encoded(Image.new("RGB", size), ending), ("too-small",))


def whole_photos() -> dict[str, bytes]:
    """A photo of noise in every format, and in some formats' other ways."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    return {
        **{kind: encoded(noise, kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")},
        "JPEG-progressive": encoded(noise, "JPEG", progressive=True),
        "JPEG-cmyk": encoded(noise.convert("CMYK"), "JPEG"),
        "PNG-alpha": encoded(noise.convert("RGBA"), "PNG"),
        "WEBP-lossless": encoded(noise, "WEBP", lossless=True),
        "TIFF-lzw": encoded(noise, "TIFF", compression="tiff_lzw"),
    }


def _bombs() -> Iterator[BadPhoto]:
    deflated = zlib.compressobj(9)
    rows = b"".join(deflated.compress(bytes(3751 * 1000)) for _ in range(30)) + deflated.flush()
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0))
    whole = b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")
    yield BadPhoto(b"30000x30000.png", whole, ("too-many-pixels",))
    lying = bytearray(encoded(draw_photo(1), "JPEG"))
    start = lying.index(b"\xff\xc0") + 5
    lying[start : start + 4] = struct.pack(">HH", 4000, 4000)
    yield BadPhoto(b"lying.jpg", bytes(lying), ("truncated",))
    yield BadPhoto(b"lying.png", png(4000, 4000, 8, 2, bytes(3000)), ("truncated", "corrupt"))
    gif = bytearray(encoded(draw_photo(1).quantize(16), "GIF"))
    frame = gif.index(b",", 13 + 3 * 16) + 5  # a frame far larger than the canvas
    gif[frame : frame + 4] = struct.pack("<HH", 60_000, 60_000)
    yield BadPhoto(b"lying.gif", bytes(gif), ("too-many-pixels",))
    webp = bytearray(encoded(draw_photo(1).convert("RGBA"), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"))
    webp[24:30] = (16_000).to_bytes(3, "little") * 2
    yield BadPhoto(b"lying.webp", bytes(webp), ("too-many-pixels",))
    zeros, picture = zlib.compress(bytes(80_000_000), 9), bytes(16 * 16 * 3)
    yield BadPhoto(b"iccp.png", png(16, 16, 8, 2, picture, (b"iCCP", b"profile\0\0" + zeros)), ("bomb",))
    yield BadPhoto(b"ztxt.png", png(16, 16, 8, 2, picture, (b"zTXt", b"Comment\0\0" + zeros)), ("bomb",))
    yield BadPhoto(b"100000-passes.jpg", progressive_jpeg(2000, 2000, passes=100_000), ("bomb",))


def progressive_jpeg(width: int, height: int, passes: int) -> bytes:
    """A grey JPEG of many passes over the picture, each of which says in a few bytes that nothing changes."""
    blocks = -(-width // 8) * -(-height // 8)
    content = _jpeg_head(0xC2, width, height, {0x00: 0x00, 0x10: 0xE0})  # 0xE0: nothing in the next 16,384 blocks
    content += _scan((1, 2, 3), 0, 0, blocks * 3)
    again = _scan((1,), 1, 63, -(-blocks // 16_384) * 15)
    return content + again * passes + b"\xff\xd9"


def separate_scans_jpeg(width: int, height: int) -> bytes:
    """A grey baseline JPEG, colour after colour: the decoder keeps all coefficients, 6 bytes a pixel."""
    blocks = -(-width // 8) * -(-height // 8)
    content = _jpeg_head(0xC0, width, height, {0x00: 0x00, 0x10: 0x00})
    return content + b"".join(_scan((colour,), 0, 63, blocks * 2) for colour in (1, 2, 3)) + b"\xff\xd9"


def _jpeg_head(frame: int, width: int, height: int, codes: dict[int, int]) -> bytes:
    """Up to the first scan; every Huffman table has one code, "0", which makes zero bytes a picture (ITU T.81)."""
    content = b"\xff\xd8" + _segment(0xDB, b"\0" + bytes([1] * 64))
    colours = b"".join(bytes([colour, 0x11, 0]) for colour in (1, 2, 3))
    content += _segment(frame, struct.pack(">BHHB", 8, height, width, 3) + colours)
    return content + b"".join(_segment(0xC4, bytes([table, 1, *[0] * 15, symbol])) for table, symbol in codes.items())


def _scan(colours: tuple[int, ...], first: int, last: int, bits: int) -> bytes:
    chosen = b"".join(bytes([colour, 0]) for colour in colours)
    return _segment(0xDA, bytes([len(colours)]) + chosen + bytes([first, last, 0])) + bytes(bits // 8 + 1)


def _segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def costly_uploads() -> Iterator[tuple[str, bytes]]:
    """Uploads of at most 20 MiB that cost a decoder as much memory or time as can be thought of; quick ones first."""
    yield "JPEG, colour after colour, 120 MP", separate_scans_jpeg(10_950, 10_950)
    yield "PNG, 66 MB of compressed text", _png_with_text(66)
    yield "TIFF, a tile of 4 GB", _tiff(64, 64, 5, {322: 65_520, 323: 65_520, 324: 8, 325: 100})
    yield "TIFF, a strip of 2 GB", _tiff(64, 64, 5, {273: 8, 278: 2**31, 279: 2**31})
    yield "BMP, 10 million empty lines", _rle_bmp(b"\0\1" * (10 * 2**20 - 1000))
    large = Image.new("RGB", (5000, 5000), (3, 200, 9))
    yield "TIFF, 25 MP with alpha", encoded(large.convert("RGBA"), "TIFF", compression="tiff_lzw")
    yield "AVIF, 36 MP that say they are 64 x 64", _lying_avif(6000, 6000)
    rows = zlib.compress(bytes(5000 * 5000 * 8 + 5000 * 16), 1)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 5000, 5000, 16, 6, 0, 0, 1))
    interlaced = b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")
    yield "PNG, 25 MP of 16 bits with alpha, interlaced", interlaced
    yield "JPEG, 60 MP in 290 passes", progressive_jpeg(7740, 7740, passes=290)
    frames = [Image.new("RGBA", large.size, (9, n, 9, 99)) for n in range(3)]
    yield "WebP, three frames of 25 MP", encoded(frames[0], "WEBP", save_all=True, append_images=frames, method=0)
    yield "GIF, 25 MP with a transparent colour", encoded(large.quantize(4), "GIF", transparency=0)
    yield "AVIF, 25 MP in full colour", encoded(large, "AVIF", speed=10, subsampling="4:4:4")
    yield "AVIF, 108 MP that say they are 64 x 64", _lying_avif(12_000, 9000)
    offsets = bytes(19_000_000)
    yield "TIFF, 19 million strips", _tiff(5000, 5000, 1, {273: offsets, 278: 1, 279: 0})
    yield "TIFF, 19 million tiles", _tiff(5000, 5000, 1, {322: 1, 323: 1, 324: offsets, 325: 0})
    small = encoded(draw_photo(0), "JPEG")
    for name, marker in {"comments": b"\xff\xfe\0\2", "application data": b"\xff\xe3\0\2"}.items():
        yield f"JPEG, 5 million times {name}", small[:2] + marker * (5 * 2**20 - 10_000) + small[2:]
    small = encoded(draw_photo(0), "PNG")
    yield "PNG, 1.7 million chunks", small[:33] + png_chunk(b"abCd", b"") * 1_740_000 + small[33:]
    yield "BMP, 10 million runs of one pixel", _rle_bmp(b"\1\0" * (10 * 2**20 - 1000))


def slow_upload() -> bytes:
    """An upload whose decoding takes seconds."""
    return _rle_bmp(b"\1\0" * (10 * 2**20 - 1000))


def _png_with_text(megabytes: int) -> bytes:
    text = zlib.compress(bytes(1_000_000), 9)
    chunks = [(b"zTXt", b"Comment%d\0\0" % number + text) for number in range(megabytes)]
    return png(16, 16, 8, 2, bytes(16 * 16 * 3), *chunks)


def _lying_avif(width: int, height: int) -> bytes:
    """An AVIF whose container states another size than the picture in it (ISO/IEC 23008-12, "ispe")."""
    content = bytearray(encoded(Image.new("RGB", (width, height), (3, 200, 9)), "AVIF", speed=10, subsampling="4:4:4"))
    start = content.index(b"ispe") + 8
    content[start : start + 8] = struct.pack(">II", 64, 64)
    return bytes(content)


def _rle_bmp(lines: bytes) -> bytes:
    """A BMP of 25 MP whose pixels are run-length encoded, which Pillow decodes in Python."""
    sizes = (14 + 40 + 1024 + len(lines), 0, 14 + 40 + 1024, 40, 5000, 5000, 1, 8, 1, len(lines), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IIIIiiHHIIiiII", *sizes) + bytes(1024) + lines


def _tiff(width: int, height: int, compression: int, tags: dict[int, int | bytes]) -> bytes:
    """A grey TIFF with these tags: numbers, or many numbers of one byte each (TIFF 6.0)."""
    tags = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 277: 1, **tags}
    directory, beyond = struct.pack("<H", len(tags)), b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            place = 8 + 2 + 12 * len(tags) + 4 + len(beyond)
            directory += struct.pack("<HHII", tag, 1, len(value), place)
            beyond += value
        else:
            directory += struct.pack("<HHII", tag, 4, 1, value)
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + beyond
