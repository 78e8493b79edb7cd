"""AVIF and HEIC: boxes of the ISO base media format."""

from __future__ import annotations

import re

from facehub.io.codecs.base import Prepared

# An item info entry ("infe", version 2 or 3) of type "Exif".
_EXIF_ITEM = re.compile(rb"(infe(?:\x02.{3}.{2}|\x03.{3}.{4}).{2})Exif", re.DOTALL)


def prepare(data: bytes, max_pixels: int) -> Prepared:
    """Hide EXIF, all tags of which Pillow would read; separate boxes hold the rotation.

    Args:
        data: the file.
        max_pixels: not used: the decoder reads the size without decoding.
    """
    return Prepared(_EXIF_ITEM.sub(rb"\1none", data))
