"""The image formats that facehub reads."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from facehub.io.codecs import bmp, gif, heif, jpeg, png, tiff, webp
from facehub.io.codecs.base import Prepared


@dataclass(frozen=True)
class Format:
    """An image format.

    Attributes:
        name: Pillow's name for it.
        suffixes: file suffixes, in lower case.
        media_types: HTTP media types.
        prepare: bounds the work of decoding, see `facehub.io.codecs`; takes the file's bytes and
            the largest number of pixels.
        module: the package that decodes it, if Pillow does not.
    """

    name: str
    suffixes: tuple[str, ...]
    media_types: tuple[str, ...]
    prepare: Callable[[bytes, int], Prepared]
    module: str | None = None

    @property
    def is_read(self) -> bool:
        """Whether its decoder is installed."""
        return self.module is None or importlib.util.find_spec(self.module) is not None


JPEG = Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), ("image/jpeg",), jpeg.prepare)
PNG = Format("PNG", (".png",), ("image/png",), png.prepare)
WEBP = Format("WEBP", (".webp",), ("image/webp",), webp.prepare)
GIF = Format("GIF", (".gif",), ("image/gif",), gif.prepare)
BMP = Format("BMP", (".bmp",), ("image/bmp",), bmp.prepare)
TIFF = Format("TIFF", (".tif", ".tiff"), ("image/tiff",), tiff.prepare)
AVIF = Format("AVIF", (".avif",), ("image/avif",), heif.prepare)
HEIC = Format(
    "HEIC", (".heic", ".heif", ".hif"), ("image/heic", "image/heif"), heif.prepare, "pillow_heif"
)
FORMATS = (JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIC)
READ = tuple(each for each in FORMATS if each.is_read)
SUFFIXES = frozenset(suffix for each in READ for suffix in each.suffixes)
MEDIA_TYPES = tuple(kind for each in READ for kind in each.media_types)

FORMAT_ADVICE = "use a JPEG or PNG picture, say"
HEIC_MISSING = "HEIC needs an extra here (pip install 'facehub[heic]')"

_BEGINNINGS = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"BM", BMP),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
)
_BRANDS = (
    ((b"avif", b"avis"), AVIF),
    ((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIC),
)


def format_of(data: bytes) -> Format | None:
    """Recognise a format by the first bytes of a file; None if it is not in `FORMATS`."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data[4:8] == b"ftyp":
        length = min(int.from_bytes(data[:4]), 256)
        brands = {data[8:12], *(data[i : i + 4] for i in range(16, length, 4))}
        return next((each for known, each in _BRANDS if brands & {*known}), None)
    return next((each for beginning, each in _BEGINNINGS if data.startswith(beginning)), None)


def skip_reason(suffix: str) -> str:
    """Why files with this suffix, which is not in `SUFFIXES`, are skipped."""
    return HEIC_MISSING if suffix in HEIC.suffixes else "not a supported picture suffix"
