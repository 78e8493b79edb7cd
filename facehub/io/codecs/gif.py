"""GIF: a header and blocks of at most 255 bytes. Only the first frame is kept."""

from __future__ import annotations

from facehub.io.codecs.base import Prepared, too_many

MAX_BLOCKS = 300_000  # 32 MB are 131,586 full blocks

_HEADER = 13
_EXTENSION, _IMAGE, _END = b"!", b",", b";"
_CONTROL = 0xF9  # graphic control extension: says which colour is transparent


def prepare(data: bytes, max_pixels: int) -> Prepared:
    """Keep the colour table and the first frame; drop comments and further frames.

    Args:
        data: the file.
        max_pixels: not used: Pillow reads the size without decoding.

    Raises:
        ImageTooLargeError: too many blocks before the end of the first frame.
    """
    position = _HEADER + _colours(data[10:11])
    parts = [data[:position]]
    control = b""
    room = MAX_BLOCKS
    while position < len(data):
        kind = data[position : position + 1]
        if kind == _EXTENSION:
            end, room = _end_of_blocks(data, position + 2, room)
            if data[position + 1 : position + 2] == bytes([_CONTROL]):
                control = data[position:end]
            position = end
        elif kind == _IMAGE:
            start = position + 10 + _colours(data[position + 9 : position + 10]) + 1
            end, room = _end_of_blocks(data, start, room)
            parts += [control, data[position:end], _END]
            break
        else:
            break  # Pillow reports the damage
    return Prepared(b"".join(parts), 1)


def _colours(flags: bytes) -> int:
    """Size in bytes of the colour table that these flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _end_of_blocks(data: bytes, position: int, room: int) -> tuple[int, int]:
    """Return (end of the blocks, number of blocks still allowed)."""
    while True:
        room -= 1
        if room < 0:
            raise too_many(MAX_BLOCKS, "blocks")
        if position >= len(data) or not data[position]:
            return position + 1, room
        position += 1 + data[position]
