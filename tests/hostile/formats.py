"""Cases of every format: valid, cut off, changed, tiny; and of decompression bombs."""

from __future__ import annotations

import functools
from collections.abc import Callable

from PIL import Image

from facehub.io.formats import HEIC, READ
from tests.hostile import bombs
from tests.hostile.broken import _chunk, cut, flipped
from tests.hostile.cases import ANY, DAMAGED, FACE, NONE, Case
from tests.hostile.sound import encode, face, grey_32, grey_of, heic, png
from tests.hostile.zips import zip_of

MISSING = "facehub[heic]"
HAS_HEIC = HEIC in READ


@functools.cache
def sound(kind: str) -> bytes:
    """The face in a format; only a header of HEIC if this machine cannot write HEIC."""
    if kind == "HEIC":
        return heic() if HAS_HEIC else b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(3000)
    return encode(
        face(), kind, **({} if kind in ("GIF", "BMP", "TIFF", "PNG") else {"quality": 92})
    )


def _of_size(kind: str, width: int, height: int) -> bytes:
    picture = Image.new("RGB", (width, height))
    return heic(picture) if kind == "HEIC" else encode(picture, kind)


KINDS = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tiff",
    "AVIF": "avif",
    "HEIC": "heic",
}
CUTS = (0.1, 0.3, 0.5, 0.7, 0.9)
FLIPS = {  # expected result of flipped bits, by the share of the file before them
    "JPEG": {0.5: ANY, 0.7: DAMAGED},
    "PNG": {0.5: DAMAGED, 0.7: DAMAGED},
    "WEBP": {0.5: ANY, 0.7: ANY},
    "GIF": {0.5: DAMAGED, 0.7: DAMAGED},
    "BMP": {0.5: ANY, 0.7: ANY},
    "TIFF": {0.5: ANY, 0.7: ANY},
}


def _states(kind: str, suffix: str) -> list[Case]:
    name = f"{kind.lower()} as {suffix}"
    can_write = kind != "HEIC" or HAS_HEIC
    damaged, whole, nothing = (DAMAGED, FACE, NONE) if can_write else (MISSING,) * 3
    cases = [
        Case(
            f"{name} cut at {share}", f"cut.{suffix}", lambda s=share: cut(sound(kind), s), damaged
        )
        for share in CUTS
    ]
    cases += [
        Case(f"{name} of 16 bytes", f"cut.{suffix}", lambda: sound(kind)[:16], damaged),
        Case(
            f"{name} with more bytes after it",
            f"face.{suffix}",
            lambda: sound(kind) + b"\xff\xd9x" * 999,
            whole,
        ),
        Case(f"{name} in upper case", f"FACE.{suffix.upper()}", lambda: sound(kind), whole),
        Case(f"{name} named png", "face.png", lambda: sound(kind), whole),
        Case(
            f"{name} in a zip",
            f"zip.{suffix}",
            lambda: zip_of((f"a.{suffix}", sound(kind))),
            "not a picture in a supported format",
        ),
    ]
    if can_write:
        cases += [
            Case(f"{name} 1 x 1", f"dot.{suffix}", lambda: _of_size(kind, 1, 1), nothing),
            Case(f"{name} 2 x 900", f"line.{suffix}", lambda: _of_size(kind, 2, 900), nothing),
        ]
    cases += [
        Case(
            f"{name} flipped from {start}",
            f"flip.{suffix}",
            lambda s=start: flipped(sound(kind), s, 997),
            expected,
        )
        for start, expected in FLIPS.get(kind, {}).items()
    ]
    return cases


def _mode(kind: str, mode: str) -> Case:
    made = functools.partial(encode, face().convert(mode), kind)
    return Case(f"{kind.lower()} of mode {mode}", f"face.{KINDS[kind]}", made, FACE)


def _bomb(name: str, suffix: str, made: Callable[[], bytes], expected: str) -> Case:
    return Case(f"bomb: {name}", f"bomb.{suffix}", made, expected)


TOO_MANY = "stored in more than"

FORMATS = [
    *(case for kind, suffix in KINDS.items() for case in _states(kind, suffix)),
    Case("jfif", "face.jfif", lambda: sound("JPEG"), FACE),
    Case("jpe", "face.jpe", lambda: sound("JPEG"), FACE),
    Case("tif", "face.tif", lambda: sound("TIFF"), FACE),
    Case("heif", "face.heif", lambda: sound("HEIC"), FACE if HAS_HEIC else MISSING),
    *(_mode("TIFF", mode) for mode in ("L", "P", "CMYK", "RGBA")),
    *(_mode("BMP", mode) for mode in ("L", "P", "RGBA")),
    *(_mode("GIF", mode) for mode in ("L", "RGBA")),
    *(_mode("AVIF", mode) for mode in ("L", "RGBA")),
    *(
        Case(
            f"{kind.lower()} of {bits} bits in 16",
            f"grey.{KINDS[kind]}",
            functools.partial(grey_of, bits, kind),
            FACE,
        )
        for kind in ("PNG", "TIFF")
        for bits in (8, 10, 12, 14, 16)
    ),
    Case("tiff of floats to 1", "f.tif", lambda: grey_32("f4", 1), FACE),
    Case("tiff of floats to 255", "f.tif", lambda: grey_32("f4", 255), FACE),
    Case("tiff of floats to 1e30", "f.tif", lambda: grey_32("f4", 1e30), FACE),
    Case("tiff of 32 bits to 4095", "i.tif", lambda: grey_32("i4", 4095), FACE),
    Case("tiff of 32 bits to 2 to the 31", "i.tif", lambda: grey_32("i4", 2**31 - 999), FACE),
    *(
        Case(
            f"tiff with {name}",
            "face.tif",
            functools.partial(encode, face(), "TIFF", compression=name),
            FACE,
        )
        for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    ),
    Case(
        "tiff with group4",
        "fax.tif",
        lambda: encode(face().convert("1"), "TIFF", compression="group4"),
        "Supported TIFF compressions",
    ),
    # small files that cost much work
    _bomb("jpeg of 100 scans", "jpg", lambda: bombs.jpeg_scans(100), ANY),
    _bomb("jpeg of 101 scans", "jpg", lambda: bombs.jpeg_scans(101), TOO_MANY),
    _bomb("jpeg of 1500 scans", "jpg", lambda: bombs.jpeg_scans(1500), TOO_MANY),
    _bomb("jpeg of large scans", "jpg", lambda: bombs.jpeg_scans(60, 4500, 4500), "refined in"),
    _bomb("jpeg hidden scans", "jpg", lambda: bombs.scans_hidden_in_a_comment(1500), TOO_MANY),
    _bomb("mpo of 1500 scans", "jpg", lambda: bombs.mpo_scans(1500), TOO_MANY),
    _bomb("jpeg of comments", "jpg", lambda: bombs.jpeg_before(b"\xff\xfe\0\2" * 10**6), TOO_MANY),
    _bomb(
        "jpeg of stray bytes",
        "jpg",
        lambda: bombs.jpeg_before(bombs.jpeg_segment(0xFE) + bytes(10**7)),
        FACE,
    ),
    _bomb("jpeg of fill", "jpg", lambda: bombs.jpeg_before(b"\xff" * 10**7), FACE),
    _bomb(
        "jpeg of profiles",
        "jpg",
        lambda: bombs.jpeg_before(bombs.jpeg_segment(0xE2, bytes(65_000)) * 400),
        FACE,
    ),
    _bomb("jpeg of tags", "jpg", bombs.jpeg_exif_bomb, FACE),
    _bomb(
        "jpeg of directories",
        "jpg",
        lambda: bombs.jpeg_before(bombs.jpeg_segment(0xE1, b"Exif\0\0" + bombs.exif_loop())),
        FACE,
    ),
    _bomb("png of tags", "png", bombs.png_exif_bomb, FACE),
    _bomb("png of chunks", "png", lambda: bombs.png_of_one_byte_pieces(10**6), TOO_MANY),
    _bomb(
        "png of texts",
        "png",
        lambda: png()[:33] + _chunk(b"tEXt", b"a\0b") * 10**6 + png()[33:],
        TOO_MANY,
    ),
    _bomb("png interlaced", "png", lambda: bombs.png_interlaced(30_000, 1333), DAMAGED),
    _bomb("png of profile", "png", lambda: bombs.png_before((b"iCCP", _profile())), FACE),
    _bomb("png of international text", "png", lambda: bombs.png_before((b"iTXt", _text())), FACE),
    _bomb("apng of 30000 frames", "png", lambda: bombs.apng_of_frames(30_000), FACE),
    _bomb("gif of 50000 frames", "gif", lambda: bombs.gif_of_frames(50_000), FACE),
    _bomb("gif of a comment", "gif", lambda: bombs.gif_before(_comment(255, 10**5)), FACE),
    _bomb("gif of short blocks", "gif", lambda: bombs.gif_before(_comment(1, 10**6)), TOO_MANY),
    _bomb("gif of comments", "gif", lambda: bombs.gif_before(b"\x21\xfe\0" * 10**6), TOO_MANY),
    _bomb("gif of a large frame", "gif", lambda: bombs.gif_claiming(60_000, 60_000), "far more"),
    _bomb(
        "bmp of run lengths",
        "bmp",
        lambda: bombs.bmp_of(30_000, 1333, 1, b"\1\5\0\0" * 1333),
        "run-length",
    ),
    _bomb(
        "bmp of nibbles",
        "bmp",
        lambda: bombs.bmp_of(30_000, 1333, 2, b"\1\5\0\0" * 1333),
        "run-length",
    ),
    _bomb("bmp of 100 MP", "bmp", lambda: bombs.bmp_of(10_000, 10_000, 0, b""), "megapixels"),
    _bomb("bmp of no size", "bmp", lambda: bombs.bmp_of(0, 10, 0, b""), DAMAGED),
    _bomb("bmp of a JPEG", "bmp", lambda: bombs.bmp_of(260, 260, 4, sound("JPEG")), DAMAGED),
    _bomb("tiff of tags", "tif", bombs.tiff_tag_bomb, NONE),
    _bomb("tiff of 500 pages", "tif", lambda: bombs.tiff_of_pages(500), FACE),
    _bomb("tiff of a loop", "tif", bombs.tiff_page_loop, FACE),
    _bomb("tiff of strips", "tif", lambda: bombs.tiff_of_tiny_strips(30_000, 2 * 10**6), "overlap"),
    _bomb("tiff of tiles", "tif", lambda: bombs.tiff_of_large_tiles(30_000), "80 megapixels"),
    _bomb("tiff of small tiles", "tif", lambda: bombs.tiff_of({322: (4, 1, 0)}), DAMAGED),
    _bomb("tiff of scans", "tif", lambda: bombs.tiff_jpeg_scans(1500), TOO_MANY),
    _bomb("tiff of 400 MP", "tif", lambda: _large_tiff(20_000), "megapixels"),
    _bomb("tiff of 100 MP", "tif", lambda: _large_tiff(10_000), "megapixels"),
    _bomb("tiff of colours", "tif", lambda: bombs.tiff_of({320: (3, 2**31, 8)}), DAMAGED),
    _bomb("tiff of nothing", "tif", lambda: b"II*\0" + bytes(40), DAMAGED),
    _bomb("tiff far away", "tif", lambda: b"II*\0\xff\xff\xff\xff" + bytes(40), DAMAGED),
    _bomb("bigtiff", "tif", lambda: b"II+\0\x08\0\0\0" + bytes(40), "not a picture in"),
    _bomb("webp of tags", "webp", bombs.webp_exif_bomb, FACE),
    _bomb("webp of 2000 frames", "webp", lambda: bombs.webp_of_frames(2000), FACE),
    _bomb(
        "webp of a profile",
        "webp",
        lambda: bombs.webp_with((b"ICCP", bytes(10**7)), flags=32),
        FACE,
    ),
    _bomb(
        "webp of chunks", "webp", lambda: bombs.webp_with(*[(b"JUNK", b"")] * 10**5, flags=0), FACE
    ),
    _bomb("avif of tags", "avif", bombs.avif_exif_bomb, FACE),
    _bomb("avif claims 100 x 100", "avif", lambda: bombs.avif_claiming(100, 100), ANY),
    _bomb(
        "avif claims 9000 x 9000",
        "avif",
        lambda: bombs.avif_claiming(9000, 9000),
        "9000 x 9000 pixels",
    ),
    _bomb(
        "avif claims 60000 x 60000", "avif", lambda: bombs.avif_claiming(60_000, 60_000), DAMAGED
    ),
]


def _profile() -> bytes:
    import zlib

    return b"x\0\0" + zlib.compress(bytes(50_000_000), 9)


def _text() -> bytes:
    import zlib

    return b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(50_000_000), 9)


def _comment(length: int, count: int) -> bytes:
    return b"\x21\xfe" + (bytes([length]) + b"x" * length) * count + b"\0"


def _large_tiff(side: int) -> bytes:
    return bombs.tiff_of({256: (4, 1, side), 257: (4, 1, side)})
