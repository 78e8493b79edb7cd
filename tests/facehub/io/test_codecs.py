"""Small files that would take much work: refused, or decoded from the part that is needed."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from facehub import ImageDecodeError, ImageTooLargeError, load_image
from facehub.errors import ImageFormatError
from facehub.io.codecs import gif, jpeg, png, tiff
from facehub.io.codecs.exif import orientation_of
from facehub.io.images import MAX_PIXELS
from tests.hostile import bombs
from tests.hostile import sound as good
from tests.hostile.broken import _chunk, png_text_bomb
from tests.hostile.sound import encode, face


def parts(data: bytes) -> bytes:
    return jpeg.prepare(data, MAX_PIXELS).data


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bombs.jpeg_scans(101), "more than 100 scans"),
        (lambda: bombs.mpo_scans(101), "more than 100 scans"),
        (lambda: bombs.scans_hidden_in_a_comment(101), "more than 100 scans"),
        (lambda: bombs.jpeg_scans(26, 6320, 6320), "refined in 26 scans or more"),
        (lambda: bombs.jpeg_before(bombs.jpeg_segment(0xFE) * 2001), "2,000 segments"),
        (lambda: bombs.png_of_one_byte_pieces(70_000), "65,536 chunks"),
        (lambda: bombs.png_before((b"teXt", b""))[:33] + _chunk(b"teXt", b"") * 70_000, "chunks"),
        (lambda: bombs.gif_before(b"\x21\xfe\0" * 300_001), "300,000 blocks"),
        (lambda: bombs.gif_before(b"\x21\xfe" + b"\x01x" * 300_001 + b"\0"), "300,000 blocks"),
        (lambda: bombs.gif_claiming(60_000, 60_000), "megapixels"),
        (lambda: bombs.bmp_of(10_000, 10_000, 0, b""), "megapixels"),
        (lambda: bombs.tiff_of_tiny_strips(30_000, 2_000_000), "overlap"),
        (lambda: bombs.tiff_of_large_tiles(30_000), "80 megapixels"),
        (lambda: bombs.tiff_jpeg_scans(10), "more than 4 scans"),
        (lambda: bombs.tiff_of({273: (4, 500_000, 8)}, bytes(2_000_000)), "strips or tiles"),
        (lambda: bombs.tiff_of({256: (4, 1, 20_000), 257: (4, 1, 20_000)}), "megapixels"),
    ],
)
def test_file_that_would_take_too_much_work_is_refused(
    make: Callable[[], bytes], message: str
) -> None:
    with pytest.raises(ImageTooLargeError, match=message):
        load_image(make())


def test_bmp_with_run_length_coding_is_refused() -> None:
    with pytest.raises(ImageFormatError, match="run-length"):
        load_image(bombs.bmp_of(30_000, 1333, 1, b"\x01\x05\0\0" * 1333))


@pytest.mark.parametrize(
    "make",
    [
        lambda: bombs.png_interlaced(30_000, 1333),
        lambda: bombs.tiff_of({322: (4, 1, 0), 323: (4, 1, 16)}),
        lambda: bombs.tiff_of({320: (3, 2**31, 8)}),
        lambda: bombs.tiff_of({256: (2, 1, 0)}),
        lambda: b"II*\0" + b"\xff" * 20,
        lambda: b"GIF89a",
        lambda: b"BM",
        lambda: bombs.avif_claiming(60_000, 60_000),
    ],
)
def test_damaged_file_is_refused(make: Callable[[], bytes]) -> None:
    with pytest.raises(ImageDecodeError, match="damaged"):
        load_image(make())


# --- read, but not all of it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "sound"),
    [
        (bombs.jpeg_exif_bomb, good.jpeg),
        (lambda: bombs.jpeg_before(bombs.jpeg_segment(0xFE) + bytes(1_000_000)), good.jpeg),
        (lambda: bombs.jpeg_before(b"\xff" * 1_000_000), good.jpeg),
        (lambda: bombs.jpeg_before(bombs.jpeg_segment(0xE2, bytes(65_000)) * 400), good.jpeg),
        (bombs.png_exif_bomb, good.png),
        (png_text_bomb, good.png),
        (lambda: bombs.png_before((b"iCCP", b"x\0\0" + _zeros(50_000_000))), good.png),
        (lambda: bombs.png_before((b"iTXt", b"x\0\1\0\0\0" + _zeros(50_000_000))), good.png),
        (lambda: bombs.png_before((b"tEXt", b"x\0" + b"y" * 2_000_000)), good.png),
        (lambda: bombs.apng_of_frames(20_000), good.png),
        (lambda: bombs.gif_of_frames(50_000), bombs.gif),
        (
            lambda: bombs.gif_before(b"\x21\xfe" + (b"\xff" + b"x" * 255) * 100_000 + b"\0"),
            bombs.gif,
        ),
        (bombs.webp_exif_bomb, good.webp),
        (lambda: bombs.webp_of_frames(50_000), good.webp),
        (lambda: bombs.webp_with((b"ICCP", bytes(5_000_000)), flags=32), good.webp),
        (bombs.avif_exif_bomb, lambda: encode(face(), "AVIF")),
        (lambda: bombs.tiff_of_pages(500), lambda: encode(face(), "TIFF")),
        (bombs.tiff_page_loop, lambda: encode(face(), "TIFF")),
        (bombs.tiff_tag_bomb, lambda: encode(Image.new("L", (16, 16)), "TIFF")),
    ],
)
def test_file_with_huge_extra_data_gives_the_plain_picture(
    make: Callable[[], bytes], sound: Callable[[], bytes]
) -> None:
    np.testing.assert_array_equal(load_image(make()), load_image(sound()))


def _zeros(count: int) -> bytes:
    import zlib

    return zlib.compress(bytes(count), 9)


def test_data_given_to_pillow_holds_no_extra_chunks() -> None:
    """Chunks that hold no pixels are removed before Pillow sees the file."""
    for data in (
        bombs.jpeg_before(bombs.jpeg_segment(0xE2, bytes(65_000)) * 400),
        bombs.jpeg_exif_bomb(),
    ):
        assert len(parts(data)) <= len(good.jpeg())
    for data in (png_text_bomb(), bombs.png_exif_bomb(), bombs.apng_of_frames(1000)):
        assert png.prepare(data, MAX_PIXELS).data == good.png()
    small = gif.prepare(bombs.gif_of_frames(1000), MAX_PIXELS).data
    assert small == gif.prepare(bombs.gif(), MAX_PIXELS).data
    page = tiff.prepare(bombs.tiff_tag_bomb(1000, 1000), MAX_PIXELS).data
    with Image.open(io.BytesIO(page)) as image:
        assert len(image.tag_v2) == 9


def test_jpeg_of_100_scans_is_read() -> None:
    assert load_image(bombs.jpeg_scans(100)).shape == (260, 260, 3)


def test_scans_of_another_picture_do_not_count() -> None:
    """A second picture in the file, or other data after the first, is not decoded."""
    data = good.jpeg() + bombs.jpeg_scans(200)
    np.testing.assert_array_equal(load_image(data), load_image(good.jpeg()))


# --- orientation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exif", "xmp", "expected"),
    [
        (b"", b"", 1),
        (bombs.exif_of((0x0112, 3, 1, 6)), b"", 6),
        (b"Exif\0\0" + bombs.exif_of((0x0112, 3, 1, 6)), b"", 6),
        (bombs.exif_of((0x0112, 3, 1, 1)), b'tiff:Orientation="8"', 1),
        (b"", b'<x tiff:Orientation="8"/>', 8),
        (b"", b"<tiff:Orientation>3</tiff:Orientation>", 3),
        (bombs.exif_of((0x0112, 3, 1, 99)), b"", 1),
        (bombs.exif_of((0x0112, 4, 2, 6)), b"", 1),
        (bombs.exif_loop(), b"", 1),
        (b"II*\0\xff\xff\xff\xff\0\0", b"", 1),
        (b"II*\0\x08\0\0\0\xff\xff", b"", 1),
        (b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", b"", 6),
    ],
)
def test_orientation_of_exif_and_xmp(exif: bytes, xmp: bytes, expected: int) -> None:
    assert orientation_of(exif, xmp) == expected


def test_orientation_in_a_png_text_chunk_is_applied() -> None:
    exif = b"Exif\0\0" + bombs.exif_of((0x0112, 3, 1, 3))
    digits = exif.hex().encode()
    text = b"Raw profile type exif\0\nexif\n%8d\n%s\n" % (len(exif), digits)
    turned = np.asarray(face())[::-1, ::-1]
    np.testing.assert_array_equal(load_image(bombs.png_before((b"tEXt", text))), turned)
    xmp = b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="3"/>'
    np.testing.assert_array_equal(load_image(bombs.png_before((b"iTXt", xmp))), turned)
