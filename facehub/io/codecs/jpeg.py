"""JPEG: segments before the first scan, then scans.

A progressive picture is refined scan by scan, and each scan visits all of its blocks: 1,500 nearly
empty scans in a file of 169 KB take minutes to decode.
"""

from __future__ import annotations

import re

from facehub.errors import ImageTooLargeError
from facehub.io.codecs.base import Prepared, too_many
from facehub.io.codecs.exif import orientation_of

MAX_MARKERS = 2000  # 255 parts of a colour profile, 512 of a 32 MB comment, and 12 of each scan
MAX_SCANS = 100  # 1 and 10 are usual
MAX_SCAN_PIXELS = 1_000_000_000  # pixels of the picture, times scans: about 2 seconds

_MARKER = re.compile(rb"\xff+([^\x00\xff])")  # captures the marker's code
_NEXT = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")  # among coded pixels; skips restart markers
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDD})
_JFIF, _EXIF, _ADOBE = 0xE0, 0xE1, 0xEE  # JFIF and Adobe define the colour channels
_KEPT = _FRAMES | _TABLES | {_JFIF, _ADOBE}
_XMP = b"http://ns.adobe.com/xap/1.0/\0"


def prepare(data: bytes, max_pixels: int) -> Prepared:
    """Keep only the segments that decoding needs; read the orientation.

    Args:
        data: the file.
        max_pixels: largest number of pixels; Pillow refuses more without decoding.

    Raises:
        ImageTooLargeError: too many segments or scans.
    """
    parts = [data[:2]]
    exif = xmp = b""
    width = height = 0
    position = 2
    for _ in range(MAX_MARKERS):
        match = _MARKER.search(data, position)
        if match is None:
            break
        code, position = match[1][0], match.end()
        if code == _SCAN:
            check_scans(data, match.start(), min(width * height, max_pixels))
            parts.append(data[match.start() :])
            break
        if code == _END:
            break
        if code in _ALONE:
            continue
        length = max(2, int.from_bytes(data[position : position + 2]))
        content = data[position + 2 : position + length]
        position += length
        if code in _KEPT:
            parts.append(data[match.end() - 2 : position])
        if code in _FRAMES:
            height, width = int.from_bytes(content[1:3]), int.from_bytes(content[3:5])
        elif code == _EXIF and content.startswith(b"Exif\0\0"):
            exif = exif or content
        elif code == _EXIF and content.startswith(_XMP):
            xmp = xmp or content
    else:
        raise too_many(MAX_MARKERS, "segments")
    return Prepared(b"".join(parts), orientation_of(exif, xmp))


def check_scans(data: bytes, position: int, pixels: int, max_scans: int = MAX_SCANS) -> None:
    """Refuse a picture with too many scans.

    Args:
        data: the file.
        position: offset to start from, in bytes.
        pixels: number of pixels of the picture.
        max_scans: largest number of scans.

    Raises:
        ImageTooLargeError: too many scans, too many scans times pixels, or too many segments.
    """
    scans = 0
    for _ in range(MAX_MARKERS):
        match = _NEXT.search(data, position)
        if match is None or match[1][0] == _END:
            return
        position = match.end()
        code = match[1][0]
        scans += code == _SCAN
        if scans > max_scans:
            raise too_many(max_scans, "scans")
        if scans * pixels > MAX_SCAN_PIXELS:
            raise ImageTooLargeError(
                f"The picture of {pixels / 1e6:.0f} megapixels is refined in {scans} scans or "
                "more, which takes too long; save it as a JPEG that is not progressive."
            )
        if code not in _ALONE:
            position += max(2, int.from_bytes(data[position : position + 2]))
    raise too_many(MAX_MARKERS, "segments")
