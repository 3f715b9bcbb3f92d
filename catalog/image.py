"""Open one photo safely: the only place that turns bytes into pixels, for scan, training, index, queries and page.

Nothing is believed before it is checked: a file is read only if it is a regular file of bounded size, the format is
taken from the bytes and not from the name, the size is checked in the header before any pixel is decoded, and whatever
a decoder does with hostile bytes comes out as one `BadImage`. Codes:

    missing, unreadable, not-a-file, empty, too-large         the file
    unsupported-format                                        not an image, or of a kind that is not read
    too-many-pixels, too-long-side, too-small, bomb           its size, or what unpacking it would cost
    truncated, corrupt, out-of-memory                         decoding

Imports only Pillow and the standard library: a decode worker must start fast and small.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import stat
import struct
import warnings
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    _imaging,
)

from catalog.colour import to_rgb
from catalog.errors import BadImage
from catalog.sniff import READABLE, describe_unreadable, sniff_format, webp_size

_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,  # of an MPO it gives the first picture, the one that is wanted
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
"""The decoders, called directly: `Image.open` warns or raises by a global limit that other code may change."""

_MOST_PASSES = 300
"""Passes over the picture in a JPEG's file. A progressive one has about ten, a file of several pictures a few times as
many; a hundred bytes are enough for a pass over all of it, so a small file could keep a decoder busy for hours."""

_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to turn a photo upright, by its EXIF orientation."""


def _silence_libtiff() -> None:
    """Keep libtiff from writing its remarks on damaged files to the terminal; Pillow has no setting for that.

    It is reached through Pillow's own extension; where it cannot be, the remarks are merely seen.
    """
    with suppress(OSError, AttributeError):
        libraries = ctypes.CDLL(_imaging.__file__)
        for set_handler in (libraries.TIFFSetErrorHandler, libraries.TIFFSetWarningHandler):
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


# Once, at import, since later changes would race with other threads. A half photo is never taken for a whole one;
# AVIF would start a thread per core in each of our own threads; remarks about odd metadata help nobody at a terminal.
ImageFile.LOAD_TRUNCATED_IMAGES = False
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())
_silence_libtiff()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """What one photo may cost before it is refused."""

    max_bytes: int
    """Size of the file, in bytes."""
    max_header_pixels: int = 120_000_000
    """Pixels that the header may state: a JPEG of this size can still be decoded at a reduced scale."""
    max_decoded_pixels: int = 25_000_000
    """Pixels that are decoded; 25 million take 100 MB."""
    max_progressive_pixels: int = 60_000_000
    """Pixels of a progressive JPEG, whose coefficients (6 bytes a pixel) are all held in memory at any scale."""
    max_side: int = 16_000
    """Width or height that the header may state, in pixels."""
    min_side: int = 8
    """Width or height below which there is nothing to see, in pixels."""


CATALOG_LIMITS = ImageLimits(max_bytes=200 * 2**20)
"""For the owner's own photos."""

UPLOAD_LIMITS = ImageLimits(max_bytes=20 * 2**20)
"""For photos that anyone may send."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo.

    Attributes:
        image: RGB, upright; smaller than the original where a JPEG was decoded at a reduced scale.
        width, height: of the original, upright, in pixels.
        format: "JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF" or "AVIF".
    """

    image: Image.Image
    width: int
    height: int
    format: str


def read_photo(path: Path, limits: ImageLimits = CATALOG_LIMITS) -> bytes:
    """The bytes of a photo's file. Never waits: a named pipe, a device or a folder is refused, not read.

    Raises:
        BadImage: "missing", "unreadable", "not-a-file", "too-large", "empty".
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _bad_file(error) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadImage("not-a-file", f"a photo must be a regular file; this is {_kind(status.st_mode)}")
        _check_bytes(status.st_size, limits)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(limits.max_bytes + 1)  # it may have grown since
    except OSError as error:
        raise _bad_file(error) from None
    finally:
        os.close(descriptor)
    _check_bytes(len(data), limits)
    return data


def decode_photo(data: bytes, *, fit: int | None = None, limits: ImageLimits = CATALOG_LIMITS) -> Photo:
    """The pixels of a photo: first frame, upright, RGB, transparency over white. The same bytes give the same pixels.

    Args:
        data: the whole file.
        fit: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is much faster, as long as its short side
            keeps at least so many pixels. A JPEG of more than `limits.max_decoded_pixels` is reduced until it fits
            in any case, so that whether a photo is accepted does not depend on `fit`. Nothing else is resized.
        limits: what it may cost.

    Raises:
        BadImage: whatever is wrong with it; see the codes at the top of this module.
    """
    _check_bytes(len(data), limits)
    image_format = sniff_format(data)
    if image_format is None:
        raise BadImage("unsupported-format", f"a photo must be {READABLE}; this looks like {describe_unreadable(data)}")
    try:
        return _decode(data, image_format, fit, limits)
    except BadImage:
        raise
    except Exception as error:  # noqa: BLE001  given hostile bytes, a decoder may raise anything
        raise _bad_decode(error, data, image_format) from None


def decode_upload(data: bytes, fit: int | None = None) -> Image.Image:
    """The RGB picture in an upload, decoded in this process, within `UPLOAD_LIMITS`.

    Args:
        data: the whole file.
        fit: see `decode_photo`.

    Raises:
        BadImage: whatever is wrong with it.
    """
    return decode_photo(data, fit=fit, limits=UPLOAD_LIMITS).image


def _decode(data: bytes, image_format: str, fit: int | None, limits: ImageLimits) -> Photo:
    """Open, check, load, turn upright, convert; raises whatever the decoder raises."""
    if image_format == "WEBP":
        stated = webp_size(data)
        if stated is not None:
            _check_header(stated, image_format, limits)
    opened = _PLUGINS[image_format](BytesIO(data), "")
    width, height = opened.size
    _check_header((width, height), image_format, limits)
    if image_format == "JPEG":
        if data.count(b"\xff\xda") > _MOST_PASSES:
            raise BadImage("bomb", "the JPEG file makes more passes over its picture than is safe: save it anew")
        if opened.info.get("progressive"):
            _check_pixels((width, height), limits.max_progressive_pixels, "a progressive JPEG")
        elif width * height > 256 * len(data):
            # Huffman codes take 2 bits per block of 8 x 8 at the least; libjpeg would paint what is missing grey
            raise _truncated(image_format)
        scale = _jpeg_scale(width, height, fit, limits)
        opened.draft(None, (width // scale, height // scale))
        _check_pixels(opened.size, limits.max_decoded_pixels, "a JPEG at its smallest scale")
    opened.load()
    orientation = 1 if image_format == "TIFF" else _orientation(opened)  # Pillow turns a TIFF itself
    loaded = opened.copy()
    del opened  # and with it the decoder, its buffers and the file's bytes: up to 300 MB
    image = to_rgb(loaded)
    if orientation in _ORIENTATIONS:
        image = image.transpose(_ORIENTATIONS[orientation])
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    image.info = {}  # no profile, comment or place of the photographer goes on into thumbnails
    return Photo(image, width, height, image_format)


def _jpeg_scale(width: int, height: int, fit: int | None, limits: ImageLimits) -> int:
    """1, 2, 4 or 8: by how much a JPEG is reduced while it is decoded."""
    scale = 1
    while scale < 8:
        small_enough = -(-width // scale) * -(-height // scale) <= limits.max_decoded_pixels
        must_stay = fit is None or min(width, height) // (2 * scale) < fit
        if small_enough and must_stay:
            break
        scale *= 2
    return scale


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 … 8; 1 where it is absent or cannot be read, which is no reason to lose a photo."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # noqa: BLE001  EXIF is written by anyone, and its parser may raise anything
        return 1


def _check_bytes(size: int, limits: ImageLimits) -> None:
    """Refuse an empty file, and one too large to be read."""
    if size == 0:
        raise BadImage("empty", "a photo must have content; this file has 0 bytes")
    if size > limits.max_bytes:
        raise BadImage(
            "too-large",
            f"a photo may have at most {limits.max_bytes / 2**20:.0f} MiB; this file is larger: save it smaller",
        )


def _check_header(size: tuple[int, int], image_format: str, limits: ImageLimits) -> None:
    """Refuse a photo by the size that its header states, before anything is decoded."""
    width, height = size
    can_be_reduced = image_format == "JPEG"
    limit = limits.max_header_pixels if can_be_reduced else limits.max_decoded_pixels
    _check_pixels(size, limit, f"a {image_format}")
    if max(size) > limits.max_side:
        raise BadImage(
            "too-long-side",
            f"width and height may be at most {limits.max_side:,} pixels; this is {width:,} x {height:,}: "
            "save it smaller",
        )
    if min(size) < limits.min_side:
        raise BadImage(
            "too-small", f"width and height must be at least {limits.min_side} pixels; this is {width:,} x {height:,}"
        )


def _check_pixels(size: tuple[int, int], limit: int, kind: str) -> None:
    """Refuse a photo with more pixels than may be decoded."""
    width, height = size
    if width * height > limit:
        raise BadImage(
            "too-many-pixels",
            f"{kind} may have at most {limit:,} pixels; this has {width:,} x {height:,}: save it smaller",
        )


def _truncated(image_format: str) -> BadImage:
    """The refusal of a file that is not all there."""
    return BadImage("truncated", f"the {image_format} file ends before the picture does: copy or download it again")


def _bad_file(error: Exception) -> BadImage:
    """Why a file could not be opened or read, without its path."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG) or isinstance(error, ValueError):
        return BadImage("missing", "there is no such file")
    if number in (errno.ENXIO, errno.ENODEV):
        return BadImage("not-a-file", "a photo must be a regular file; this is a socket or a device")
    if number in (errno.EACCES, errno.EPERM):
        return BadImage("unreadable", "the file may not be read: change its permissions")
    if number == errno.ELOOP:
        return BadImage("unreadable", "the file is a link that leads back to itself")
    return BadImage("unreadable", f"the file could not be read: {os.strerror(number or errno.EIO)}")


def _bad_decode(error: Exception, data: bytes, image_format: str) -> BadImage:
    """Why a photo could not be decoded. The decoder's own words are left out: they are for programmers."""
    text = str(error).lower()
    kind = f"the {image_format} file"
    if isinstance(error, MemoryError) or "out of memory" in text:
        return BadImage("out-of-memory", f"{kind} takes more memory to decode than there is: save it smaller")
    if isinstance(error, Image.DecompressionBombError):
        return BadImage("too-many-pixels", f"{kind} holds far more pixels than a photo may have: save it smaller")
    if "decompressed data too large" in text or "too much memory used in text" in text:
        return BadImage("bomb", f"the text or colour profile in {kind} unpacks to more than is safe: save it anew")
    cut = isinstance(error, EOFError | struct.error | IndexError) or isinstance(
        error.__cause__, EOFError | struct.error | IndexError
    )
    if cut or "truncated" in text or _is_cut_webp(data, image_format):
        return _truncated(image_format)
    return BadImage("corrupt", f"{kind} is damaged: the picture in it cannot be decoded")


def _is_cut_webp(data: bytes, image_format: str) -> bool:
    """Whether a WebP has fewer bytes than its header states; libwebp does not say."""
    return image_format == "WEBP" and int.from_bytes(data[4:8], "little") > len(data) - 8


def _kind(mode: int) -> str:
    """What a file that is no regular file is, for a message."""
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for test, name in kinds if test(mode)), "a device")
