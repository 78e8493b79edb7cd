"""Read a picture's orientation, the only metadata that facehub uses."""

from __future__ import annotations

import re
import struct

from PIL import Image

ORIENTATION = 0x0112
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
_SHORT = 3

# The transform that each orientation asks for (EXIF 2.32, tag 0x0112).
_TRANSFORMS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation_of(exif: bytes, xmp: bytes = b"") -> int:
    """Read the orientation from EXIF, else from XMP.

    Only the first directory is read and no offset is followed, so loops and false sizes cost
    nothing.

    Args:
        exif: with or without the leading "Exif"; may be empty or damaged.
        xmp: may be empty.

    Returns:
        1 to 8; 1 (upright) if neither holds a valid value.
    """
    found = _in_exif(exif.removeprefix(b"Exif\0\0"))
    if found is None and (match := _XMP.search(xmp)):
        found = int(match[1])
    return found if found in _TRANSFORMS else 1


def apply_orientation(image: Image.Image, orientation: int) -> Image.Image:
    """Rotate or flip a picture upright; returns `image` itself if it is upright already."""
    return image.transpose(_TRANSFORMS[orientation]) if orientation in _TRANSFORMS else image


def _in_exif(exif: bytes) -> int | None:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 10:
        return None
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    if start + 2 > len(exif):
        return None
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    entries = exif[start + 2 : start + 2 + 12 * count]
    entries = entries[: len(entries) // 12 * 12]
    for tag, kind, number, value, _ in struct.iter_unpack(f"{order}HHIHH", entries):
        if tag == ORIENTATION:
            return int(value) if kind == _SHORT and number == 1 else None
    return None
