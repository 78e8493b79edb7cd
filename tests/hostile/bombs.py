"""Small files that cost a decoder much work: millions of parts, thousands of passes, false sizes.

Tests make them in memory. `tests/facehub/io/test_codecs.py` counts the work that they cause.
"""

from __future__ import annotations

import functools
import io
import struct

from PIL import Image

from facehub.io.images import MAX_BYTES
from tests.hostile.broken import _chunk, png_of
from tests.hostile.sound import encode, face, jpeg, png, webp

# --- JPEG -----------------------------------------------------------------------------------------


def jpeg_segment(marker: int, content: bytes = b"") -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


@functools.cache
def jpeg_scans(count: int, width: int = 260, height: int = 260) -> bytes:
    """A progressive JPEG that repeats its last scan until it has `count` scans."""
    picture = face() if (width, height) == (260, 260) else Image.new("RGB", (width, height), "grey")
    data = encode(picture, progressive=True, quality=90)
    last = data.rfind(b"\xff\xc4", 0, data.rfind(b"\xff\xda"))
    return data[:-2] + data[last:-2] * (count - data.count(b"\xff\xda")) + data[-2:]


def jpeg_before(parts: bytes) -> bytes:
    """The JPEG with `parts` between its start marker and the picture."""
    return jpeg()[:2] + parts + jpeg()[2:]


def mpo_scans(count: int) -> bytes:
    """An MPO file that claims two pictures; the first has `count` scans."""
    start = encode(face(), "MPO", save_all=True, append_images=[face()])
    index = start.index(b"\xff\xe2")
    length = int.from_bytes(start[index + 2 : index + 4])
    data = jpeg_scans(count)
    return data[:2] + start[index : index + 2 + length] + data[2:]


def scans_hidden_in_a_comment(count: int) -> bytes:
    """A JPEG with a false end marker in a comment, before most of its scans."""
    data = jpeg_scans(count)
    last = data.rfind(b"\xff\xda")
    first = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    first = data.rfind(b"\xff\xc4", 0, first)
    assert first < last
    return data[:first] + jpeg_segment(0xFE, b"\xff\xd9") + data[first:]


# --- EXIF -----------------------------------------------------------------------------------------


def exif_of(*entries: tuple[int, int, int, int], following: int = 0, room: int = 0) -> bytes:
    """An EXIF directory of (tag, type, count, value), then `room` bytes for values to point to."""
    lines = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    directory = struct.pack("<H", len(entries)) + lines + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(room)


def exif_bomb(tags: int, room: int) -> bytes:
    """EXIF whose tags each claim all `room` bytes as their value."""
    start = 14 + 12 * (tags + 1)
    large = [(0x1000 + tag, 7, room, start) for tag in range(tags)]
    return exif_of((0x0112, 3, 1, 1), *large, room=room)


def exif_loop() -> bytes:
    """EXIF directories that point to themselves."""
    return exif_of((0x0112, 3, 1, 1), (0x8769, 4, 1, 8), (0x8825, 4, 1, 8), following=8)


def jpeg_exif_bomb() -> bytes:
    content = exif_bomb(4000, 15_000)
    return jpeg_before(jpeg_segment(0xE1, b"Exif\0\0" + content))


def png_exif_bomb() -> bytes:
    return png()[:33] + _chunk(b"eXIf", exif_bomb(40_000, 4_000_000)) + png()[33:]


def webp_exif_bomb() -> bytes:
    return encode(face(), "WEBP", quality=90, exif=exif_bomb(40_000, 4_000_000))


def avif_exif_bomb() -> bytes:
    """The bomb replaces valid EXIF of the same length: Pillow parses EXIF before it writes it."""
    bomb = exif_bomb(4000, 1_000_000)
    sound = exif_of((0x0112, 3, 1, 1), room=len(bomb) - 26)
    assert len(sound) == len(bomb)
    return encode(face(), "AVIF", exif=sound).replace(sound, bomb)


# --- PNG ------------------------------------------------------------------------------------------


def png_before(*chunks: tuple[bytes, bytes]) -> bytes:
    """The PNG with chunks between its header and the picture."""
    return png()[:33] + b"".join(_chunk(*chunk) for chunk in chunks) + png()[33:]


def png_of_one_byte_pieces(count: int) -> bytes:
    return png()[:33] + _chunk(b"IDAT", b"") * count + png()[33:]


def png_interlaced(width: int, height: int) -> bytes:
    """A PNG with the header of an interlaced picture, and almost no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    return png_of(width, height).replace(
        _chunk(b"IHDR", header[:-1] + b"\0"), _chunk(b"IHDR", header)
    )


def apng_of_frames(count: int) -> bytes:
    """An animated PNG of the face, with `count` empty frames."""
    control = struct.pack(">IIIIIHHBB", 0, 1, 1, 0, 0, 1, 1, 0, 0)
    frames = _chunk(b"fcTL", control) + _chunk(b"fdAT", bytes(4))
    start = _chunk(b"acTL", struct.pack(">II", count, 0))
    return png()[:33] + start + png()[33:-12] + frames * count + png()[-12:]


# --- GIF ------------------------------------------------------------------------------------------


@functools.cache
def gif() -> bytes:
    return encode(face(), "GIF")


def gif_before(extension: bytes) -> bytes:
    """The GIF with an extension between its palette and the frame."""
    start = 13 + 3 * 256
    return gif()[:start] + extension + gif()[start:]


def gif_of_frames(count: int) -> bytes:
    """A GIF of the face, then `count` frames of one pixel."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return gif()[:-1] + frame * count + gif()[-1:]


def gif_claiming(width: int, height: int) -> bytes:
    """A GIF whose frame claims a size larger than its screen."""
    start = gif().index(b"\x2c", 13 + 3 * 256)
    size = struct.pack("<HH", width, height)
    return gif()[: start + 5] + size + gif()[start + 9 :]


# --- BMP ------------------------------------------------------------------------------------------


def bmp_of(width: int, height: int, compression: int, content: bytes) -> bytes:
    """An 8-bit grey BMP."""
    palette = b"".join(bytes([i, i, i, 0]) for i in range(256))
    start = 14 + 40 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, compression, 0, 0, 0, 256, 0)
    header = b"BM" + struct.pack("<IHHI", start + len(content), 0, 0, start)
    return header + info + palette + content


# --- TIFF -----------------------------------------------------------------------------------------


def tiff_of(
    tags: dict[int, tuple[int, int, int]], content: bytes = b"", following: int = 0
) -> bytes:
    """An 8-bit grey TIFF with `content` at byte 8; `tags` map to type, count and value."""
    grey = {256: (4, 1, 16), 257: (4, 1, 16), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}
    strips = {273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, 16), 279: (4, 1, 256)}
    lines = sorted({**grey, **strips, **tags}.items())
    content = content or bytes(256)
    directory = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in lines)
    start = struct.pack("<I", 8 + len(content))
    end = struct.pack("<H", len(lines)) + directory + struct.pack("<I", following)
    return b"II*\0" + start + content + end


def tiff_tag_bomb(tags: int = 20_000, room: int = 4_000_000) -> bytes:
    """A TIFF whose private tags each claim all `room` bytes as their value."""
    return tiff_of({33_000 + tag: (7, room, 8) for tag in range(tags)}, bytes(room))


def tiff_of_pages(count: int) -> bytes:
    buffer = io.BytesIO()
    dot = Image.new("L", (1, 1))
    face().save(buffer, "TIFF", save_all=True, append_images=[dot] * (count - 1))
    return buffer.getvalue()


def tiff_page_loop() -> bytes:
    """A TIFF whose page names itself as the next page."""
    data = encode(face(), "TIFF")
    start = int.from_bytes(data[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(data[start : start + 2], "little")
    return data[:end] + data[4:8] + data[end + 4 :]


def tiff_of_tiny_strips(count: int, size: int) -> bytes:
    """A TIFF of one-row strips that all claim the same `size` bytes of the file."""
    content = struct.pack(f"<{count}I", *[8] * count) + struct.pack(f"<{count}I", *[size] * count)
    content += bytes(max(0, size - len(content)))
    return tiff_of(
        {
            257: (4, 1, count),
            259: (3, 1, 8),
            273: (4, count, 8),
            278: (4, 1, 1),
            279: (4, count, 8 + 4 * count),
        },
        content,
    )


def tiff_of_large_tiles(side: int) -> bytes:
    """A TIFF with one row of pixels in tiles of `side` x `side`."""
    tags = {256: (4, 1, 30_000), 257: (4, 1, 1), 322: (4, 1, side), 323: (4, 1, side)}
    return tiff_of({**tags, 324: (4, 1, 8), 325: (4, 1, 256)})


def tiff_jpeg_scans(count: int) -> bytes:
    """A TIFF whose strip is a progressive JPEG of `count` scans."""
    data = jpeg_scans(count)
    strip = {273: (4, 1, 8), 278: (4, 1, 260), 279: (4, 1, len(data))}
    colour = {258: (3, 1, 8), 262: (3, 1, 6), 277: (3, 1, 3)}
    return tiff_of({256: (4, 1, 260), 257: (4, 1, 260), 259: (3, 1, 7), **colour, **strip}, data)


# --- WebP, AVIF -----------------------------------------------------------------------------------


def _riff_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def webp_with(*chunks: tuple[bytes, bytes], flags: int) -> bytes:
    """The face as WebP, with more chunks after it."""
    size = (259).to_bytes(3, "little") * 2
    start = _riff_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size)
    body = b"WEBP" + start + webp()[12:] + b"".join(_riff_chunk(*chunk) for chunk in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_of_frames(count: int) -> bytes:
    """An animated WebP of the face, then `count` small frames."""
    small = encode(Image.new("RGB", (1, 1)), "WEBP")[12:]
    start = b"\0" * 6 + (259).to_bytes(3, "little") * 2 + b"\x64\0\0\0"
    frame = b"\0" * 12 + b"\x64\0\0\0"
    size = (259).to_bytes(3, "little") * 2
    body = (
        b"WEBP"
        + _riff_chunk(b"VP8X", b"\x02\0\0\0" + size)
        + _riff_chunk(b"ANIM", b"\xff\xff\xff\xff\0\0")
        + _riff_chunk(b"ANMF", start + webp()[12:])
        + _riff_chunk(b"ANMF", frame + small) * count
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def avif_claiming(width: int, height: int, real: tuple[int, int] = (260, 260)) -> bytes:
    """An AVIF that claims `width` x `height` in place of its real size."""
    data = encode(face().resize(real), "AVIF", quality=50)
    prefix = b"ispe\0\0\0\0"
    return data.replace(
        prefix + struct.pack(">II", *real), prefix + struct.pack(">II", width, height)
    )


def padded(data: bytes) -> bytes:
    """Pad a file to `MAX_BYTES`, the largest size that facehub reads."""
    return data + bytes(MAX_BYTES - len(data))
