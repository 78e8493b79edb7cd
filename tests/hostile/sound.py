"""Valid pictures in many encodings, and odd pictures."""

from __future__ import annotations

import functools
import io

import numpy as np
from matplotlib import cbook
from PIL import Image, ImageCms, ImageDraw
from skimage import data


@functools.cache
def face() -> Image.Image:
    """260 x 260, one face. Do not change it."""
    return Image.fromarray(data.astronaut()[:260, 90:350])


@functools.cache
def hopper() -> Image.Image:
    """Another face. Do not change it."""
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as picture:
        return picture.convert("RGB").resize((256, 300))


def encode(picture: Image.Image | np.ndarray, kind: str = "JPEG", **options: object) -> bytes:
    """Encode a picture."""
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


def heic(picture: Image.Image | None = None, **options: object) -> bytes:
    """The face, or another picture, as HEIC; needs facehub[heic]."""
    from pillow_heif import from_pillow

    buffer = io.BytesIO()
    from_pillow(picture or face()).save(buffer, **{"quality": 90, **options})
    return buffer.getvalue()


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


def with_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(_upright_after(orientation), exif=exif)


def ycck() -> bytes:
    """A YCCK JPEG: YCbCr in the channels of a CMYK JPEG of Pillow, and a changed flag."""
    cyan, magenta, yellow, black = face().convert("CMYK").split()
    luma = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr")
    channels = [*(255 - np.asarray(c) for c in luma.split()), np.asarray(black)]
    stored = bytearray(
        encode(Image.fromarray(np.dstack(channels), "CMYK"), quality=95, subsampling=0)
    )
    stored[stored.index(b"Adobe") + 11] = 2
    return bytes(stored)


def grey16() -> bytes:
    grey = np.asarray(face().convert("L")).astype(np.uint16) * 257
    return encode(grey, "PNG")


def grey_of(bits: int, kind: str = "PNG") -> bytes:
    """A 16-bit grey picture that uses `bits` bits."""
    grey = np.asarray(face().convert("L")).astype(np.uint16)
    return encode(grey << (bits - 8), kind)


def grey_32(dtype: str, top: float) -> bytes:
    """A TIFF of 32-bit floating-point values or integers from 0 to `top`."""
    grey = np.asarray(face().convert("L")) / 255 * top
    return encode(Image.fromarray(grey.astype(dtype)), "TIFF")


def see_through(mode: str) -> bytes:
    picture = face().convert("RGBA")
    alpha = Image.new("L", picture.size, 0)
    ImageDraw.Draw(alpha).rectangle((40, 0, 230, 259), fill=255)
    picture.putalpha(alpha)
    return encode(picture.convert(mode), "PNG")


def palette_with_transparency() -> bytes:
    picture = face().quantize(255)
    return encode(picture, "PNG", transparency=255)


def animated(kind: str) -> bytes:
    """The face first, then black."""
    rest = [Image.new("RGB", face().size) for _ in range(3)]
    return encode(face(), kind, save_all=True, append_images=rest, duration=100)


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def placed(width: int, height: int) -> Image.Image:
    """The face in the middle of a grey picture."""
    picture = Image.new("RGB", (width, height), "grey")
    picture.paste(face(), ((width - 260) // 2, (height - 260) // 2))
    return picture


def thirty() -> Image.Image:
    one = np.asarray(Image.fromarray(data.astronaut()[20:200, 140:320]).resize((120, 120)))
    return Image.fromarray(np.tile(one, (5, 6, 1)))


def two() -> Image.Image:
    picture = Image.new("RGB", (560, 300), "white")
    picture.paste(face(), (0, 20))
    picture.paste(hopper(), (290, 0))
    return picture


def drawing() -> Image.Image:
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


def cartoon() -> Image.Image:
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


def masked(box: tuple[int, int, int, int]) -> Image.Image:
    picture = face().copy()
    ImageDraw.Draw(picture).rounded_rectangle(box, 12, fill="aliceblue")
    return picture


def tiny_face() -> Image.Image:
    picture = Image.new("RGB", (400, 400), "grey")
    picture.paste(face().resize((24, 24)), (190, 190))
    return picture


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (240, 240, 3), np.uint8)
