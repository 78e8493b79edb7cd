"""Scale pictures of more than 8 bits to uint8: find the value that stands for white."""

from __future__ import annotations

import math

import cv2
import numpy as np

WHITES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16, 24, 32))  # bit depths of cameras
HIGHLIGHTS = 1e-3  # share of pixels that may be above white: dead or saturated ones
SAMPLE = 1_000_000  # pixels examined


def to_uint8(pixels: np.ndarray, white: float | None = None) -> np.ndarray:
    """Scale values of unknown range to 0 to 255; negative values and NaN become 0.

    Args:
        pixels: (H, W) or (H, W, C), integers or floating-point values.
        white: the value that becomes 255; None: `white_of(pixels)`.

    Returns:
        uint8, 0 to 255, same shape.
    """
    white = white_of(pixels) if white is None else white
    if pixels.dtype == np.uint16:
        scaled = cv2.convertScaleAbs(np.ascontiguousarray(pixels), alpha=255 / white)
        return np.asarray(scaled).reshape(pixels.shape)
    scaled = np.empty(pixels.shape, np.uint8)
    for target, part in zip(_parts(scaled), _parts(pixels), strict=True):
        values = part.astype(np.float32)
        np.nan_to_num(values, copy=False, nan=0, posinf=white, neginf=0)
        np.clip(values * np.float32(255 / white) + np.float32(0.5), 0, 255, out=values)
        target[...] = values
    return scaled


def white_of(pixels: np.ndarray) -> float:
    """Estimate the value of white, which is rarely the largest value of the dtype.

    Infrared and depth cameras store 8 to 14 bits in 16-bit files. White is the lowest of `WHITES`
    (or 1, for floating-point values) that at most a share `HIGHLIGHTS` of the pixels exceeds.

    Args:
        pixels: as in `to_uint8`.
    """
    step = math.isqrt(pixels.size // SAMPLE) + 1
    sample = pixels[::step, ::step].reshape(-1)
    floating = np.issubdtype(pixels.dtype, np.floating)
    if floating:
        sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 1.0
    place = sample.size - 1 - int(HIGHLIGHTS * sample.size)
    top = float(np.partition(sample, place)[place])
    return next((white for white in ((1, *WHITES) if floating else WHITES) if top <= white), top)


def _parts(pixels: np.ndarray) -> list[np.ndarray]:
    """Split along the first axis: a float copy of the whole picture would take gigabytes."""
    rows = max(1, SAMPLE // max(1, pixels[:1].size))
    return [pixels[start : start + rows] for start in range(0, len(pixels), rows)]
