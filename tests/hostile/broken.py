"""Files that are damaged, claim false sizes, or are not pictures."""

from __future__ import annotations

import struct
import zlib

from PIL import PngImagePlugin

from tests.hostile.sound import encode, face, jpeg, png, webp


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png_of(width: int, height: int, content: bytes = b"", *extra: bytes, depth: int = 8) -> bytes:
    """A grey PNG whose header claims `width` x `height`, whatever its content."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            *extra,
            _chunk(b"IDAT", zlib.compress(content)),
            _chunk(b"IEND", b""),
        ]
    )


def jpeg_claiming(width: int, height: int) -> bytes:
    changed = bytearray(jpeg())
    frame = changed.index(b"\xff\xc0")
    changed[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(changed)


def _riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_claiming(width: int, height: int) -> bytes:
    """An animation with a huge canvas and one small frame."""
    still = webp()
    image = still[12:]  # its only chunk, with header
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    small = (259).to_bytes(3, "little") * 2
    frame = b"\0" * 6 + small + (100).to_bytes(3, "little") + b"\0" + image
    return _riff(
        (b"VP8X", b"\x02\0\0\0" + size), (b"ANIM", b"\xff\xff\xff\xff\0\0"), (b"ANMF", frame)
    )


def flipped(sound: bytes, start: float, step: int) -> bytes:
    changed = bytearray(sound)
    for position in range(int(len(changed) * start), len(changed) - 2, step):
        changed[position] ^= 0x5A
    return bytes(changed)


def cut(sound: bytes, share: float) -> bytes:
    return sound[: int(len(sound) * share)]


def png_text_bomb() -> bytes:
    """50 MB of text in 50 kB."""
    text = b"Comment\0\0" + zlib.compress(b"\0" * 50_000_000, 9)
    return png()[:33] + _chunk(b"zTXt", text) + png()[33:]


def png_with_text() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>" * 100, zip=True)
    return encode(face(), "PNG", pnginfo=info)


def jpeg_with_segments(marker: bytes, content: bytes, count: int) -> bytes:
    segment = marker + struct.pack(">H", len(content) + 2) + content
    return jpeg()[:2] + segment * count + jpeg()[2:]


PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200">'
    b'<script>window.hacked=1</script><image href="file:///etc/passwd"/></svg>'
)
HTML = b"<!doctype html><title>photo</title><script>window.hacked=1</script>"
XML_BOMB = b'<!DOCTYPE l [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><svg>&b;</svg>'
ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 200
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 200
