"""Cases of all pictures, and of other things at the path of a picture."""

from __future__ import annotations

import functools
import os
import pickle
import socket
from pathlib import Path

from PIL import Image
from skimage import data

from facehub.io.images import MAX_BYTES
from tests.hostile.broken import (
    ELF,
    HEIC,
    HTML,
    PDF,
    SVG,
    XML_BOMB,
    cut,
    flipped,
    jpeg_claiming,
    jpeg_with_segments,
    png_of,
    png_text_bomb,
    png_with_text,
    webp_claiming,
)
from tests.hostile.cases import ANY, DAMAGED, FACE, FACES, NO_PICTURE, NONE, Case
from tests.hostile.formats import FORMATS, HAS_HEIC, MISSING
from tests.hostile.sound import (
    animated,
    cartoon,
    drawing,
    encode,
    face,
    grey16,
    jpeg,
    masked,
    noise,
    palette_with_transparency,
    placed,
    png,
    profile,
    see_through,
    thirty,
    tiny_face,
    two,
    webp,
    with_exif,
    ycck,
)
from tests.hostile.zips import zip_of


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
    # valid pictures in every encoding
    Case("jpeg", "face.jpg", jpeg, FACE),
    Case("jpeg progressive", "face.jpeg", lambda: encode(face(), progressive=True), FACE),
    Case("jpeg quality 5", "face.jpg", lambda: encode(face(), quality=5), FACE),
    Case("jpeg grey", "face.jpg", lambda: encode(face().convert("L")), FACE),
    Case("jpeg cmyk", "face.jpg", lambda: encode(face().convert("CMYK")), FACE),
    Case("jpeg ycck", "face.jpg", ycck, FACE),
    Case("mpo", "face.jpg", lambda: encode(face(), "MPO", save_all=True), FACE),
    Case("png", "face.png", png, FACE),
    Case("png grey", "face.png", lambda: encode(face().convert("L"), "PNG"), FACE),
    Case("png 16 bit grey", "face.png", grey16, FACE),
    Case("png 1 bit", "face.png", lambda: encode(face().convert("1"), "PNG"), ANY),
    Case("png grey alpha", "face.png", lambda: see_through("LA"), FACE),
    Case("png alpha", "face.png", lambda: see_through("RGBA"), FACE),
    Case("png palette", "face.png", lambda: encode(face().quantize(256), "PNG"), FACE),
    Case("png palette of 2", "face.png", lambda: encode(face().quantize(2), "PNG"), ANY),
    Case("png palette transparency", "face.png", palette_with_transparency, FACE),
    Case("png animated", "face.png", lambda: animated("PNG"), FACE),
    Case("png with text", "face.png", png_with_text, FACE),
    Case("webp", "face.webp", webp, FACE),
    Case("webp lossless", "face.webp", lambda: encode(face(), "WEBP", lossless=True), FACE),
    Case("webp animated", "face.webp", lambda: animated("WEBP"), FACE),
    Case("icc profile", "face.jpg", lambda: encode(face(), icc_profile=profile()), FACE),
    Case("icc damaged", "face.jpg", lambda: encode(face(), icc_profile=b"\xff" * 999), FACE),
    *(
        Case(f"exif orientation {n}", "face.jpg", functools.partial(with_exif, n), FACE)
        for n in range(2, 9)
    ),
    Case("exif orientation 99", "face.jpg", lambda: with_exif(99), FACE),
    Case(
        "exif damaged",
        "face.jpg",
        lambda: jpeg_with_segments(b"\xff\xe1", b"Exif\0\0MM\0*\xff\xff\xff\xff", 1),
        FACE,
    ),
    Case(
        "jpeg with 4 MB of comments",
        "face.jpg",
        lambda: jpeg_with_segments(b"\xff\xfe", b"x" * 65_000, 64),
        FACE,
    ),
    # contents of the picture
    Case("30 faces", "class.jpg", lambda: encode(thirty(), quality=92), FACES),
    Case("2 faces", "two.jpg", lambda: encode(two()), FACES),
    Case("face upside down", "down.jpg", lambda: encode(face().rotate(180)), ANY),
    Case("face on its side", "side.jpg", lambda: encode(face().rotate(90)), ANY),
    Case(
        "face mirrored",
        "mirror.jpg",
        lambda: encode(face().transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        FACE,
    ),
    Case("half a face", "half.jpg", lambda: encode(face().crop((0, 0, 132, 260))), ANY),
    Case("tiny face", "tiny.png", lambda: encode(tiny_face(), "PNG"), ANY),
    Case("face only", "close.jpg", lambda: encode(face().crop((85, 50, 185, 170))), ANY),
    Case("surgical mask", "mask.jpg", lambda: encode(masked((95, 108, 175, 165))), ANY),
    Case("eyes covered", "eyes.jpg", lambda: encode(masked((85, 80, 185, 112))), ANY),
    Case("face covered", "covered.jpg", lambda: encode(masked((70, 30, 200, 190))), NONE),
    Case("drawing", "drawing.png", lambda: encode(drawing(), "PNG"), ANY),
    Case("cartoon", "cartoon.png", lambda: encode(cartoon(), "PNG"), ANY),
    Case("black", "black.jpg", lambda: encode(Image.new("L", (300, 300))), NONE),
    Case("white", "white.jpg", lambda: encode(Image.new("L", (300, 300), 255)), NONE),
    Case("noise", "noise.jpg", lambda: encode(noise()), NONE),
    Case("no face", "coffee.jpg", lambda: encode(data.coffee()), NONE),
    Case("wholly transparent", "clear.png", lambda: encode(Image.new("LA", (99, 99)), "PNG"), NONE),
    # sizes
    Case("1 x 1", "dot.png", lambda: encode(Image.new("RGB", (1, 1)), "PNG"), NONE),
    Case("2 x 2", "dots.jpg", lambda: encode(Image.new("RGB", (2, 2))), NONE),
    Case("1 x 30000", "line.png", lambda: encode(Image.new("L", (1, 30_000)), "PNG"), NONE),
    Case("30000 x 1", "line.png", lambda: encode(Image.new("L", (30_000, 1)), "PNG"), NONE),
    Case("30001 x 1", "line.png", lambda: png_of(30_001, 1, b"\0" * 30_002), "30001 x 1 pixels"),
    Case("very wide", "wide.png", lambda: encode(placed(3000, 260), "PNG"), ANY),
    Case("very tall", "tall.png", lambda: encode(placed(260, 3000), "PNG"), ANY),
    # bombs
    Case(
        "png 100 MP",
        "bomb.png",
        lambda: encode(Image.new("1", (10_000, 10_000)), "PNG"),
        "10000 x 10000 pixels",
    ),
    Case(
        "png claims 60000 x 60000",
        "bomb.png",
        lambda: png_of(60_000, 60_000),
        "far more than",
    ),
    Case(
        "png claims 2 to the 31",
        "bomb.png",
        lambda: png_of(2**31 - 1, 2**31 - 1),
        "far more than",
    ),
    Case("png claims no width", "bomb.png", lambda: png_of(0, 10), DAMAGED),
    Case("png of too much data", "bomb.png", lambda: png_of(64, 64, bytes(100_000_000)), NONE),
    Case("png of too little data", "bomb.png", lambda: png_of(6000, 6000, bytes(99)), DAMAGED),
    Case("png text bomb", "bomb.png", png_text_bomb, FACE),
    Case("jpeg claims 65000 x 65000", "bomb.jpg", lambda: jpeg_claiming(65_000, 65_000), "far"),
    Case("jpeg claims no width", "bomb.jpg", lambda: jpeg_claiming(0, 260), DAMAGED),
    Case("jpeg claims 2000 x 2000", "bomb.jpg", lambda: jpeg_claiming(2000, 2000), ANY),
    Case(
        "webp claims 9000 x 9000",
        "bomb.webp",
        lambda: webp_claiming(9000, 9000),
        "9000 x 9000 pixels",
    ),
    Case("webp claims 2 to the 24", "bomb.webp", lambda: webp_claiming(2**24, 2**24), DAMAGED),
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
    Case("jpeg half", "cut.jpg", lambda: cut(jpeg(), 0.5), DAMAGED),
    Case("jpeg almost whole", "cut.jpg", lambda: cut(jpeg(), 0.97), DAMAGED),
    Case("jpeg flipped bits", "flip.jpg", lambda: flipped(jpeg(), 0.5, 4999), ANY),
    Case("png start only", "cut.png", lambda: png()[:8], DAMAGED),
    Case("png header only", "cut.png", lambda: png()[:40], DAMAGED),
    Case("png half", "cut.png", lambda: cut(png(), 0.5), DAMAGED),
    Case("png wrong checksum", "flip.png", lambda: flipped(png(), 0.5, 999), DAMAGED),
    Case("webp start only", "cut.webp", lambda: webp()[:12], DAMAGED),
    Case("webp half", "cut.webp", lambda: cut(webp(), 0.5), DAMAGED),
    Case("trailing garbage", "face.jpg", lambda: jpeg() + b"\xff\xd8garbage\0" * 99, FACE),
    Case("picture and zip", "face.png", lambda: png() + zip_of(("../x", b"x")), FACE),
    Case("leading garbage", "face.jpg", lambda: b"\r\n\r\n" + jpeg(), NO_PICTURE),
    # other formats, and files that are not pictures
    Case("text", "text.jpg", lambda: b"This is no picture.\n", NO_PICTURE),
    Case("html", "page.jpg", lambda: HTML, NO_PICTURE),
    Case("svg", "drawing.svg", lambda: SVG, NO_PICTURE),
    Case("svg as png", "drawing.png", lambda: SVG, NO_PICTURE),
    Case("xml bomb", "bomb.png", lambda: XML_BOMB, NO_PICTURE),
    Case("gif", "face.gif", lambda: encode(face(), "GIF"), FACE),
    Case("gif animated as jpg", "face.jpg", lambda: animated("GIF"), FACE),
    Case("bmp", "face.bmp", lambda: encode(face(), "BMP"), FACE),
    Case("tiff as jpg", "face.jpg", lambda: encode(face(), "TIFF"), FACE),
    Case("ppm as png", "face.png", lambda: encode(face(), "PPM"), NO_PICTURE),
    Case("heic as jpg", "IMG_0001.jpg", lambda: HEIC, DAMAGED if HAS_HEIC else MISSING),
    Case("pdf as jpg", "scan.jpg", lambda: PDF, NO_PICTURE),
    Case("pdf", "scan.pdf", lambda: PDF, NO_PICTURE, browser=False),
    Case("zip as jpg", "people.jpg", lambda: zip_of(("a.jpg", jpeg())), NO_PICTURE),
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
    # not a regular file
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
    *FORMATS,
]
