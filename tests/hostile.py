"""Hostile and odd inputs, all made in code: pictures, zips and gallery files, with what each is.

A case's `expected` is FACE, FACES, NONE or ANY (no error, whatever is found), or a part of the
message of the error that it must raise.
"""

from __future__ import annotations

import functools
import io
import json
import os
import pickle
import signal
import socket
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import cbook
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin
from safetensors.numpy import save
from skimage import data

from facehub.gallery import FORMAT
from facehub.images import MAX_BYTES

FACE, FACES, NONE, ANY = "face", "faces", "none", "any"
OUTCOMES = (FACE, FACES, NONE, ANY)
NO_PICTURE = "not a picture that facehub reads"
DAMAGED = "damaged or incomplete"
NO_GALLERY = "damaged or not a facehub gallery"


@dataclass(frozen=True)
class Case:
    """A picture file, or something in its place.

    Attributes:
        name: unique, for test ids.
        file: file name.
        content: makes the bytes, or None where `place` does all.
        expected: see the module.
        place: puts something else than a regular file at a path; such a case cannot be uploaded.
        browser: the name can be given to a browser, and it does not refuse the type by itself.
    """

    name: str
    file: str
    content: Callable[[], bytes] | None
    expected: str
    place: Callable[[Path], object] | None = None
    browser: bool = True

    @property
    def fails(self) -> bool:
        """Whether an error is expected."""
        return self.expected not in OUTCOMES

    def write(self, folder: Path) -> Path:
        """Make it in `folder`, which may hold other cases; returns its path."""
        own = folder / self.name.replace(" ", "_")
        own.mkdir(exist_ok=True)
        path = own / self.file
        if self.place is not None:
            self.place(path)
        elif self.content is not None:
            path.write_bytes(self.content())
        return path


@dataclass(frozen=True)
class ZipCase:
    """A zip for the enrolment of the Identify tab.

    Attributes:
        name: unique, for test ids.
        content: makes the bytes.
        people: who is enrolled, in order.
        failures: parts of messages, each of which some message must hold.
        n_failures: how many messages there are; None for one per part.
    """

    name: str
    content: Callable[[], bytes]
    people: tuple[str, ...]
    failures: tuple[str, ...] = ()
    n_failures: int | None = None

    def write(self, folder: Path) -> Path:
        """Make it in `folder`."""
        path = folder / f"{self.name.replace(' ', '_')}.zip"
        path.write_bytes(self.content())
        return path


@dataclass(frozen=True)
class GalleryCase:
    """A gallery file.

    Attributes:
        name: unique, for test ids.
        content: makes the bytes for a fingerprint.
        expected: a part of the error's message, or None for a gallery that is sound.
        people: names in a sound one.
        usable: whether a sound one fits the weights that ship.
    """

    name: str
    content: Callable[[str], bytes]
    expected: str | None = NO_GALLERY
    people: tuple[str, ...] = ()
    usable: bool = True

    def write(self, folder: Path, fingerprint: str) -> Path:
        """Make it in `folder`."""
        path = folder / f"{self.name.replace(' ', '_')}.safetensors"
        path.write_bytes(self.content(fingerprint))
        return path


# --- the pictures that others are made from -------------------------------------------------------


@functools.cache
def face() -> Image.Image:
    """260 x 260, one face; not to be changed."""
    return Image.fromarray(data.astronaut()[:260, 90:350])


@functools.cache
def hopper() -> Image.Image:
    """Another face; not to be changed."""
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as picture:
        return picture.convert("RGB").resize((256, 300))


def encode(picture: Image.Image | np.ndarray, kind: str = "JPEG", **options: object) -> bytes:
    """An encoded picture."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@functools.cache
def jpeg() -> bytes:
    """The face as JPEG."""
    return encode(face(), quality=92)


@functools.cache
def png() -> bytes:
    """The face as PNG."""
    return encode(face(), "PNG")


@functools.cache
def webp() -> bytes:
    """The face as WebP."""
    return encode(face(), "WEBP", quality=90)


# --- sound pictures -------------------------------------------------------------------------------


def _upright_after(orientation: int) -> Image.Image:
    """The face stored so that the EXIF orientation turns it upright."""
    inverse = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return face().transpose(inverse[orientation]) if orientation in inverse else face()


def _with_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(_upright_after(orientation), exif=exif)


def _ycck() -> bytes:
    """Pillow writes plain CMYK only: put luma and chroma in the channels, and say so."""
    cyan, magenta, yellow, black = face().convert("CMYK").split()
    luma = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr")
    channels = [*(255 - np.asarray(c) for c in luma.split()), np.asarray(black)]
    stored = bytearray(
        encode(Image.fromarray(np.dstack(channels), "CMYK"), quality=95, subsampling=0)
    )
    stored[stored.index(b"Adobe") + 11] = 2
    return bytes(stored)


def _grey16() -> bytes:
    grey = np.asarray(face().convert("L")).astype(np.uint16) * 257
    return encode(grey, "PNG")


def _see_through(mode: str) -> bytes:
    picture = face().convert("RGBA")
    alpha = Image.new("L", picture.size, 0)
    ImageDraw.Draw(alpha).rectangle((40, 0, 230, 259), fill=255)
    picture.putalpha(alpha)
    return encode(picture.convert(mode), "PNG")


def _palette_with_transparency() -> bytes:
    picture = face().quantize(255)
    return encode(picture, "PNG", transparency=255)


def _animated(kind: str) -> bytes:
    """The face first, then black."""
    rest = [Image.new("RGB", face().size) for _ in range(3)]
    return encode(face(), kind, save_all=True, append_images=rest, duration=100)


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _placed(width: int, height: int) -> Image.Image:
    """The face in the middle of a grey picture."""
    picture = Image.new("RGB", (width, height), "grey")
    picture.paste(face(), ((width - 260) // 2, (height - 260) // 2))
    return picture


def _thirty() -> Image.Image:
    one = np.asarray(Image.fromarray(data.astronaut()[20:200, 140:320]).resize((120, 120)))
    return Image.fromarray(np.tile(one, (5, 6, 1)))


def _two() -> Image.Image:
    picture = Image.new("RGB", (560, 300), "white")
    picture.paste(face(), (0, 20))
    picture.paste(hopper(), (290, 0))
    return picture


def _drawing() -> Image.Image:
    """A stick figure, whose head may count as a face."""
    picture = Image.new("RGB", (300, 400), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((120, 30, 180, 90), outline="black", width=3)
    for x in (138, 158):
        draw.ellipse((x, 50, x + 5, 55), fill="black")
    draw.arc((135, 55, 165, 80), 20, 160, fill="red", width=2)
    draw.line((150, 90, 150, 230), fill="black", width=3)
    draw.line((90, 130, 210, 130), fill="black", width=3)
    draw.line((150, 230, 100, 330), fill="black", width=3)
    draw.line((150, 230, 200, 330), fill="black", width=3)
    return picture


def _cartoon() -> Image.Image:
    """A close-up with skin, eyes, nose and mouth: some detectors take it for a face."""
    picture = Image.new("RGB", (260, 260), "lightblue")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((50, 20, 210, 240), fill="peachpuff", outline="black", width=3)
    for x in (88, 142):
        draw.ellipse((x, 90, x + 30, 110), fill="white", outline="black")
        draw.ellipse((x + 10, 93, x + 22, 107), fill="saddlebrown")
        draw.arc((x - 4, 72, x + 34, 96), 200, 340, fill="black", width=4)
    draw.line((130, 110, 122, 150, 138, 152), fill="sienna", width=3)
    draw.chord((95, 165, 165, 205), 0, 180, fill="firebrick")
    return picture


def _masked(box: tuple[int, int, int, int]) -> Image.Image:
    picture = face().copy()
    ImageDraw.Draw(picture).rounded_rectangle(box, 12, fill="aliceblue")
    return picture


def _tiny_face() -> Image.Image:
    picture = Image.new("RGB", (400, 400), "grey")
    picture.paste(face().resize((24, 24)), (190, 190))
    return picture


def _noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (240, 240, 3), np.uint8)


# --- damaged and lying files ----------------------------------------------------------------------


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def _png(width: int, height: int, content: bytes = b"", *extra: bytes, depth: int = 8) -> bytes:
    """A grey PNG whose header says `width` x `height`, whatever its content."""
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


def _jpeg_claiming(width: int, height: int) -> bytes:
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


def _webp_claiming(width: int, height: int) -> bytes:
    """An animation with a huge canvas and one small frame."""
    still = webp()
    image = still[12:]  # its only chunk, with header
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    small = (259).to_bytes(3, "little") * 2
    frame = b"\0" * 6 + small + (100).to_bytes(3, "little") + b"\0" + image
    return _riff(
        (b"VP8X", b"\x02\0\0\0" + size), (b"ANIM", b"\xff\xff\xff\xff\0\0"), (b"ANMF", frame)
    )


def _flipped(sound: bytes, start: float, step: int) -> bytes:
    changed = bytearray(sound)
    for position in range(int(len(changed) * start), len(changed) - 2, step):
        changed[position] ^= 0x5A
    return bytes(changed)


def _cut(sound: bytes, share: float) -> bytes:
    return sound[: int(len(sound) * share)]


def _png_text_bomb() -> bytes:
    """50 MB of text in 50 kB."""
    text = b"Comment\0\0" + zlib.compress(b"\0" * 50_000_000, 9)
    return png()[:33] + _chunk(b"zTXt", text) + png()[33:]


def _png_with_text() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>" * 100, zip=True)
    return encode(face(), "PNG", pnginfo=info)


def _jpeg_with_segments(marker: bytes, content: bytes, count: int) -> bytes:
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


# --- things in place of files ---------------------------------------------------------------------


def _folder(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _nothing(path: Path) -> None:
    path.unlink(missing_ok=True)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere.jpg"))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path has at most 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


CASES = [
    # sound, in all the ways a picture can be stored
    Case("jpeg", "face.jpg", jpeg, FACE),
    Case("jpeg progressive", "face.jpeg", lambda: encode(face(), progressive=True), FACE),
    Case("jpeg quality 5", "face.jpg", lambda: encode(face(), quality=5), FACE),
    Case("jpeg grey", "face.jpg", lambda: encode(face().convert("L")), FACE),
    Case("jpeg cmyk", "face.jpg", lambda: encode(face().convert("CMYK")), FACE),
    Case("jpeg ycck", "face.jpg", _ycck, FACE),
    Case("mpo", "face.jpg", lambda: encode(face(), "MPO", save_all=True), FACE),
    Case("png", "face.png", png, FACE),
    Case("png grey", "face.png", lambda: encode(face().convert("L"), "PNG"), FACE),
    Case("png 16 bit grey", "face.png", _grey16, FACE),
    Case("png 1 bit", "face.png", lambda: encode(face().convert("1"), "PNG"), ANY),
    Case("png grey alpha", "face.png", lambda: _see_through("LA"), FACE),
    Case("png alpha", "face.png", lambda: _see_through("RGBA"), FACE),
    Case("png palette", "face.png", lambda: encode(face().quantize(256), "PNG"), FACE),
    Case("png palette of 2", "face.png", lambda: encode(face().quantize(2), "PNG"), ANY),
    Case("png palette transparency", "face.png", _palette_with_transparency, FACE),
    Case("png animated", "face.png", lambda: _animated("PNG"), FACE),
    Case("png with text", "face.png", _png_with_text, FACE),
    Case("webp", "face.webp", webp, FACE),
    Case("webp lossless", "face.webp", lambda: encode(face(), "WEBP", lossless=True), FACE),
    Case("webp animated", "face.webp", lambda: _animated("WEBP"), FACE),
    Case("icc profile", "face.jpg", lambda: encode(face(), icc_profile=_profile()), FACE),
    Case("icc damaged", "face.jpg", lambda: encode(face(), icc_profile=b"\xff" * 999), FACE),
    *(
        Case(f"exif orientation {n}", "face.jpg", functools.partial(_with_exif, n), FACE)
        for n in range(2, 9)
    ),
    Case("exif orientation 99", "face.jpg", lambda: _with_exif(99), FACE),
    Case(
        "exif damaged",
        "face.jpg",
        lambda: _jpeg_with_segments(b"\xff\xe1", b"Exif\0\0MM\0*\xff\xff\xff\xff", 1),
        FACE,
    ),
    Case(
        "jpeg with 4 MB of comments",
        "face.jpg",
        lambda: _jpeg_with_segments(b"\xff\xfe", b"x" * 65_000, 64),
        FACE,
    ),
    # what they show
    Case("30 faces", "class.jpg", lambda: encode(_thirty(), quality=92), FACES),
    Case("2 faces", "two.jpg", lambda: encode(_two()), FACES),
    Case("face upside down", "down.jpg", lambda: encode(face().rotate(180)), ANY),
    Case("face on its side", "side.jpg", lambda: encode(face().rotate(90)), ANY),
    Case(
        "face mirrored",
        "mirror.jpg",
        lambda: encode(face().transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        FACE,
    ),
    Case("half a face", "half.jpg", lambda: encode(face().crop((0, 0, 132, 260))), ANY),
    Case("tiny face", "tiny.png", lambda: encode(_tiny_face(), "PNG"), ANY),
    Case("face only", "close.jpg", lambda: encode(face().crop((85, 50, 185, 170))), ANY),
    Case("surgical mask", "mask.jpg", lambda: encode(_masked((95, 108, 175, 165))), ANY),
    Case("eyes covered", "eyes.jpg", lambda: encode(_masked((85, 80, 185, 112))), ANY),
    Case("face covered", "covered.jpg", lambda: encode(_masked((70, 30, 200, 190))), NONE),
    Case("drawing", "drawing.png", lambda: encode(_drawing(), "PNG"), ANY),
    Case("cartoon", "cartoon.png", lambda: encode(_cartoon(), "PNG"), ANY),
    Case("black", "black.jpg", lambda: encode(Image.new("L", (300, 300))), NONE),
    Case("white", "white.jpg", lambda: encode(Image.new("L", (300, 300), 255)), NONE),
    Case("noise", "noise.jpg", lambda: encode(_noise()), NONE),
    Case("no face", "coffee.jpg", lambda: encode(data.coffee()), NONE),
    Case("wholly transparent", "clear.png", lambda: encode(Image.new("LA", (99, 99)), "PNG"), NONE),
    # sizes
    Case("1 x 1", "dot.png", lambda: encode(Image.new("RGB", (1, 1)), "PNG"), NONE),
    Case("2 x 2", "dots.jpg", lambda: encode(Image.new("RGB", (2, 2))), NONE),
    Case("1 x 30000", "line.png", lambda: encode(Image.new("L", (1, 30_000)), "PNG"), NONE),
    Case("30000 x 1", "line.png", lambda: encode(Image.new("L", (30_000, 1)), "PNG"), NONE),
    Case("30001 x 1", "line.png", lambda: _png(30_001, 1, b"\0" * 30_002), "30001 x 1 pixels"),
    Case("very wide", "wide.png", lambda: encode(_placed(3000, 260), "PNG"), ANY),
    Case("very tall", "tall.png", lambda: encode(_placed(260, 3000), "PNG"), ANY),
    # bombs
    Case(
        "png 100 MP",
        "bomb.png",
        lambda: encode(Image.new("1", (10_000, 10_000)), "PNG"),
        "10000 x 10000 pixels",
    ),
    Case("png claims 60000 x 60000", "bomb.png", lambda: _png(60_000, 60_000), "far more than"),
    Case("png claims 2 to the 31", "bomb.png", lambda: _png(2**31 - 1, 2**31 - 1), "far more than"),
    Case("png claims no width", "bomb.png", lambda: _png(0, 10), DAMAGED),
    Case("png of too much data", "bomb.png", lambda: _png(64, 64, bytes(100_000_000)), NONE),
    Case("png of too little data", "bomb.png", lambda: _png(6000, 6000, bytes(99)), DAMAGED),
    Case("png text bomb", "bomb.png", _png_text_bomb, DAMAGED),
    Case("jpeg claims 65000 x 65000", "bomb.jpg", lambda: _jpeg_claiming(65_000, 65_000), "far"),
    Case("jpeg claims no width", "bomb.jpg", lambda: _jpeg_claiming(0, 260), DAMAGED),
    Case("jpeg claims 2000 x 2000", "bomb.jpg", lambda: _jpeg_claiming(2000, 2000), ANY),
    Case(
        "webp claims 9000 x 9000",
        "bomb.webp",
        lambda: _webp_claiming(9000, 9000),
        "9000 x 9000 pixels",
    ),
    Case("webp claims 2 to the 24", "bomb.webp", lambda: _webp_claiming(2**24, 2**24), DAMAGED),
    Case(
        "33 MB",
        "large.jpg",
        lambda: jpeg() + bytes(MAX_BYTES),
        "larger than 32 MB",
    ),
    # damaged
    Case("empty", "empty.jpg", bytes, "empty"),
    Case("one byte", "byte.jpg", lambda: b"\xff", NO_PICTURE),
    Case("jpeg start only", "cut.jpg", lambda: jpeg()[:3], DAMAGED),
    Case("jpeg header only", "cut.jpg", lambda: jpeg()[:600], DAMAGED),
    Case("jpeg half", "cut.jpg", lambda: _cut(jpeg(), 0.5), DAMAGED),
    Case("jpeg almost whole", "cut.jpg", lambda: _cut(jpeg(), 0.97), DAMAGED),
    Case("jpeg flipped bits", "flip.jpg", lambda: _flipped(jpeg(), 0.5, 4999), ANY),
    Case("png start only", "cut.png", lambda: png()[:8], DAMAGED),
    Case("png header only", "cut.png", lambda: png()[:40], DAMAGED),
    Case("png half", "cut.png", lambda: _cut(png(), 0.5), DAMAGED),
    Case("png wrong checksum", "flip.png", lambda: _flipped(png(), 0.5, 999), DAMAGED),
    Case("webp start only", "cut.webp", lambda: webp()[:12], DAMAGED),
    Case("webp half", "cut.webp", lambda: _cut(webp(), 0.5), DAMAGED),
    Case("trailing garbage", "face.jpg", lambda: jpeg() + b"\xff\xd8garbage\0" * 99, FACE),
    Case("picture and zip", "face.png", lambda: png() + _archive(("../x", b"x")), FACE),
    Case("leading garbage", "face.jpg", lambda: b"\r\n\r\n" + jpeg(), NO_PICTURE),
    # something else
    Case("text", "text.jpg", lambda: b"This is no picture.\n", NO_PICTURE),
    Case("html", "page.jpg", lambda: HTML, NO_PICTURE),
    Case("svg", "drawing.svg", lambda: SVG, NO_PICTURE),
    Case("svg as png", "drawing.png", lambda: SVG, NO_PICTURE),
    Case("xml bomb", "bomb.png", lambda: XML_BOMB, NO_PICTURE),
    Case("gif", "face.gif", lambda: encode(face(), "GIF"), NO_PICTURE),
    Case("gif animated as jpg", "face.jpg", lambda: _animated("GIF"), NO_PICTURE),
    Case("bmp", "face.bmp", lambda: encode(face(), "BMP"), NO_PICTURE),
    Case("tiff as jpg", "face.jpg", lambda: encode(face(), "TIFF"), NO_PICTURE),
    Case("ppm as png", "face.png", lambda: encode(face(), "PPM"), NO_PICTURE),
    Case("heic as jpg", "IMG_0001.jpg", lambda: HEIC, NO_PICTURE),
    Case("pdf as jpg", "scan.jpg", lambda: PDF, NO_PICTURE),
    Case("pdf", "scan.pdf", lambda: PDF, NO_PICTURE, browser=False),
    Case("zip as jpg", "people.jpg", lambda: _archive(("a.jpg", jpeg())), NO_PICTURE),
    Case("pickle as jpg", "x.jpg", lambda: pickle.dumps({"a": 1}), NO_PICTURE),
    Case("elf as png", "program.png", lambda: ELF, NO_PICTURE),
    Case("null bytes", "zero.jpg", lambda: bytes(5000), NO_PICTURE),
    Case("mp4 as jpg", "clip.jpg", lambda: b"\0\0\0\x20ftypisom" + bytes(99), NO_PICTURE),
    # names
    Case("png named jpg", "face.jpg", png, FACE),
    Case("upper case suffix", "FACE.JPG", jpeg, FACE),
    Case("no suffix", "face", jpeg, FACE, browser=False),
    Case("picture named txt", "face.txt", jpeg, FACE, browser=False),
    Case("name in unicode", "Пётр 陳 🙂 é\u0301.jpg", jpeg, FACE),
    Case("name right to left", "face\u202egpj.jpg", jpeg, FACE),
    Case("name of 250 bytes", "n" * 246 + ".jpg", jpeg, FACE),
    Case("name with quotes", 'it\'s "a" `face`;$(id).jpg', jpeg, FACE),
    Case("name with a new line", "two\nlines.jpg", jpeg, FACE),
    Case("name with an escape", "\x1b[31mred.jpg", jpeg, FACE),
    Case("name with a leading dash", "--help.jpg", jpeg, FACE),
    Case("name with html", "<img src=x onerror=window.hacked=1>.jpg", jpeg, FACE),
    Case("name with percents", "%2e%2e%2fevil%00%s%n.jpg", jpeg, FACE),
    Case("name with backslashes", "..\\..\\evil.jpg", jpeg, FACE),
    Case("name of dots", "....jpg", jpeg, FACE),
    Case("name of a device", "CON.jpg", jpeg, FACE),
    Case("name not in utf-8", os.fsdecode(b"\xff\xfe.jpg"), jpeg, FACE, browser=False),
    # not a file
    Case("folder", "folder.jpg", None, "folder", _folder),
    Case("fifo", "fifo.jpg", None, "not a regular file", _fifo),
    Case("device", "zero.jpg", None, "not a regular file", _device),
    Case("socket", "socket.jpg", None, "not a regular file", _socket),
    Case("missing", "missing.jpg", None, "There is no file", _nothing),
    Case("dangling link", "link.jpg", None, "There is no file", _dangling),
    Case("link to itself", "loop.jpg", None, "cannot be read", _loop),
    Case("file as a folder", "face.jpg/x.jpg", None, "There is no file", lambda path: None),
    Case("name too long", "n" * 300 + ".jpg", None, "cannot be read", lambda path: None),
    Case("1 TB", "sparse.jpg", None, "larger than 32 MB", _sparse),
]


# --- zips -----------------------------------------------------------------------------------------


def _symlink(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info, target.encode()


def _archive(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A zip; members may have the same name, or one that leads out of the folder."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compresslevel=1) as archive:
        warnings.simplefilter("ignore")  # of names that occur twice
        for name, content in members:
            info = zipfile.ZipInfo(name) if isinstance(name, str) else name
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _good(name: str = "Ada/1.jpg") -> tuple[str, bytes]:
    return name, jpeg()


def _patched(archive: bytes, name: str, offset: tuple[int, int], value: bytes) -> bytes:
    """Change a member's local header and its entry in the directory, at one offset in each."""
    changed = bytearray(archive)
    local = changed.index(name.encode()) - 30
    entry = changed.rindex(name.encode()) - 46
    for start in (local + offset[0], entry + offset[1]):
        changed[start : start + len(value)] = value
    return bytes(changed)


def _encrypted() -> bytes:
    archive = _archive(_good(), ("Bob/1.jpg", jpeg()), _good("Eve/1.jpg"))
    return _patched(archive, "Bob/1.jpg", (6, 8), b"\x01\0")


def _damaged_member() -> bytes:
    """The deflated data of the one in the middle is no deflated data."""
    archive = bytearray(_archive(_good(), ("Bob/1.jpg", jpeg()), _good("Eve/1.jpg")))
    start = archive.index(b"Bob/1.jpg") + len("Bob/1.jpg")
    archive[start : start + 64] = b"\xff" * 64
    return bytes(archive)


def _wrong_checksum() -> bytes:
    archive = _archive(_good(), ("Bob/1.jpg", jpeg()), _good("Eve/1.jpg"))
    return _patched(archive, "Bob/1.jpg", (14, 16), b"\1\2\3\4")


def _unknown_method() -> bytes:
    archive = _archive(_good(), ("Bob/1.jpg", jpeg()), _good("Eve/1.jpg"))
    return _patched(archive, "Bob/1.jpg", (8, 10), struct.pack("<H", 99))


def _lying_size() -> bytes:
    """64 MB of zeros that claim to be 1,000 bytes."""
    archive = _archive(_good(), ("Bob/1.jpg", bytes(2**26)), _good("Eve/1.jpg"))
    return _patched(archive, "Bob/1.jpg", (22, 24), struct.pack("<I", 1000))


def _overlapping() -> bytes:
    """The second entry of the directory points at the first member's data."""
    archive = bytearray(_archive(_good("Ada/1.jpg"), _good("Bob/1.jpg")))
    entry = archive.rindex(b"Bob/1.jpg") - 46
    archive[entry + 42 : entry + 46] = struct.pack("<I", 0)
    return bytes(archive)


ZIPS = [
    ZipCase("sound", lambda: _archive(_good(), _good("Bob/1.jpg")), ("Ada", "Bob")),
    ZipCase("empty", lambda: _archive(), (), ("holds no JPEG",)),
    ZipCase("no bytes", bytes, (), ("cannot be read",)),
    ZipCase("text", lambda: b"no zip", (), ("cannot be read",)),
    ZipCase("a picture", jpeg, (), ("cannot be read",)),
    ZipCase(
        "cut", lambda: _cut(_archive(_good(), _good("Bob/1.jpg")), 0.7), (), ("cannot be read",)
    ),
    ZipCase("slip", lambda: _archive(_good(), ("../../../evil.jpg", jpeg())), ("Ada",)),
    ZipCase("slip inside", lambda: _archive(_good(), ("Bob/../../evil.jpg", jpeg())), ("Ada",)),
    ZipCase("absolute", lambda: _archive(_good(), ("/tmp/evil.jpg", jpeg())), ("Ada", "tmp")),
    ZipCase("backslashes", lambda: _archive(_good(), ("..\\..\\evil.jpg", jpeg())), ("Ada",)),
    ZipCase(
        "bomb of 256 MB",
        lambda: _archive(_good(), ("Bob/1.jpg", bytes(2**28)), _good("Eve/1.jpg")),
        ("Ada", "Eve"),
        ("Bob/1.jpg: This member of the zip is too large",),
    ),
    ZipCase(
        "bomb of 4 x 31 MB",
        lambda: _archive(
            _good(), *((f"Bob/{n}.jpg", bytes(31 * 2**20)) for n in range(4)), _good("Eve/1.jpg")
        ),
        ("Ada", "Eve"),
        ("Bob/0.jpg: This is not a picture", "Bob/3.jpg: This is not a picture"),
        n_failures=4,
    ),
    ZipCase("lying size", _lying_size, ("Ada", "Eve"), ("Bob/1.jpg",)),
    ZipCase("encrypted member", _encrypted, ("Ada", "Eve"), ("Bob/1.jpg",)),
    ZipCase("damaged member", _damaged_member, ("Ada", "Eve"), ("Bob/1.jpg",)),
    ZipCase("wrong checksum", _wrong_checksum, ("Ada", "Eve"), ("Bob/1.jpg",)),
    ZipCase("unknown method", _unknown_method, ("Ada", "Eve"), ("Bob/1.jpg",)),
    ZipCase("overlapping", _overlapping, ("Ada",), ("Bob/1.jpg",)),
    ZipCase("nested", lambda: _archive(_good(), ("in.zip", _archive(_good()))), ("Ada",)),
    ZipCase(
        "nested as jpg",
        lambda: _archive(("in.jpg", _archive(_good()))),
        (),
        ("in.jpg: This is not a picture",),
    ),
    ZipCase(
        "1000 members",
        lambda: _archive(
            _good(), *((f"Bob/{n}.jpg", b"x") for n in range(998)), _good("Eve/1.jpg")
        ),
        ("Ada",),
        ("Bob/299.jpg: This is not a picture", "1000_members.zip: "),
        n_failures=301,
    ),
    ZipCase(
        "hidden members",
        lambda: _archive(
            _good(), (".hidden/1.jpg", b"x"), ("__MACOSX/Ada/._1.jpg", b"x"), ("Ada/.2.jpg", b"x")
        ),
        ("Ada",),
    ),
    ZipCase(
        "symlink member",
        lambda: _archive(_good(), _symlink("Bob/1.jpg", "/etc/passwd")),
        ("Ada",),
        ("Bob/1.jpg: This is not a picture",),
    ),
    ZipCase(
        "folder named jpg",
        lambda: _archive(_good(), ("folder.jpg/", b"")),
        ("Ada",),
        ("folder.jpg: The file is empty",),
    ),
    ZipCase("unicode", lambda: _archive(_good("Пётр 陳/🙂.jpg")), ("Пётр 陳",)),
    ZipCase("one name twice", lambda: _archive(_good(), ("Ada/1.jpg", b"x")), ("Ada",), ("not",)),
    ZipCase(
        "html in names",
        lambda: _archive(
            _good("<img src=x onerror='window.hacked=1'>/1.jpg"),
            ("<b>/<img src=x onerror='window.hacked=1'>.jpg", b"x"),
        ),
        ("<img src=x onerror='window.hacked=1'>",),
        ("<b>/<img",),
    ),
    ZipCase("control characters", lambda: _archive(_good("A\nd\x1ba\u202e/1\r.jpg")), ("A d a",)),
    ZipCase("name too long", lambda: _archive(_good("n" * 101 + "/1.jpg")), (), ("at most 100",)),
    ZipCase("deep", lambda: _archive(_good("x/" * 5000 + "Ada/1.jpg")), ("Ada",)),
    ZipCase("name of dots", lambda: _archive(_good("Ada/....jpg")), (), ("holds no JPEG",)),
]


# --- gallery files --------------------------------------------------------------------------------


def _templates(count: int, size: int = 512) -> np.ndarray:
    rows = np.random.default_rng(1).normal(size=(count, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _gallery(
    fingerprint: str,
    names: Iterable[str] = ("Ada",),
    templates: np.ndarray | None = None,
    people: str | None = None,
    **changes: str | None,
) -> bytes:
    """A gallery file, with whatever the arguments put in place of what is right."""
    if people is None:
        people = json.dumps([{"name": name, "sources": ["photo.jpg"]} for name in names])
    if templates is None:
        templates = _templates(len(json.loads(people)))
    metadata = {"format": FORMAT, "fingerprint": fingerprint, "people": people} | changes
    kept = {key: value for key, value in metadata.items() if value is not None}
    return save({"templates": templates}, kept)


def _raw(header: bytes, rest: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + rest


def _with(fingerprint: str, row: object) -> bytes:
    templates = _templates(2)
    templates[1] = row
    return _gallery(fingerprint, ("Ada", "Bob"), templates)


class _Evil:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, ("pickle_was_run",)


GALLERIES = [
    GalleryCase("sound", lambda f: _gallery(f, ("Ada", "Bob")), None, ("Ada", "Bob")),
    GalleryCase("nobody", lambda f: _gallery(f, ()), None, ()),
    GalleryCase("no bytes", lambda f: b""),
    GalleryCase("text", lambda f: b"This is no gallery.\n"),
    GalleryCase("null bytes", lambda f: bytes(10_000)),
    GalleryCase("a picture", lambda f: jpeg()),
    GalleryCase("a zip", lambda f: _archive(_good())),
    GalleryCase("a pickle", lambda f: pickle.dumps(_Evil())),
    GalleryCase("cut in the header", lambda f: _gallery(f)[:100]),
    GalleryCase("cut in the templates", lambda f: _gallery(f)[:-100]),
    GalleryCase("more at the end", lambda f: _gallery(f) + b"x" * 100),
    GalleryCase("header of 2 to the 63", lambda f: struct.pack("<Q", 2**63) + b"{}"),
    GalleryCase("header is no json", lambda f: _raw(b"{" * 100)),
    GalleryCase("header is nested", lambda f: _raw(b'{"a":' + b"[" * 50_000)),
    GalleryCase(
        "header claims 1 TB",
        lambda f: _raw(
            json.dumps(
                {"templates": {"dtype": "F32", "shape": [2**29, 512], "data_offsets": [0, 2**40]}}
            ).encode()
        ),
    ),
    GalleryCase("other tensors", lambda f: save({"weight": _templates(2)}, {"format": "pt"})),
    GalleryCase("no metadata", lambda f: save({"templates": _templates(1)})),
    GalleryCase("other format", lambda f: _gallery(f, format="facehub-gallery-9")),
    GalleryCase("other weights", lambda f: _gallery("sha256:0123"), "made with other weights"),
    GalleryCase(
        "no fingerprint",
        lambda f: save({"templates": _templates(0)}, {"format": FORMAT, "people": "[]"}),
        "other weights",
    ),
    GalleryCase(
        "fingerprint with html",
        lambda f: _gallery("<img src=x onerror=window.hacked=1>"),
        "made with other weights",
    ),
    GalleryCase("not a number", lambda f: _with(f, np.nan)),
    GalleryCase("infinite", lambda f: _with(f, np.inf)),
    GalleryCase("not of length 1", lambda f: _with(f, 1.0)),
    GalleryCase("zero", lambda f: _with(f, 0.0)),
    GalleryCase("float64", lambda f: _gallery(f, templates=_templates(1).astype(np.float64))),
    GalleryCase("float16", lambda f: _gallery(f, templates=_templates(1).astype(np.float16))),
    GalleryCase(
        "templates of 8 values",
        lambda f: _gallery(f, templates=_templates(1, 8)),
        None,
        ("Ada",),
        False,
    ),
    GalleryCase("one axis", lambda f: _gallery(f, templates=_templates(1)[0])),
    GalleryCase("three axes", lambda f: _gallery(f, templates=_templates(1)[None])),
    GalleryCase("too few templates", lambda f: _gallery(f, ("A", "B"), _templates(1))),
    GalleryCase("too many templates", lambda f: _gallery(f, ("A",), _templates(2))),
    GalleryCase("one name twice", lambda f: _gallery(f, ("Ada", "Ada"))),
    GalleryCase("one name twice, spaced", lambda f: _gallery(f, ("Ada L", " Ada\tL "))),
    GalleryCase("empty name", lambda f: _gallery(f, ("  ",))),
    GalleryCase("name of 101 characters", lambda f: _gallery(f, ("n" * 101,))),
    GalleryCase(
        "names with control characters",
        lambda f: _gallery(f, ("A\x1b[31m\nB", "C\u202e", "\ud800D")),
        None,
        ("A [31m B", "C", "D"),
    ),
    GalleryCase(
        "names with html",
        lambda f: _gallery(f, ("<img src=x onerror=window.hacked=1>",)),
        None,
        ("<img src=x onerror=window.hacked=1>",),
    ),
    GalleryCase(
        "sources with html",
        lambda f: _gallery(
            f,
            people=json.dumps(
                [{"name": "Ada", "sources": ["\x1b<img src=x onerror=window.hacked=1>"]}]
            ),
        ),
        None,
        ("Ada",),
    ),
    GalleryCase(
        "person without a template",
        lambda f: _gallery(f, people='[{"name":"A","sources":[]}]', templates=_templates(0)),
    ),
    GalleryCase("people is no json", lambda f: _gallery(f, people="no", templates=_templates(0))),
    GalleryCase("people is a number", lambda f: _gallery(f, people="1", templates=_templates(0))),
    GalleryCase("people without names", lambda f: _gallery(f, people='[{"a":1}]')),
    GalleryCase(
        "people is nested",
        lambda f: _gallery(f, people="[" * 100_000 + "]" * 100_000, templates=_templates(0)),
    ),
    GalleryCase(
        "10 MB of metadata", lambda f: _gallery(f, comment="x" * 10_000_000), None, ("Ada",)
    ),
]


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise `TimeoutError` in the main thread where the body takes longer, a system call too."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
