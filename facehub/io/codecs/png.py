"""PNG: chunks. Compressed texts and colour profiles may inflate a thousandfold."""

from __future__ import annotations

import zlib

from facehub.io.codecs.base import Prepared, too_many
from facehub.io.codecs.exif import orientation_of

MAX_CHUNKS = 65_536  # 32 MB in chunks of 8 KB, the smallest usual size, are 4,096
MAX_TEXT = 1024 * 1024  # decompressed bytes of a text that may hold an orientation

_SIGNATURE = 8
_EXIF_TEXTS = (b"Raw profile type exif\0", b"Raw profile type APP1\0")  # ImageMagick's
_XMP_TEXT = b"XML:com.adobe.xmp\0"


def prepare(data: bytes, max_pixels: int) -> Prepared:
    """Keep the critical chunks and transparency.

    An animation is reduced to its default image, which viewers without APNG support show.

    Args:
        data: the file.
        max_pixels: not used: Pillow reads the size without decoding.

    Raises:
        ImageTooLargeError: too many chunks.
    """
    parts = [data[:_SIGNATURE]]
    exif = xmp = b""
    position = _SIGNATURE
    for _ in range(MAX_CHUNKS):
        if position >= len(data):
            break
        length = int.from_bytes(data[position : position + 4])
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if _is_critical(kind) or kind == b"tRNS":
            parts.append(data[position:end])
        elif kind == b"eXIf":
            exif = exif or data[position + 8 : end - 4]
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            content = data[position + 8 : end - 4]
            if content.startswith(_EXIF_TEXTS):
                exif = exif or _from_hex(_text(kind, content))
            elif content.startswith(_XMP_TEXT):
                xmp = xmp or _text(kind, content)
        if kind == b"IEND":
            break
        position = end
    else:
        raise too_many(MAX_CHUNKS, "chunks")
    return Prepared(b"".join(parts), orientation_of(exif, xmp), _is_wide(data))


def _is_wide(data: bytes) -> bool:
    return data[24:25] == b"\x10" and data[25:26] in (b"\x02", b"\x04", b"\x06")


def _is_critical(kind: bytes) -> bool:
    return len(kind) < 4 or not kind[0] & 0x20  # a truncated chunk is left for Pillow to refuse


def _text(kind: bytes, content: bytes) -> bytes:
    """The text of a chunk; empty if it is damaged or larger than `MAX_TEXT`."""
    rest = content.partition(b"\0")[2]
    if kind == b"tEXt":
        return rest[:MAX_TEXT]
    compressed = kind == b"zTXt"
    if kind == b"iTXt":
        compressed = rest[:1] == b"\x01"
        rest = rest[2:].split(b"\0", 2)[-1]  # after the language and the translated keyword
    elif compressed:
        rest = rest[1:]
    if not compressed:
        return rest[:MAX_TEXT]
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(rest, MAX_TEXT)
    except zlib.error:
        return b""
    return b"" if inflate.unconsumed_tail else text


def _from_hex(text: bytes) -> bytes:
    """Parse a raw profile: an empty line, its name, its length, then lines of hex digits."""
    try:
        return bytes.fromhex("".join(text.decode("ascii").split("\n")[3:]))
    except ValueError:
        return b""
