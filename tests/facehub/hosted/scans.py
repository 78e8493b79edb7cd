"""JPEG files that take long to decode: small, sound, and with as many scans as one likes."""

from __future__ import annotations

import io
import struct

from PIL import Image

END, SCAN = 0xD9, 0xDA


def slow_jpeg(scans: int, size: tuple[int, int] = (6000, 6500)) -> bytes:
    """A progressive JPEG of one grey, whose last refinement is repeated until it has `scans`."""
    buffer = io.BytesIO()
    Image.new("L", size, 128).save(buffer, "JPEG", progressive=True, quality=50)
    data = buffer.getvalue()
    parts: list[tuple[int, bytes]] = []
    place = 2
    while data[place + 1] != END:
        marker = data[place + 1]
        (length,) = struct.unpack(">H", data[place + 2 : place + 4])
        end = place + 2 + length
        while marker == SCAN and not (data[end] == 0xFF and data[end + 1] != 0):
            end += 1
        parts.append((marker, data[place:end]))
        place = end
    own = [part for marker, part in parts if marker == SCAN]
    body = b"".join(part for _, part in parts) + own[-1] * (scans - len(own))
    return data[:2] + body + data[place:]
