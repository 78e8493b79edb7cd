"""TIFF: one directory of tags per page. Only the first page and the tags it needs are kept.

Decoders read every tag at once, and 65,535 tags may each claim the whole file as their value.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from facehub.errors import ImageDecodeError, ImageFormatError, ImageTooLargeError
from facehub.io.codecs.base import Prepared, too_many
from facehub.io.codecs.jpeg import check_scans

MAX_PARTS = 400_000  # strips or tiles: 40 megapixels in tiles of 16 x 16 are 156,250
MAX_JPEG_PARTS = 10_000
MAX_VALUE = 512 * 1024  # bytes of any other tag; a colour table has 393,216
MAX_JPEG_SCANS = 4  # one, or one per channel

_WIDTH, _HEIGHT, _COMPRESSION, _ORIENTATION = 256, 257, 259, 274
_BITS, _COLOURS, _PLANES, _NUMBERS = 258, 262, 284, 339
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_PLACES, _SIZES = (273, 324), (279, 325)  # tags of (strips, tiles)
_OTHERS = (266, 277, 278, 317, 320, 338, 347, 529, 530, 531, 532)
_USED = (_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOURS, _PLANES, _TILE_WIDTH, _TILE_HEIGHT)
_KEPT = frozenset((*_USED, _NUMBERS, *_PLACES, *_SIZES, *_OTHERS))
_JPEG = 7
_COMPRESSIONS = (1, 5, _JPEG, 8, 32946, 32773)  # none, LZW, JPEG, Deflate (two), PackBits
_TYPES = {1: "B", 2: "c", 3: "H", 4: "I", 5: "II", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f"}


@dataclass(frozen=True)
class _Entry:
    """A tag: its 12 bytes in the directory, and its values if they are whole numbers."""

    line: bytes
    values: tuple[int, ...]


def prepare(data: bytes, max_pixels: int) -> Prepared:
    """Keep the first page: append a new directory; the pixels stay where they are.

    Args:
        data: the file.
        max_pixels: largest number of pixels; the tiles may cover twice as many.

    Raises:
        ImageDecodeError: the directory is damaged.
        ImageFormatError: the compression is not one that photos use.
        ImageTooLargeError: too many or too large tiles, or too many scans.
    """
    order = "<" if data[:2] == b"II" else ">"
    try:
        entries = _read(data, order)
        width, height = _number(entries, _WIDTH), _number(entries, _HEIGHT)
        _check_tiles(entries, width, height, max_pixels)
        _check_compression(data, entries)
    except (struct.error, KeyError, IndexError) as error:
        raise ImageDecodeError("The picture is damaged or incomplete.") from error
    orientation = entries.pop(_ORIENTATION, None)
    lines = [entries[tag].line for tag in sorted(entries)]
    padding = bytes(len(data) % 2)
    place = struct.pack(f"{order}I", len(data) + len(padding))
    directory = struct.pack(f"{order}H", len(lines)) + b"".join(lines) + bytes(4)
    return Prepared(
        b"".join((data[:4], place, data[8:], padding, directory)),
        orientation.values[0] if orientation and orientation.values else 1,
        _is_wide(entries),
    )


def _read(data: bytes, order: str) -> dict[int, _Entry]:
    """Read the needed tags of the first directory."""
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    entries: dict[int, _Entry] = {}
    for number in range(count):
        line = data[start + 2 + 12 * number : start + 14 + 12 * number]
        tag, kind, length = struct.unpack_from(f"{order}HHI", line)
        if tag in entries or tag not in _KEPT | {_ORIENTATION} or kind not in _TYPES:
            continue
        if tag in _PLACES + _SIZES and length > MAX_PARTS:
            raise too_many(MAX_PARTS, "strips or tiles")
        format = f"{order}{length * len(_TYPES[kind])}{_TYPES[kind][0]}"
        size = struct.calcsize(format)
        if size > MAX_VALUE and tag not in _PLACES + _SIZES:
            raise struct.error("a value that is too large")
        place = struct.unpack_from(f"{order}I", line, 8)[0] if size > 4 else None
        values = struct.unpack_from(format, *((line, 8) if place is None else (data, place)))
        entries[tag] = _Entry(line, values if _TYPES[kind] in "BHI" else ())
    return entries


def _is_wide(entries: dict[int, _Entry]) -> bool:
    """Whether each pixel is RGB or RGBA of 16-bit whole numbers, side by side."""
    bits, colours, planes, numbers = (
        entries[tag].values if tag in entries else ()
        for tag in (_BITS, _COLOURS, _PLANES, _NUMBERS)
    )
    side_by_side = colours == (2,) and planes in ((), (1,))
    return side_by_side and len(bits) in (3, 4) and {*bits} == {16} and {*numbers} <= {1}


def _number(entries: dict[int, _Entry], tag: int) -> int:
    return entries[tag].values[0]


def _check_tiles(entries: dict[int, _Entry], width: int, height: int, max_pixels: int) -> None:
    if not {_TILE_WIDTH, _TILE_HEIGHT} & entries.keys():
        return
    across, down = _number(entries, _TILE_WIDTH), _number(entries, _TILE_HEIGHT)
    if not across or not down:
        raise IndexError("tiles without pixels")
    if -(-width // across) * across * -(-height // down) * down > 2 * max_pixels:
        raise ImageTooLargeError(
            f"The tiles of the picture have more than {2 * max_pixels / 1e6:.0f} megapixels."
        )


def _check_compression(data: bytes, entries: dict[int, _Entry]) -> None:
    compression = _number(entries, _COMPRESSION) if _COMPRESSION in entries else 1
    if compression not in _COMPRESSIONS:
        raise ImageFormatError(
            "Supported TIFF compressions are none, LZW, Deflate, PackBits and JPEG; "
            "save it as PNG or JPEG."
        )
    places, sizes = (
        next((entries[tag].values for tag in tags if tag in entries), ())
        for tags in (_PLACES, _SIZES)
    )
    parts = list(zip(places, sizes, strict=False))
    there = sum(max(0, min(size, len(data) - place)) for place, size in parts)
    if there > 2 * len(data):  # the decoder would read each overlapping part in full
        raise ImageTooLargeError("The strips or tiles of the picture overlap; save it again.")
    if compression != _JPEG:
        return
    if len(parts) > MAX_JPEG_PARTS:
        raise too_many(MAX_JPEG_PARTS, "strips or tiles")
    for place, size in parts:
        check_scans(data[place : place + size], 2, 0, MAX_JPEG_SCANS)
