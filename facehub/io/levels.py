"""Pictures of more than 8 bits: which value is white."""

from __future__ import annotations

import cv2
import numpy as np

WHITES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16, 24, 32))  # of what cameras give
HIGHLIGHTS = 1e-3  # share of pixels that may be above white: dead or saturated ones
SAMPLE = 1_000_000  # pixels looked at


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Scale values of unknown range to 0 to 255, as white is rarely the largest that fits.

    Infrared and depth cameras store 8 to 14 bits in files of 16. White is the lowest value of
    `WHITES` (1, too, for floating-point values) that all but `HIGHLIGHTS` of the pixels reach at
    most; what is below 0 or not a number is black.

    Args:
        pixels: integers or floating-point values of any shape.

    Returns:
        uint8, same shape.
    """
    floating = np.issubdtype(pixels.dtype, np.floating)
    sample = pixels.reshape(-1)[:: max(1, pixels.size // SAMPLE)]
    if floating:
        sample = sample[np.isfinite(sample)]
    top = _highest(sample)
    whites = (1, *WHITES) if floating else WHITES
    white = next((white for white in whites if top <= white), top)
    if pixels.dtype == np.uint16:
        return cv2.convertScaleAbs(np.ascontiguousarray(pixels), alpha=255 / white).reshape(
            pixels.shape
        )
    scaled = np.empty(pixels.shape, np.uint8)
    for target, part in zip(_parts(scaled), _parts(pixels), strict=True):
        values = part.astype(np.float32)
        np.nan_to_num(values, copy=False, nan=0, posinf=white, neginf=0)
        np.clip(values * np.float32(255 / white) + np.float32(0.5), 0, 255, out=values)
        target[...] = values
    return scaled


def _parts(pixels: np.ndarray) -> list[np.ndarray]:
    """Parts of the first axis: copies of all the pixels would take gigabytes."""
    rows = max(1, SAMPLE // max(1, pixels[:1].size))
    return [pixels[start : start + rows] for start in range(0, len(pixels), rows)]


def _highest(sample: np.ndarray) -> float:
    """The highest value but for the highlights."""
    if not sample.size:
        return 1.0
    place = sample.size - 1 - int(HIGHLIGHTS * sample.size)
    return float(np.partition(sample, place)[place])
