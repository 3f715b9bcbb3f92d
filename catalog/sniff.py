"""Tell what kind of file some bytes are by their first bytes; names and extensions are never believed."""

from __future__ import annotations

READABLE = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"
"""The formats that can be opened, for messages."""

_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis")

_OTHER_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF"),
    (b"%!PS", "a PostScript (EPS) drawing"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript (EPS) drawing"),
    (b"8BPS", "a Photoshop file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PAR1", "a Parquet table"),
)


def sniff_format(data: bytes) -> str | None:
    """The format of an image that can be opened, by its magic bytes.

    Args:
        data: the file's bytes, or its first 64.

    Returns:
        "JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF" or "AVIF" (Pillow's names); None for everything else.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if data[4:8] == b"ftyp" and _has_brand(data, _AVIF_BRANDS):
        return "AVIF"
    if data.startswith(b"BM") and data[6:10] == b"\0\0\0\0":
        return "BMP"
    return None


def describe_unreadable(data: bytes) -> str:
    """What a file that `sniff_format` knows nothing of seems to be, as a noun with its article, for a message."""
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if data[4:8] == b"ftyp":
        return "a HEIC photo" if _has_brand(data, _HEIC_BRANDS) else "a video"
    for magic, kind in _OTHER_KINDS:
        if data.startswith(magic):
            return kind
    if head.startswith(b"<") and b"<svg" in head:
        return "an SVG drawing"
    if head.startswith((b"<!doctype html", b"<html")) or b"<html" in head:
        return "a web page"
    try:
        # up to three bytes of a character may be cut off at the end of the sample
        text = data[:512].decode("utf-8", errors="strict" if len(data) <= 512 else "ignore")
    except UnicodeDecodeError:
        return "something else"
    return "text" if (text and text.isprintable()) or ("\n" in text and "\0" not in text) else "something else"


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels that a WebP's header states; None where it states none.

    libwebp allocates the whole canvas as soon as a file is opened, so the size is looked at before that.
    Source: https://developers.google.com/speed/webp/docs/riff_container
    """
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return None
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return None


def _has_brand(data: bytes, brands: tuple[bytes, ...]) -> bool:
    """Whether an ISO media file names one of the brands as its own or among its compatible ones."""
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    return any(data[start : start + 4] in brands for start in (8, *range(16, end - 3, 4)))
