"""BMP: rows of pixels. Pillow decodes run lengths pixel by pixel in Python: these are refused."""

from __future__ import annotations

from facehub.errors import ImageFormatError
from facehub.io.codecs.base import Prepared

_OS2_HEADER = 12  # bytes; has no compression
_RUN_LENGTHS = (1, 2)


def prepare(data: bytes, max_pixels: int) -> Prepared:
    """Find out whether Pillow decodes it fast.

    Args:
        data: the file.
        max_pixels: not used: Pillow reads the size without decoding.

    Raises:
        ImageFormatError: it holds run lengths.
    """
    header, compression = (int.from_bytes(data[i : i + 4], "little") for i in (14, 30))
    if header != _OS2_HEADER and compression in _RUN_LENGTHS:
        raise ImageFormatError(
            "BMP pictures with run-length compression are not read; save it as PNG."
        )
    return Prepared(data, 1)
