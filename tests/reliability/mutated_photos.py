"""Photos with damage of every kind, drawn by a seed, and the coverage-guided fuzzing of the decoder by atheris.

    python -m tests.reliability.mutated_photos FOLDER SECONDS

fuzzes `decode_photo` for so many seconds: with the photos of a new folder to begin with, and what it finds kept there.
Whatever it raises but `BadImage` ends the process. atheris follows the Python code of Pillow and of ours; Pillow's C
code is run as it is released, so that there a fault is seen where it ends the process.
"""

from __future__ import annotations

import random
import struct
import sys
import zlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from PIL import Image

from tests.catalog.test_image import encoded, png
from tests.conftest import draw_photo
from tests.reliability.hostile_photos import bad_photos, good_photos, whole_photos

_TELLING: tuple[bytes, ...] = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\0\0",
    b"\xff\xff",
    b"\x7f\xff",
    b"\xff\x7f",
    b"\0\1",
    b"\1\0",
)
_TELLING += (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\0\0\0\x80")
"""Numbers at which programs go wrong, in both orders of their bytes."""


def seed_photos() -> list[bytes]:
    """Small whole photos of every format and way of encoding, and the crafted ones of `hostile_photos`."""
    photo = draw_photo(3, 24)
    few, alpha = photo.quantize(16), photo.convert("RGBA")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    ways = [
        *(encoded(photo, "TIFF", compression=kind) for kind in ("jpeg", "packbits", "tiff_deflate", "zstd", "lzma")),
        *(encoded(photo.convert(mode), "TIFF") for mode in ("1", "L", "P", "CMYK", "YCbCr", "LAB", "F", "I")),
        *(encoded(photo.convert(mode), "PNG") for mode in ("1", "L", "LA", "P")),
        *map(_animation, ("GIF", "WEBP", "PNG", "MPO", "TIFF", "AVIF")),
        *(encoded(photo, kind, exif=exif, icc_profile=b"profile" * 20) for kind in ("JPEG", "PNG", "WEBP", "AVIF")),
        *(encoded(photo, "JPEG", subsampling=way, restart_marker_blocks=1, comment="words") for way in (0, 1, 2)),
        *(encoded(few, "GIF", transparency=2, interlace=way) for way in (0, 1)),
        *(encoded(alpha, kind) for kind in ("BMP", "WEBP", "AVIF", "TIFF")),
        encoded(photo.convert("L"), "JPEG", progressive=True),
        png(16, 16, 16, 6, bytes(16 * 16 * 8), (b"tEXt", b"Comment\0words"), (b"gAMA", b"\0\1\0\0")),
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 1100, 0, 1078, 40, 16, 16, 1, 8, 1, 40, 0, 0, 0, 0) + bytes(1024)
        + b"\x10\1\0\0" * 9 + b"\0\2\1\1\0\1",
    ]  # fmt: skip
    crafted = [*(one.content for one in good_photos()), *(one.content for one in bad_photos(1))]
    return [*ways, *whole_photos().values(), *(content for content in crafted if 0 < len(content) < 40_000)]


def _animation(image_format: str) -> bytes:
    frames = [draw_photo(number, 24) for number in range(3)]
    return encoded(frames[0], image_format, save_all=True, append_images=frames[1:])


def mutated_photos(seed: int) -> Iterator[bytes]:
    """Without end: photos with up to eight changes each, half of them near the beginning, where the headers are."""
    photos, chance = seed_photos(), random.Random(seed)
    for _ in count():
        data = bytearray(chance.choice(photos))
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            _change(data, photos, chance)
        yield with_right_checksums(bytes(data)) if chance.random() < 0.7 else bytes(data)


def _change(data: bytearray, photos: list[bytes], chance: random.Random) -> None:
    """One change in place."""
    place = int(chance.random() * (min(len(data), 200) if chance.random() < 0.5 else len(data)))
    length = int(chance.random() ** 4 * len(data))
    kind = chance.randrange(8)
    if kind == 0:
        data[place : place + 1] = bytes([chance.randrange(256)])
    elif kind == 1 and place < len(data):
        data[place] ^= 1 << chance.randrange(8)
    elif kind in (2, 3):
        telling = chance.choice(_TELLING)
        data[place : place + len(telling)] = telling
    elif kind == 4:
        del data[place : place + length]
    elif kind == 5:
        data[place:place] = data[place : place + length]
    elif kind == 6:
        other = chance.choice(photos)
        data[place:] = other[int(chance.random() * len(other)) :]
    else:
        del data[max(1, len(data) - length) :]


def with_right_checksums(data: bytes) -> bytes:
    """A PNG with the CRC that each of its chunks should have: without them, a decoder looks no further."""
    mended, place = bytearray(data), 8
    if not data.startswith(b"\x89PNG"):
        return data
    while place + 12 <= len(mended):
        end = place + 8 + int.from_bytes(mended[place : place + 4], "big")
        if end + 4 > len(mended):
            break
        mended[end : end + 4] = zlib.crc32(mended[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(mended)


def fuzz(folder: Path, seconds: int) -> None:
    """Fuzz for so many seconds, then end the process: with code 0 if only `BadImage` was raised."""
    import atheris

    folder.mkdir()
    for number, photo in enumerate(seed_photos()):
        (folder / f"seed-{number}").write_bytes(photo)
    with atheris.instrument_imports(include=["PIL", "catalog"]):
        for name in [name for name in sys.modules if name.partition(".")[0] in ("PIL", "catalog")]:
            del sys.modules[name]  # imported before, without being followed
        from catalog.errors import BadImage
        from catalog.image import ImageLimits, decode_photo
    limits = ImageLimits(max_bytes=2**20, max_header_pixels=4_000_000, max_decoded_pixels=1_000_000)

    def decode(data: bytes) -> None:
        try:
            photo = decode_photo(data, fit=8 if len(data) % 2 else None, limits=limits)
        except BadImage as error:
            assert error.reason.isprintable()
        else:
            assert photo.image.mode == "RGB"
            assert photo.image.width * photo.image.height <= limits.max_decoded_pixels

    def mutate(data: bytes, most: int, _: int) -> bytes:
        return bytes(with_right_checksums(atheris.Mutate(data, most))[:most])

    options = [f"-max_total_time={seconds}", "-max_len=40000", "-timeout=20", "-rss_limit_mb=2000", "-seed=1"]
    atheris.Setup(
        [sys.argv[0], *options, f"-artifact_prefix={folder}/crash-", str(folder)], decode, custom_mutator=mutate
    )
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(Path(sys.argv[1]), int(sys.argv[2]))
