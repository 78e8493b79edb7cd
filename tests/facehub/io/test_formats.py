"""Supported formats: pixels, orientation, suffixes, and recognition by the first bytes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub import ImageDecodeError, ImageFormatError, load_image
from facehub.io import formats
from facehub.io.formats import FORMATS, HEIC, READ, SUFFIXES, format_of
from tests.hostile.sound import encode, face, heic

SOUND = {
    "JPEG": lambda: encode(face(), quality=95),
    "PNG": lambda: encode(face(), "PNG"),
    "WEBP": lambda: encode(face(), "WEBP", quality=95),
    "GIF": lambda: encode(face(), "GIF"),
    "BMP": lambda: encode(face(), "BMP"),
    "TIFF": lambda: encode(face(), "TIFF"),
    "AVIF": lambda: encode(face(), "AVIF", quality=95),
    "HEIC": lambda: heic(),
}
each_format = pytest.mark.parametrize("name", [each.name for each in READ])


@each_format
def test_each_format_gives_the_right_pixels(name: str) -> None:
    data = SOUND[name]()
    found = format_of(data)
    assert found is not None
    assert found.name == name
    loaded = load_image(data)
    assert loaded.shape == (260, 260, 3)
    assert abs(loaded.astype(int) - np.asarray(face())).mean() < (8 if name == "GIF" else 3)


@each_format
def test_file_cut_at_60_percent_is_refused(name: str) -> None:
    data = SOUND[name]()
    with pytest.raises(ImageDecodeError, match="damaged or incomplete"):
        load_image(data[: int(0.6 * len(data))])


def test_each_suffix_belongs_to_one_format() -> None:
    suffixes = [suffix for each in FORMATS for suffix in each.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert {".jpe", ".jfif", ".tif", ".bmp", ".gif", ".avif"} < SUFFIXES
    assert {s for s in suffixes if s not in SUFFIXES} == (
        set() if HEIC in READ else {".heic", ".heif", ".hif"}
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    picture = Image.fromarray(np.asarray(face())[:200, :100])
    inverse = [None, 0, 3, 1, 5, 2, 6, 4][orientation - 1]  # members of `Image.Transpose`
    stored = picture if inverse is None else picture.transpose(Image.Transpose(inverse))
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = load_image(encode(stored, kind, exif=exif, quality=95))
    assert abs(loaded.astype(int) - np.asarray(picture)).mean() < 4


@pytest.mark.skipif(HEIC not in READ, reason="needs facehub[heic]")
def test_heic_orientation_is_applied_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(np.asarray(face())[:, :100])
    stored = picture.transpose(Image.Transpose.ROTATE_90)
    loaded = load_image(heic(stored, exif=exif.tobytes()))
    assert loaded.shape == (260, 100, 3)
    assert abs(loaded.astype(int) - np.asarray(picture)).mean() < 4


def test_heic_without_the_extra_is_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImageFormatError, match=r"facehub\[heic\].*use a JPEG"):
        load_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x14ftypisom\0\0\0\0mp42", None),
        (b"\xff\xff\xff\xffftypisom", None),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"MM\0+", None),
        (b"", None),
    ],
)
def test_format_is_recognised_by_the_first_bytes(beginning: bytes, name: str | None) -> None:
    found = format_of(beginning)
    assert (found.name if found else None) == name


def test_file_of_several_pages_gives_the_first() -> None:
    buffer = io.BytesIO()
    pages = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    assert load_image(buffer.getvalue())[4, 4].tolist() == [255, 0, 0]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA", "P", "I;16"])
def test_tiff_of_each_mode_and_compression(compression: str, mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(face().convert("L")).astype(np.uint16) * 16)
        expected = Image.fromarray(np.asarray(face().convert("L"))).convert("RGB")
    else:
        picture = face().convert(mode)
        expected = picture.convert("RGB")
    loaded = load_image(encode(picture, "TIFF", compression=compression))
    assert abs(loaded.astype(int) - np.asarray(expected)).max() <= 1


def test_tiff_with_jpeg_compression() -> None:
    loaded = load_image(encode(face(), "TIFF", compression="jpeg", quality=95))
    assert abs(loaded.astype(int) - np.asarray(face())).mean() < 3


def test_tiff_with_fax_compression_is_refused() -> None:
    with pytest.raises(ImageFormatError, match="Deflate"):
        load_image(encode(face().convert("1"), "TIFF", compression="group4"))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_12_bit_colours_in_16_bits_become_8_bits(tmp_path: Path, suffix: str) -> None:
    import cv2

    path = tmp_path / f"wide{suffix}"
    wide = np.asarray(face())[:, :, ::-1].astype(np.uint16) * 16
    cv2.imwrite(str(path), wide)
    assert abs(load_image(path).astype(int) - np.asarray(face())).max() <= 1
    cv2.imwrite(str(path), np.dstack([wide, np.full(wide.shape[:2], 65535, np.uint16)]))
    assert abs(load_image(path).astype(int) - np.asarray(face())).max() <= 1
    data = path.read_bytes()
    with pytest.raises(ImageDecodeError):
        load_image(data[: len(data) // 2])
