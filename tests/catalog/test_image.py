"""Opening one photo: right pixels for every kind of good file, one BadImage for every kind of bad one."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile

import catalog.image
from catalog.errors import BadImage
from catalog.image import CATALOG_LIMITS, UPLOAD_LIMITS, ImageLimits, decode_photo, decode_upload, read_photo

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")  # as catalog.image says, where pytest has its own filters
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
AS_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
Pixels = NDArray[np.uint8]


def gradient(height: int = 48, width: int = 64) -> Pixels:
    """A picture that looks different from every side."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x + 2 * y) % 256], axis=-1).astype(np.uint8)


def encoded(picture: Pixels | Image.Image, image_format: str, **options: Any) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    stream = BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def pixels(data: bytes, **options: Any) -> NDArray[np.int64]:
    return np.asarray(decode_photo(data, **options).image).astype(np.int64)


def refusal(data: bytes, **options: Any) -> BadImage:
    with pytest.raises(BadImage) as caught:
        decode_photo(data, **options)
    reason = caught.value.reason
    assert reason.isprintable() and "/" not in reason and "<" not in reason and len(reason) < 200
    return caught.value


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, colour_type: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand; `rows` without their filter bytes."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    stride = max(1, len(rows) // height)
    filtered = b"".join(b"\0" + rows[start : start + stride] for start in range(0, len(rows), stride))
    extra = b"".join(png_chunk(kind, content) for kind, content in chunks)
    body = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(filtered)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


# Good files


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_format_gives_its_pixels_and_size(image_format: str) -> None:
    original = gradient()
    exact: dict[str, dict[str, Any]] = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100, "subsampling": 0},
        "AVIF": {"quality": 100},
    }
    photo = decode_photo(encoded(original, image_format, **exact.get(image_format, {})))
    assert (photo.width, photo.height, photo.format) == (64, 48, image_format)
    assert photo.image.mode == "RGB" and photo.image.size == (64, 48)
    difference = np.abs(np.asarray(photo.image).astype(int) - original)
    tolerance = {"JPEG": 6, "AVIF": 12, "GIF": 60}.get(image_format, 0)  # GIF has 256 colours
    assert difference.max() <= tolerance


TO_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {  # EXIF 2.32, tag 0x0112
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("JPEG", {"quality": 100, "subsampling": 0}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
    ],
)
def test_photos_are_turned_upright(image_format: str, options: dict[str, Any], orientation: int) -> None:
    stored = np.kron(gradient(3, 4), np.ones((16, 16, 1), np.uint8)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode_photo(encoded(stored, image_format, exif=exif, **options))
    upright = TO_UPRIGHT[orientation](stored)
    assert (photo.height, photo.width) == upright.shape[:2]
    assert np.abs(np.asarray(photo.image).astype(int) - upright).max() <= 12


def test_orientation_and_reduced_scale_go_together() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = decode_photo(encoded(gradient(400, 800), "JPEG", exif=exif), fit=100)
    assert (photo.width, photo.height) == (400, 800)
    assert photo.image.size == (100, 200)


def test_unreadable_exif_does_not_lose_the_photo() -> None:
    photo = decode_photo(encoded(gradient(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff rubbish"))
    assert photo.image.size == (64, 48)


def test_cmyk() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(pixels(encoded(red, "JPEG", quality=100)) - [255, 0, 0]).max() <= 3
    assert np.abs(pixels(encoded(red, "TIFF")) - [255, 0, 0]).max() <= 3


def test_sixteen_bit_grey_is_scaled() -> None:
    grey = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    expected = (grey / 257)[..., None]
    little, big = Image.fromarray(grey), encoded(Image.fromarray(grey.astype(">u2")), "TIFF")
    for data in (encoded(little, "PNG"), encoded(little, "TIFF"), big):
        assert np.abs(pixels(data) - expected).max() <= 1


def test_sixteen_bit_colour_is_scaled() -> None:
    colour = (gradient(16, 16).astype(">u2") * 257 + 100).astype(">u2")
    assert np.abs(pixels(png(16, 16, 16, 2, colour.tobytes())) - gradient(16, 16)).max() <= 1
    with_alpha = np.concatenate([colour, np.full((16, 16, 1), 65535)], axis=-1).astype(">u2")
    assert np.abs(pixels(png(16, 16, 16, 6, with_alpha.tobytes())) - gradient(16, 16)).max() <= 1


def test_alpha_is_laid_over_white() -> None:
    colour, alpha = gradient(32, 32), gradient(32, 32)[..., 2:]
    expected = np.round(colour * (alpha / 255) + 255 * (1 - alpha / 255))
    rgba = np.concatenate([colour, alpha], axis=-1)
    assert np.abs(pixels(encoded(rgba, "PNG")) - expected).max() <= 1
    assert np.abs(pixels(encoded(rgba, "TIFF")) - expected).max() <= 1
    webp = encoded(rgba, "WEBP", lossless=True, exact=True)
    assert np.abs(pixels(webp) - expected).max() <= 1
    grey_alpha = np.concatenate([colour[..., :1], alpha], axis=-1)
    expected_grey = np.round(colour[..., :1] * (alpha / 255) + 255 * (1 - alpha / 255))
    assert np.abs(pixels(encoded(Image.fromarray(grey_alpha, "LA"), "PNG")) - expected_grey).max() <= 1


def test_palette_transparency_is_laid_over_white() -> None:
    index = np.zeros((16, 16), np.uint8)
    index[:, 4:8], index[:, 8:12], index[:, 12:] = 1, 2, 3
    image = Image.fromarray(index, "P")
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 10, 20, 30])
    expected = [[200, 0, 0], [127, 227, 127], [255, 255, 255], [10, 20, 30]]
    found = pixels(encoded(image, "PNG", transparency=bytes([255, 128, 0, 255])))[0, ::4]
    assert np.abs(found - expected).max() <= 1
    one_clear = pixels(encoded(image, "GIF", transparency=2))[0, ::4]
    assert one_clear.tolist() == [[200, 0, 0], [0, 200, 0], [255, 255, 255], [10, 20, 30]]


def test_one_transparent_colour_is_white() -> None:
    two = np.zeros((16, 16, 3), np.uint8)
    two[:, :8] = (1, 2, 3)
    found = pixels(encoded(two, "PNG", transparency=(1, 2, 3)))
    assert found[0, 0].tolist() == [255, 255, 255] and found[0, 15].tolist() == [0, 0, 0]
    grey = np.full((16, 16), 40_000, ">u2")
    grey[:, :8] = 300
    found = pixels(png(16, 16, 16, 0, grey.tobytes(), (b"tRNS", struct.pack(">H", 300))))
    assert found[0, 0].tolist() == [255, 255, 255] and found[0, 15].tolist() == [156, 156, 156]
    wide = np.full((16, 16, 3), 40_000, ">u2")
    wide[:, :8] = (300, 600, 900)
    found = pixels(png(16, 16, 16, 2, wide.tobytes(), (b"tRNS", struct.pack(">HHH", 300, 600, 900))))
    assert found[0, 0].tolist() == [255, 255, 255] and found[0, 15].tolist() == [156, 156, 156]


def test_black_and_white() -> None:
    image = Image.fromarray(np.arange(256).reshape(16, 16) % 3 == 0)
    assert (pixels(encoded(image, "PNG"))[..., 0] == 255 * np.asarray(image)).all()


def test_first_frame_of_an_animation_and_no_other() -> None:
    frames = [Image.new("RGB", (32, 32), (200, 10, 10)), *(Image.new("RGB", (32, 32), (0, 0, n)) for n in range(9))]
    for image_format in ("GIF", "WEBP", "PNG", "AVIF", "TIFF", "MPO"):
        data = encoded(frames[0], image_format, save_all=True, append_images=frames[1:])
        photo = decode_photo(data)
        assert np.abs(np.asarray(photo.image).astype(int) - [200, 10, 10]).max() <= 8, image_format
        assert photo.format == {"MPO": "JPEG"}.get(image_format, image_format)


def test_a_gif_of_1500_frames_costs_as_much_as_one() -> None:
    frames = [Image.new("P", (400, 400), n % 256) for n in range(1500)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    started = time.monotonic()
    assert decode_photo(data).image.size == (400, 400)
    assert time.monotonic() - started < 0.5


def test_jpegs_are_reduced_no_further_than_fit() -> None:
    data = encoded(gradient(901, 1203), "JPEG")
    sizes = {fit: decode_photo(data, fit=fit).image.size for fit in (None, 64, 224, 300, 451, 900, 2000)}
    assert sizes == {
        None: (1203, 901),
        64: (151, 113),
        224: (301, 226),
        300: (602, 451),
        451: (1203, 901),
        900: (1203, 901),
        2000: (1203, 901),
    }
    assert {(decode_photo(data, fit=fit).width, decode_photo(data, fit=fit).height) for fit in sizes} == {(1203, 901)}
    assert decode_photo(encoded(gradient(901, 1203), "PNG"), fit=64).image.size == (1203, 901)


def test_the_same_bytes_give_the_same_pixels_in_every_thread() -> None:
    data = encoded(gradient(300, 400), "JPEG")
    with ThreadPoolExecutor(8) as pool:
        results = set(pool.map(lambda _: decode_photo(data, fit=100).image.tobytes(), range(64)))
    assert len(results) == 1


def test_nothing_of_the_metadata_is_passed_on() -> None:
    exif = Image.Exif()
    exif[0x010F] = "secret camera"
    for image_format in ("JPEG", "PNG", "WEBP", "TIFF"):
        photo = decode_photo(encoded(gradient(), image_format, exif=exif, icc_profile=b"profile" * 30))
        for target in ("PNG", "JPEG", "WEBP"):
            again = encoded(photo.image, target)
            assert b"secret camera" not in again and b"profile" not in again


def test_whether_a_photo_is_accepted_does_not_depend_on_fit() -> None:
    limits = ImageLimits(max_bytes=2**20, max_decoded_pixels=10_000)
    data = encoded(gradient(300, 400), "JPEG")
    assert decode_photo(data, limits=limits).image.size == (100, 75)
    assert decode_photo(data, fit=200, limits=limits).image.size == (100, 75)
    assert decode_photo(data, fit=30, limits=limits).image.size == (50, 38)
    assert refusal(encoded(gradient(300, 400), "PNG"), limits=limits).code == "too-many-pixels"


# Bad files


@pytest.mark.parametrize("image_format", FORMATS)
def test_truncated_files(image_format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    data = encoded(noise, image_format)
    for share in (0.3, 0.6, 0.9):
        code = refusal(data[: int(len(data) * share)]).code
        assert code == "truncated" or (code == "corrupt" and image_format in ("TIFF", "AVIF")), share


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><html><body>not found</body></html>", "a web page"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"just some words", "text"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(40), "a video"),
        (bytes(1000), "something else"),
        (b"\xff\xd8", "something else"),
        (b"BM is what this text begins with", "text"),
    ],
)
def test_what_is_no_photo_is_named(data: bytes, words: str) -> None:
    error = refusal(data)
    assert error.code == "unsupported-format"
    assert words in error.reason


def test_no_bytes_at_all() -> None:
    assert refusal(b"").code == "empty"


@pytest.mark.parametrize(
    ("width", "height", "code"),
    [
        (1, 1, "too-small"),
        (10_000, 1, "too-small"),
        (7, 100, "too-small"),
        (16_001, 8, "too-long-side"),
        (30_000, 30_000, "too-many-pixels"),
        (10_000, 10_000, "too-many-pixels"),
        (65_535, 65_535, "too-many-pixels"),
    ],
)
def test_sizes(width: int, height: int, code: str) -> None:
    """All headers lie: the pixels behind them are few, and the answer comes before they are looked at."""
    started = time.monotonic()
    bmp = b"BM" + struct.pack("<IIIIiiHHIIiiII", 100, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(46)
    gif = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + b","
    gif += struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02D\x01\0;"
    jpeg = bytearray(encoded(gradient(), "JPEG"))
    start = jpeg.index(b"\xff\xc0") + 5
    jpeg[start : start + 4] = struct.pack(">HH", height, width)
    files = {"png": png(width, height, 8, 2, bytes(300)), "bmp": bmp, "gif": gif}
    if width * height <= 10**6 or width > 30_000:
        files["jpeg"] = bytes(jpeg)
    if max(width, height) <= 2**24:
        stated = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + stated
        files["webp"] = b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert {name: refusal(data).code for name, data in files.items()} == dict.fromkeys(files, code)
    assert not caught
    assert time.monotonic() - started < 1


def test_headers_that_promise_more_than_there_is() -> None:
    jpeg = bytearray(encoded(gradient(), "JPEG"))
    start = jpeg.index(b"\xff\xc0") + 5
    jpeg[start : start + 4] = struct.pack(">HH", 3000, 3000)
    assert refusal(bytes(jpeg)).code == "truncated"
    assert refusal(png(3000, 3000, 8, 2, bytes(3000))).code in ("truncated", "corrupt")


@pytest.mark.parametrize("depth", [1, 8])
def test_a_png_of_25_million_pixels_and_one(depth: int) -> None:
    assert refusal(png(5001, 5000, depth, 0, bytes(100))).code == "too-many-pixels"


def test_a_progressive_jpeg_is_limited_by_what_it_keeps_in_memory() -> None:
    limits = ImageLimits(max_bytes=2**20, max_progressive_pixels=10_000)
    assert (
        refusal(encoded(gradient(300, 400), "JPEG", progressive=True), fit=30, limits=limits).code == "too-many-pixels"
    )
    assert decode_photo(encoded(gradient(300, 400), "JPEG"), fit=30, limits=limits).image.size == (50, 38)


def test_bombs_in_the_metadata() -> None:
    zeros = zlib.compress(bytes(80_000_000), 9)
    rows = bytes(16 * 16 * 3)
    assert refusal(png(16, 16, 8, 2, rows, (b"iCCP", b"profile\0\0" + zeros))).code == "bomb"
    assert refusal(png(16, 16, 8, 2, rows, (b"zTXt", b"Comment\0\0" + zeros))).code == "bomb"
    assert refusal(png(16, 16, 8, 2, rows, (b"iTXt", b"Comment\0\1\0\0\0" + zeros))).code == "bomb"
    megabyte = b"Comment\0\0" + zlib.compress(bytes(1_000_000), 9)
    assert refusal(png(16, 16, 8, 2, rows, *[(b"zTXt", megabyte)] * 80)).code == "bomb"


def test_pixels_that_have_no_plain_colour() -> None:
    for image in (Image.new("F", (16, 16), 0.5), Image.new("I", (16, 16), 70_000)):
        assert refusal(encoded(image, "TIFF")).code == "unsupported-format"


def test_uploads_may_have_20_mib_and_catalog_photos_200() -> None:
    assert (UPLOAD_LIMITS.max_bytes, CATALOG_LIMITS.max_bytes) == (20 * 2**20, 200 * 2**20)
    data = encoded(gradient(), "PNG")
    large = data + bytes(UPLOAD_LIMITS.max_bytes)
    assert refusal(large, limits=UPLOAD_LIMITS).code == "too-large"
    assert decode_photo(large).image.size == (64, 48)
    assert decode_upload(data).size == (64, 48)


def test_half_photos_are_never_taken_for_whole_ones() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_decoders_do_not_write_to_the_terminal() -> None:
    """In a process of its own, since remarks come from C libraries, Python's warnings and its logging alike."""
    zipped = bytearray(encoded(Image.fromarray(gradient()), "TIFF", compression="tiff_lzw"))
    zipped[20:400] = bytes(380)
    crowded = bytearray(encoded(gradient(), "TIFF"))
    place = crowded.index(struct.pack("<HHI", 277, 3, 1))  # samples per pixel
    crowded[place + 8] = 200
    lying_exif = encoded(gradient(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff rubbish")
    code = (
        "import sys; from catalog.image import decode_photo; from catalog.errors import BadImage\n"
        "for text in sys.stdin:\n"
        "    try: decode_photo(bytes.fromhex(text)); print('ok')\n"
        "    except BadImage as error: print(error.code)\n"
    )
    files = [bytes(zipped), bytes(crowded), lying_exif, png(10_000, 9_000, 8, 2, bytes(100))]
    done = subprocess.run(
        [sys.executable, "-c", code],
        input="\n".join(data.hex() for data in files),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(catalog.image.__file__).parent.parent)},
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["corrupt", "corrupt", "ok", "too-many-pixels"]


SEEDS = [
    *(encoded(gradient(24, 32), image_format) for image_format in FORMATS),
    encoded(gradient(24, 32), "JPEG", progressive=True, exif=Image.Exif()),
    encoded(Image.fromarray(gradient(24, 32)).convert("P"), "PNG", transparency=3),
    encoded(Image.fromarray(gradient(24, 32)), "TIFF", compression="tiff_deflate"),
    encoded(Image.fromarray(gradient(24, 32)).convert("RGBA"), "WEBP", lossless=True),
]


@settings(max_examples=600, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=0, max_size=6), st.integers(0, 6)), max_size=5),
    keep=st.one_of(st.just(1.0), st.floats(0, 1)),
    fit=st.sampled_from([None, 8]),
)
def test_damaged_bytes_give_a_photo_or_one_refusal(
    seed: bytes, changes: list[tuple[float, bytes, int]], keep: float, fit: int | None
) -> None:
    data = bytearray(seed)
    for place, content, dropped in changes:
        # half of the changes fall into the first 128 bytes, where the headers are
        start = int(place * 2 * 128) if place < 0.5 else int((place - 0.5) * 2 * len(data))
        data[start : start + dropped] = content
    limits = ImageLimits(max_bytes=2**20, max_decoded_pixels=1_000_000)
    try:
        photo = decode_photo(bytes(data[: int(keep * len(data))]), fit=fit, limits=limits)
    except BadImage as error:
        assert error.code.replace("-", "").isalpha()
    else:
        assert photo.image.mode == "RGB" and photo.image.width * photo.image.height <= 1_000_000


# Files


def reading(path: Path, limits: ImageLimits = CATALOG_LIMITS) -> str:
    started = time.monotonic()
    with pytest.raises(BadImage) as caught:
        read_photo(path, limits)
    assert time.monotonic() - started < 1
    assert str(path.parent) not in str(caught.value)
    return caught.value.code


def test_a_regular_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"content")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    assert read_photo(tmp_path / "a.jpg") == read_photo(tmp_path / "link.jpg") == b"content"


def test_what_is_no_regular_file_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.jpg"))
        for name in ("pipe.jpg", "folder.jpg", "socket.jpg"):
            assert reading(tmp_path / name) == "not-a-file"
    assert reading(Path("/dev/zero")) == "not-a-file"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "dangling.jpg").symlink_to("nothing.jpg")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "large.jpg").write_bytes(bytes(101))
    assert reading(tmp_path / "loop.jpg") == "unreadable"
    assert reading(tmp_path / "dangling.jpg") == "missing"
    assert reading(tmp_path / "absent.jpg") == "missing"
    assert reading(tmp_path / "large.jpg" / "below.jpg") == "missing"
    assert reading(tmp_path / ("x" * 300)) == "missing"
    assert reading(tmp_path / "nul\0.jpg") == "missing"
    assert reading(tmp_path / "empty.jpg") == "empty"
    assert reading(tmp_path / "large.jpg", ImageLimits(max_bytes=100)) == "too-large"


@AS_ROOT
def test_files_without_permission(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"content")
    (tmp_path / "secret.jpg").chmod(0)
    assert reading(tmp_path / "secret.jpg") == "unreadable"
