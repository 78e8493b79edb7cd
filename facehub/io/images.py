"""Decode a picture from any source to RGB uint8, with typed errors and size limits."""

from __future__ import annotations

import contextlib
import io
import os
from typing import BinaryIO, TypeAlias

import cv2
import numpy as np
from PIL import Image, ImageOps

from facehub.errors import ImageDecodeError, ImageFormatError, ImageTooLargeError
from facehub.io.codecs.exif import apply_orientation, orientation_of
from facehub.io.formats import FORMAT_ADVICE, HEIC, HEIC_MISSING, Format, format_of
from facehub.io.levels import to_uint8, white_of

ImageSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray

MAX_BYTES = 32 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_SIDE = 30_000  # OpenCV's geometric transforms stop at 32,767


def load_image(
    source: ImageSource, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Read a picture as RGB.

    Files and bytes must hold a format of `facehub.io.formats`. Only the first frame of an animation
    and the first page of a document is read. The EXIF rotation is applied. Transparent parts become
    white. Palette, grey, CMYK, 16-bit and floating-point pictures are converted, see `to_uint8`.
    Sizes, and the amount of work, are checked before anything is decoded.

    Args:
        source: a path, encoded bytes, a binary file, a PIL image, or an array: uint8 or uint16
            (scaled by `to_uint8`), (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA. OpenCV
            arrays are BGR: reverse the last axis first.
        max_bytes: largest encoded size in bytes.
        max_pixels: largest width x height.

    Returns:
        uint8 array (H, W, 3), RGB, 0 to 255, C-contiguous; never a view of `source`.

    Raises:
        ImageFormatError: the format, shape or dtype is not supported.
        ImageDecodeError: the picture is unreadable, empty, truncated or damaged.
        ImageTooLargeError: the picture exceeds a limit.
    """
    pixels = read_pixels(source, max_bytes=max_bytes, max_pixels=max_pixels)
    shared = isinstance(source, np.ndarray) and np.may_share_memory(pixels, source)
    return pixels.copy() if shared or not pixels.flags.writeable else pixels


def read_pixels(
    source: ImageSource, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Like `load_image`, without the copy: the array may be read-only, or `source` itself."""
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        _check_size(*source.size, max_pixels)
        return _decode(source, None)
    data = _read(source, max_bytes)
    if not data:
        raise ImageDecodeError("The file is empty (0 bytes).")
    if len(data) > max_bytes:
        raise ImageTooLargeError(f"The file is larger than {max_bytes / 2**20:.0f} MB.")
    return _decode_file(data, max_pixels)


def _decode_file(data: bytes, max_pixels: int) -> np.ndarray:
    format = format_of(data)
    if format is None:
        raise ImageFormatError(f"This is not a picture in a supported format; {FORMAT_ADVICE}.")
    if not format.is_read:
        raise ImageFormatError(f"{HEIC_MISSING}; otherwise {FORMAT_ADVICE}.")
    prepared = format.prepare(data, max_pixels)
    try:
        image = _open(prepared.data, format)
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(
            f"The picture has far more than the {max_pixels / 1e6:.0f} megapixels allowed."
        ) from error
    except Exception as error:  # on a damaged header, Pillow raises almost anything
        raise ImageDecodeError("The picture is damaged or incomplete.") from error
    with image:
        _check_size(*image.size, max_pixels)
        orientation = prepared.orientation
        if orientation is None:
            exif, xmp = image.info.get("exif"), image.info.get("xmp")
            orientation = orientation_of(exif or b"", xmp or b"")
        if prepared.wide:
            return _decode_wide(prepared.data, orientation)
        return _decode(image, orientation)


def _open(data: bytes, format: Format) -> Image.Image:
    if format is HEIC:
        from pillow_heif import HeifImageFile  # optional; registers nothing in Pillow

        return HeifImageFile(io.BytesIO(data))
    return Image.open(io.BytesIO(data), formats=[format.name])


def _read(source: str | os.PathLike[str] | bytes | BinaryIO, max_bytes: int) -> bytes:
    """Read encoded bytes, at most one more than `max_bytes`, which shows the caller the excess."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, (str, os.PathLike)):
        return read_file(source, max_bytes)
    if not hasattr(source, "read"):
        raise ImageFormatError(f"Cannot load a picture from a {type(source).__name__}.")
    try:
        return source.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(error) from error


def read_file(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> bytes:
    """Read an encoded picture, at most one byte more than `max_bytes`.

    Raises:
        ImageFormatError: the path is a folder or another thing that is not a regular file.
        ImageDecodeError: there is no such file, or it cannot be read.
    """
    try:
        if os.path.isdir(path):  # never raises, unlike `Path.is_dir`
            raise ImageFormatError(f"{path} is a folder, not a picture.")
        if os.path.exists(path) and not os.path.isfile(path):
            raise ImageFormatError(f"{path} is not a regular file.")
        with open(path, "rb") as file:
            return file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise ImageDecodeError(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:  # ValueError: the path holds a null byte
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> ImageDecodeError:
    return ImageDecodeError(
        f"The file cannot be read: {getattr(error, 'strerror', None) or error}."
    )


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise ImageTooLargeError(
            f"The picture has {width} x {height} pixels; the limit is "
            f"{max_pixels / 1e6:.0f} megapixels and {MAX_SIDE:,} on a side."
        )
    if width == 0 or height == 0:
        raise ImageDecodeError("The picture has no pixels.")


def _decode(image: Image.Image, orientation: int | None) -> np.ndarray:
    """Decode a picture and rotate it; `orientation` None: as its own metadata says."""
    try:
        image.load()
        if orientation is not None:
            image = apply_orientation(image, orientation)
        else:
            with contextlib.suppress(Exception):  # damaged EXIF: keep the sound pixels
                image = _apply_own_orientation(image)
        if image.mode == "F" or image.mode.startswith("I"):  # grey of 16 bits or more
            image = Image.fromarray(to_uint8(np.asarray(image)))
        if image.has_transparency_data:
            rgba = image.convert("RGBA")
            image = Image.new("RGBA", rgba.size, "white")
            image.alpha_composite(rgba)
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return np.asarray(rgb)
    except MemoryError as error:
        raise ImageTooLargeError("There is not enough memory to decode this picture.") from error
    except Exception as error:  # codecs raise OSError, SyntaxError, ValueError, struct.error, ...
        raise ImageDecodeError("The picture is damaged or incomplete.") from error


def _decode_wide(data: bytes, orientation: int) -> np.ndarray:
    """Decode a PNG or a TIFF with several channels of 16 bits."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ImageDecodeError("The picture is damaged or incomplete.")
    return _decode(Image.fromarray(_from_bgr(_narrow(pixels))), orientation)


def _from_bgr(pixels: np.ndarray) -> np.ndarray:
    """Convert BGR or BGRA to RGB or RGBA."""
    codes = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    return cv2.cvtColor(pixels, codes[pixels.shape[2]])


def _narrow(pixels: np.ndarray) -> np.ndarray:
    """Scale uint16 (H, W, 1), (H, W, 3) or (H, W, 4) to uint8; alpha keeps its full range."""
    narrow = to_uint8(pixels, white_of(pixels[:, :, :3]))
    if pixels.shape[2] == 4:
        narrow[:, :, 3] = pixels[:, :, 3] >> 8
    return narrow


def _apply_own_orientation(image: Image.Image) -> Image.Image:
    """Apply the EXIF rotation; Pillow alone would copy a picture that needs none."""
    return image if image.getexif().get(0x0112, 1) == 1 else ImageOps.exif_transpose(image)


def _from_array(array: np.ndarray, max_pixels: int) -> np.ndarray:
    if array.dtype not in (np.uint8, np.uint16):
        raise ImageFormatError(
            f"Arrays must be uint8 (0 to 255) or uint16, not {array.dtype}; convert first."
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ImageFormatError(
            f"Arrays must have shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not {array.shape}."
        )
    _check_size(array.shape[1], array.shape[0], max_pixels)
    if array.dtype == np.uint16:
        array = _narrow(array)
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    if array.shape[2] == 4:
        return _decode(Image.fromarray(np.ascontiguousarray(array)), None)
    return np.ascontiguousarray(array)
