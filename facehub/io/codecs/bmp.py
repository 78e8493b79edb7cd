"""BMP. Run-length encoding is refused: Pillow decodes it pixel by pixel in Python."""

from __future__ import annotations

from facehub.errors import ImageFormatError
from facehub.io.codecs.base import Prepared

_OS2_HEADER = 12  # bytes; has no compression
_RUN_LENGTHS = (1, 2)


def prepare(data: bytes, max_pixels: int) -> Prepared:
    """Refuse run-length encoding.

    Args:
        data: the file.
        max_pixels: not used: Pillow reads the size without decoding.

    Raises:
        ImageFormatError: the picture is run-length encoded.
    """
    header, compression = (int.from_bytes(data[i : i + 4], "little") for i in (14, 30))
    if header != _OS2_HEADER and compression in _RUN_LENGTHS:
        raise ImageFormatError(
            "BMP pictures with run-length compression are not supported; save it as PNG."
        )
    return Prepared(data, 1)
