"""AVIF and HEIC: boxes of the ISO base media format."""

from __future__ import annotations

import re

from facehub.io.codecs.base import Prepared

# An entry of the list of items ("infe", of version 2 or 3) whose type is "Exif".
_EXIF_ITEM = re.compile(rb"(infe(?:\x02.{3}.{2}|\x03.{3}.{4}).{2})Exif", re.DOTALL)


def prepare(data: bytes, max_pixels: int) -> Prepared:
    """Hide EXIF, whose tags Pillow would read all at once; boxes of their own say how to turn it.

    Args:
        data: the file.
        max_pixels: not used: the decoder reads the size without decoding.
    """
    return Prepared(_EXIF_ITEM.sub(rb"\1none", data))
