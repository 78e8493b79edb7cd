"""Geometry of the search: tiles of a picture, reduced copies, squares around a face.

The detector sees any picture at 128 x 128 and misses faces whose pupils are closer than about 5 %
of its side. Tiles show smaller faces larger: each level has tiles of half the side of the level
before, down to `MIN_TILE` pixels, where pupils are about 12 pixels apart.
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
STRIDE = 0.9  # from tile to tile, as a part of the tile's side
FIRST_SIDE = 1 / (1 + STRIDE)  # two tiles cover the longer side of the picture exactly


class Box(NamedTuple):
    """A rectangle in image pixels; may leave the picture."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def middle(self) -> tuple[float, float]:
        """(x, y)."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def side(self) -> float:
        """The longer side."""
        return max(self.x1 - self.x0, self.y1 - self.y0)

    def placed(self, factor: float, x: float, y: float) -> Box:
        """The same box in a picture `factor` times as large, moved by (x, y)."""
        return Box(
            self.x0 * factor + x, self.y0 * factor + y, self.x1 * factor + x, self.y1 * factor + y
        )


@dataclass(frozen=True, eq=False)
class View:
    """A part of a picture, perhaps reduced.

    Attributes:
        pixels: uint8 (h, w, 3).
        x: left edge of the part, in pixels of the picture.
        y: its top edge.
        factor: pixels of the picture along one pixel of the view.
    """

    pixels: np.ndarray
    x: int = 0
    y: int = 0
    factor: int = 1


def reduced(image: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of `factor` x `factor` pixels; an incomplete block at an edge is left out.

    Args:
        image: uint8 (H, W, 3).
        factor: 1 or more; larger than either side gives an empty picture.

    Returns:
        uint8 (H // factor, W // factor, 3); the picture itself where `factor` is 1.
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
        levels: how often the side of the largest tiles is halved, ascending; levels whose tiles
            would be smaller than `MIN_TILE` have none.
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
    """Where evenly spaced tiles start that cover `length` pixels, about `STRIDE` apart."""
    if length <= side:
        return [0]
    strides = (length - side) / (side * STRIDE)
    count = int(np.ceil(strides - 0.05)) + 1  # 1.01 strides come from rounding the side
    return [round(start) for start in np.linspace(0, length - side, count)]


def square_around(image: np.ndarray, box: Box, reach: float) -> View:
    """The square around a box, as far as it lies in the picture.

    Args:
        image: uint8 (H, W, 3).
        box: its middle is the middle of the square.
        reach: half the side of the square, in sides of the box.
    """
    (x, y), half = box.middle, reach * box.side
    left, top = max(0, int(x - half)), max(0, int(y - half))
    return View(image[top : max(0, int(y + half) + 1), left : max(0, int(x + half) + 1)], left, top)
