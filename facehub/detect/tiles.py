"""Geometry of the search: tiles of a picture, reduced copies, squares around a face.

The detector scales any picture to 128 x 128 and misses faces with an inter-eye distance below about
5 % of its side. Tiles enlarge smaller faces: each level halves the side of the tiles, down to
`MIN_TILE` pixels, where the inter-eye distance is about 12 pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

DETECTOR_SIDE = 128
MIN_TILE = 200
MAX_LEVELS = 4
STRIDE = 0.9  # from tile to tile, as a fraction of the tile's side
FIRST_SIDE = 1 / (1 + STRIDE)  # two tiles cover the longer side of the picture exactly


class Box(NamedTuple):
    """A rectangle in image pixels; may extend beyond the picture."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def middle(self) -> tuple[float, float]:
        """The centre, (x, y)."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def side(self) -> float:
        """The longer side."""
        return max(self.x1 - self.x0, self.y1 - self.y0)

    def transformed(self, factor: float, x: float, y: float) -> Box:
        """Scale the box by `factor`, then shift it by (x, y)."""
        return Box(
            self.x0 * factor + x, self.y0 * factor + y, self.x1 * factor + x, self.y1 * factor + y
        )


@dataclass(frozen=True, eq=False)
class View:
    """A part of a picture, possibly reduced.

    Attributes:
        pixels: uint8 (h, w, 3), RGB.
        x: left edge of the part, in pixels of the picture.
        y: top edge of the part, in pixels of the picture.
        factor: side of a view pixel, in pixels of the picture.
    """

    pixels: np.ndarray
    x: int = 0
    y: int = 0
    factor: int = 1


def reduced(image: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of `factor` x `factor` pixels; incomplete blocks at the edges are dropped.

    Args:
        image: uint8 (H, W, 3).
        factor: 1 or more; if it exceeds a side, the result is empty.

    Returns:
        uint8 (H // factor, W // factor, 3); the picture itself if `factor` is 1.
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    if factor == 1 or not height or not width:
        return image[:height, :width]
    whole_blocks = image[: height * factor, : width * factor]
    return cv2.resize(whole_blocks, (width, height), interpolation=cv2.INTER_AREA)


def tiles(image: np.ndarray, levels: Iterable[int]) -> Iterator[View]:
    """Cut a picture into overlapping square tiles, the largest first.

    Large tiles are reduced, but stay at least `DETECTOR_SIDE` pixels wide.

    Args:
        image: uint8 (H, W, 3).
        levels: how often the side of the largest tiles is halved, ascending; levels with tiles
            smaller than `MIN_TILE` are skipped.
    """
    longest = max(image.shape[:2])
    for level in levels:
        side = FIRST_SIDE * longest / 2**level
        if side < MIN_TILE:
            return
        factor = int(side) // DETECTOR_SIDE
        small = reduced(image, factor)
        size = round(side / factor)
        for y in starts(small.shape[0], size):
            for x in starts(small.shape[1], size):
                pixels = small[y : y + size, x : x + size]
                if pixels.size:
                    yield View(pixels, x * factor, y * factor, factor)


def starts(length: int, side: int) -> list[int]:
    """Start positions of evenly spaced tiles that cover `length` pixels, about `STRIDE` apart."""
    if length <= side:
        return [0]
    strides = (length - side) / (side * STRIDE)
    count = int(np.ceil(strides - 0.05)) + 1  # 1.01 strides come from rounding the side
    return [round(start) for start in np.linspace(0, length - side, count)]


def square_around(image: np.ndarray, box: Box, reach: float) -> View:
    """Cut the square around a box, clipped to the picture.

    Args:
        image: uint8 (H, W, 3).
        box: its centre is the centre of the square.
        reach: half the side of the square, in sides of the box.
    """
    (x, y), half = box.middle, reach * box.side
    left, top = max(0, int(x - half)), max(0, int(y - half))
    return View(image[top : max(0, int(y + half) + 1), left : max(0, int(x + half) + 1)], left, top)
