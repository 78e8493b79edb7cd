"""Loading pictures: every kind of source and pixel format, and exact errors for invalid ones."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub import ImageDecodeError, ImageFormatError, ImageTooLargeError, load_image
from facehub.io.images import MAX_PIXELS

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)

# 2 x 3 pixels, all different: every rotation and mirror image differs from the others.
PIXELS = np.array(
    [[RED, GREEN, BLUE], [(10, 20, 30), (40, 50, 60), (70, 80, 90)]],
    np.uint8,
)


def encode(picture: np.ndarray | Image.Image, suffix: str = "png", **options: object) -> bytes:
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    buffer = io.BytesIO()
    image.save(buffer, format=suffix, **options)
    return buffer.getvalue()


def png(width: int, height: int, data: bytes = b"", **chunks: bytes) -> bytes:
    """A PNG of 8-bit grey, made chunk by chunk."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    between = b"".join(chunk(kind.encode(), content) for kind, content in chunks.items())
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + between
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


# --- sources --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(lambda path: path, id="path"),
        pytest.param(str, id="str"),
        pytest.param(Path.read_bytes, id="bytes"),
        pytest.param(lambda path: bytearray(path.read_bytes()), id="bytearray"),
        pytest.param(lambda path: io.BytesIO(path.read_bytes()), id="file object"),
        pytest.param(Image.open, id="PIL image"),
        pytest.param(lambda path: np.asarray(Image.open(path)), id="array"),
        pytest.param(
            lambda path: np.asarray(Image.open(path)).astype(np.uint16) * 257, id="16 bit"
        ),
        pytest.param(lambda path: np.asarray(Image.open(path).convert("RGBA")), id="RGBA array"),
    ],
)
def test_every_kind_of_source_gives_the_same_pixels(
    tmp_path: Path, source: Callable[[Path], object]
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encode(PIXELS))
    loaded = load_image(source(path))
    np.testing.assert_array_equal(loaded, PIXELS)
    assert loaded.dtype == np.uint8
    assert loaded.flags.c_contiguous
    assert loaded.flags.writeable


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
def test_grey_array_becomes_rgb(shape: tuple[int, ...]) -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(shape)
    expected = np.repeat(grey.reshape(2, 3, 1), 3, axis=2)
    np.testing.assert_array_equal(load_image(grey), expected)


def test_array_with_negative_strides() -> None:
    mirrored = PIXELS[:, ::-1]
    loaded = load_image(mirrored)
    np.testing.assert_array_equal(loaded, mirrored)
    assert loaded.flags.c_contiguous


@pytest.mark.parametrize(
    "source",
    [
        PIXELS.copy(),
        PIXELS[:, :, 0].copy(),
        np.dstack([PIXELS, np.full((2, 3), 255, np.uint8)]),
        PIXELS.astype(np.uint16),
        Image.fromarray(PIXELS),
    ],
    ids=["RGB", "grey", "RGBA", "16 bit", "PIL image"],
)
def test_result_is_never_a_view(source: np.ndarray | Image.Image) -> None:
    loaded = load_image(source)
    before = np.array(source)
    loaded[:] = 99
    np.testing.assert_array_equal(np.array(source), before)


@pytest.mark.parametrize(("suffix", "tolerance"), [("png", 0), ("jpeg", 3), ("webp", 3)])
def test_png_jpeg_and_webp_give_the_right_pixels(
    astronaut: np.ndarray, suffix: str, tolerance: float
) -> None:
    loaded = load_image(encode(astronaut, suffix, quality=95))
    assert loaded.shape == astronaut.shape
    assert np.abs(loaded.astype(int) - astronaut).mean() <= tolerance


def test_lossless_webp() -> None:
    np.testing.assert_array_equal(load_image(encode(PIXELS, "webp", lossless=True)), PIXELS)


# --- pixel formats --------------------------------------------------------------------------------

# How a camera held in each way stores the upright PIXELS (EXIF 2.32, tag 0x0112).
STORED = {
    1: PIXELS,
    2: PIXELS[:, ::-1],
    3: PIXELS[::-1, ::-1],
    4: PIXELS[::-1],
    5: PIXELS.transpose(1, 0, 2),
    6: np.rot90(PIXELS),  # shown after a quarter turn clockwise
    7: PIXELS.transpose(1, 0, 2)[::-1, ::-1],
    8: np.rot90(PIXELS, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation])
    np.testing.assert_array_equal(load_image(encode(stored, exif=exif)), PIXELS)


def test_exif_orientation_of_jpeg(astronaut: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.ascontiguousarray(np.rot90(astronaut[:300]))
    loaded = load_image(encode(stored, "jpeg", quality=95, exif=exif))
    assert loaded.shape == (300, 512, 3)
    assert np.abs(loaded.astype(int) - astronaut[:300]).mean() < 3


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_is_ignored(astronaut: np.ndarray) -> None:
    data = encode(astronaut, "jpeg", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xffrubbish")
    np.testing.assert_array_equal(load_image(data), load_image(encode(astronaut, "jpeg")))


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [(0, WHITE), (255, (255, 0, 0)), (51, (255, 204, 204))],  # 51 / 255 = 1/5 red on white
)
def test_alpha_is_blended_over_white(alpha: int, expected: tuple[int, int, int]) -> None:
    assert load_image(encode(Image.new("RGBA", (1, 1), (*RED, alpha))))[0, 0].tolist() == [
        *expected
    ]


def test_palette_becomes_rgb() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putdata([0, 1])
    assert load_image(encode(image)).tolist() == [[[*RED], [*BLUE]]]


def test_transparent_palette_colour_becomes_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putdata([0, 1])
    assert load_image(encode(image, transparency=0)).tolist() == [[[*WHITE], [*BLUE]]]


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, WHITE),
        ("1", 0, (0, 0, 0)),
        ("L", 100, (100, 100, 100)),
        ("LA", (100, 255), (100, 100, 100)),
        ("LA", (0, 51), (204, 204, 204)),  # 1/5 black on white
        ("I;16", 100 * 257, (100, 100, 100)),  # 257 = 65535 / 255
        ("I;16", 65535, WHITE),
    ],
)
def test_grey_png_becomes_rgb(mode: str, colour: object, expected: tuple[int, int, int]) -> None:
    data = encode(Image.new(mode, (3, 2), colour))
    assert load_image(data)[1, 2].tolist() == [*expected]


def test_cmyk_jpeg_becomes_rgb() -> None:
    data = encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "jpeg", quality=100)
    np.testing.assert_allclose(load_image(data)[8, 8], RED, atol=4)


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_animation_gives_its_first_frame(suffix: str) -> None:
    first, *rest = (Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE))
    data = encode(first, suffix, save_all=True, append_images=rest, duration=100, lossless=True)
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == 3
    assert load_image(data)[4, 4].tolist() == [*RED]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="zero bytes"),
        pytest.param(b"\xff\xd8\xff", id="3 bytes of JPEG"),
        pytest.param(encode(PIXELS)[:20], id="PNG header only"),
        pytest.param(encode(PIXELS, "webp")[:20], id="WebP header only"),
        pytest.param(png(4, 4, b"too short"), id="PNG with too few pixels"),
        pytest.param(png(4, 4)[:8] + bytes(100), id="PNG of zeros"),
    ],
)
def test_damaged_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ImageDecodeError):
        load_image(data)


@pytest.mark.parametrize("suffix", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_picture_is_refused(astronaut: np.ndarray, suffix: str, share: float) -> None:
    data = encode(astronaut, suffix)
    with pytest.raises(ImageDecodeError, match="damaged or incomplete"):
        load_image(data[: int(share * len(data))])


@pytest.mark.parametrize("suffix", ["ppm", "ico", "jpeg2000"])
def test_unsupported_format_is_refused(suffix: str) -> None:
    with pytest.raises(ImageFormatError, match="not a picture in a supported format"):
        load_image(encode(PIXELS, suffix))


def test_text_named_jpg_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.jpg"
    path.write_text("Dear Sir or Madam,")
    with pytest.raises(ImageFormatError, match="not a picture in a supported format"):
        load_image(path)


@pytest.mark.parametrize(
    ("width", "height"),
    [(10_000, 10_000), (20_000, 20_000), (30_001, 1)],
    ids=["100 megapixels", "400 megapixels", "too long a side"],
)
def test_too_many_pixels_are_refused_before_decoding(width: int, height: int) -> None:
    data = png(width, height, bytes(100 * (width + 1)))  # decoding it would find it damaged
    start = time.perf_counter()
    with pytest.raises(ImageTooLargeError, match="megapixels"):
        load_image(data)
    assert len(data) < 100_000
    assert time.perf_counter() - start < 0.5


def test_pixel_limit_is_inclusive() -> None:
    assert MAX_PIXELS == 40_000_000
    assert load_image(PIXELS, max_pixels=6).shape == (2, 3, 3)
    for source in (PIXELS, Image.fromarray(PIXELS), encode(PIXELS)):
        with pytest.raises(ImageTooLargeError):
            load_image(source, max_pixels=5)


@pytest.mark.parametrize("kind", ["path", "bytes", "file object"])
def test_too_many_bytes_are_refused(tmp_path: Path, kind: str) -> None:
    data = encode(PIXELS)
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    source = {"path": path, "bytes": data, "file object": io.BytesIO(data)}[kind]
    with pytest.raises(ImageTooLargeError, match="larger"):
        load_image(source, max_bytes=len(data) - 1)
    assert load_image(path, max_bytes=len(data)).shape == (2, 3, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int8, bool, "U1"])
def test_array_of_wrong_dtype_is_refused(dtype: type) -> None:
    with pytest.raises(ImageFormatError, match="uint8"):
        load_image(np.zeros((4, 4, 3), dtype))


@pytest.mark.parametrize("shape", [(), (4,), (4, 4, 2), (4, 4, 5), (1, 4, 4, 3), (0, 4, 3), (4, 0)])
def test_array_of_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageFormatError, match="shape"):
        load_image(np.zeros(shape, np.uint8))


def test_floating_point_picture_is_scaled_to_8_bits() -> None:
    assert load_image(Image.new("F", (4, 4), 0.4)).tolist() == np.full((4, 4, 3), 102).tolist()


@pytest.mark.parametrize("source", [None, 5, [[1, 2], [3, 4]]])
def test_unsupported_type_of_source_is_refused(source: object) -> None:
    with pytest.raises(ImageFormatError, match=type(source).__name__):
        load_image(source)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageDecodeError, match=r"no file .*nothing\.jpg"):
        load_image(tmp_path / "nothing.jpg")


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageFormatError, match="is a folder"):
        load_image(tmp_path)


def test_path_with_null_byte_is_refused() -> None:
    with pytest.raises(ImageDecodeError, match="cannot be read"):
        load_image("a\0b.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_fifo_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "pipe.jpg"
    os.mkfifo(path)
    with pytest.raises(ImageFormatError, match="not a regular file"):
        load_image(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_device_is_refused() -> None:
    with pytest.raises(ImageFormatError, match="not a regular file"):
        load_image("/dev/zero")


def test_compressed_text_bomb_is_skipped() -> None:
    text = b"Comment\0\0" + zlib.compress(bytes(50_000_000))
    assert load_image(png(4, 4, bytes(20), zTXt=text)).tolist() == np.zeros((4, 4, 3)).tolist()
