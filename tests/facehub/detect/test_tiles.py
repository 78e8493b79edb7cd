"""Tiles cover the picture, squares stay in it, and reduced copies average."""

from __future__ import annotations

import numpy as np
import pytest

from facehub.detect.tiles import (
    MAX_LEVELS,
    MIN_TILE,
    Box,
    View,
    reduced,
    square_around,
    starts,
    tiles,
)


def blank(width: int, height: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def extent(view: View) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of a view in pixels of the picture."""
    height, width = (side * view.factor for side in view.pixels.shape[:2])
    return view.x, view.y, view.x + width, view.y + height


@pytest.mark.parametrize("size", [(512, 512), (4000, 3000), (1000, 333), (3000, 250), (401, 700)])
@pytest.mark.parametrize("level", range(MAX_LEVELS))
def test_tiles_of_a_level_cover_the_picture(size: tuple[int, int], level: int) -> None:
    covered = np.zeros(size[::-1], bool)
    views = list(tiles(blank(*size), [level]))
    for x0, y0, x1, y1 in map(extent, views):
        assert x1 <= size[0]
        assert y1 <= size[1]
        covered[y0:y1, x0:x1] = True
    assert views or level > 0
    if views:
        edge = views[0].factor  # incomplete blocks at the right and the bottom are left out
        assert covered[:-edge, :-edge].all() if edge > 1 else covered.all()


def test_first_level_has_four_tiles_and_the_next_smaller_ones() -> None:
    picture = blank(1024, 1024)
    assert [(view.x > 0, view.y > 0) for view in tiles(picture, [0])] == [
        (False, False),
        (True, False),
        (False, True),
        (True, True),
    ]
    sides = [max(extent(v)[2] - v.x for v in tiles(picture, [k])) for k in (0, 1)]
    assert sides == pytest.approx([1024 / 1.9, 512 / 1.9], abs=4)


@pytest.mark.parametrize("size", [(1, 1), (194, 194), (379, 100), (1, 4000)])
def test_no_tiles_below_the_smallest_side(size: tuple[int, int]) -> None:
    """LFW has 194 pixels; 379 / 1.9 is below 200; a reduced line has no pixel left."""
    assert all(min(v.pixels.shape) > 0 for v in tiles(blank(*size), range(MAX_LEVELS)))
    if max(size) < 380:
        assert list(tiles(blank(*size), range(MAX_LEVELS))) == []


@pytest.mark.parametrize("size", [(380, 380), (4000, 3000)])
def test_tiles_are_no_smaller_than_the_detector_sees(size: tuple[int, int]) -> None:
    views = list(tiles(blank(*size), range(MAX_LEVELS)))
    assert min(extent(v)[2] - v.x for v in views) >= MIN_TILE - 1
    assert all(128 <= max(v.pixels.shape[:2]) < 256 + 128 for v in views)


def test_tile_shows_its_part_of_the_picture() -> None:
    """Each block of the picture has its own value, which the reduced tiles keep."""
    factor = 2  # of a picture of 600: its first tiles have 316 pixels
    values = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    picture = values.repeat(factor, axis=0).repeat(factor, axis=1)
    for view in tiles(picture, [0]):
        assert view.factor == factor
        x0, y0, x1, y1 = (edge // factor for edge in extent(view))
        np.testing.assert_array_equal(view.pixels, values[y0:y1, x0:x1])


@pytest.mark.parametrize(
    ("length", "side", "expected"),
    [
        (100, 100, [0]),
        (50, 100, [0]),
        (190, 100, [0, 90]),
        (192, 100, [0, 92]),
        (250, 100, [0, 75, 150]),
    ],
)
def test_starts_spread_tiles_over_the_length(length: int, side: int, expected: list[int]) -> None:
    assert starts(length, side) == expected


def test_reduced_averages_blocks_and_drops_the_rest() -> None:
    picture = np.arange(5 * 7, dtype=np.uint8).reshape(5, 7, 1).repeat(3, axis=2) * 4
    small = reduced(picture, 2)
    assert small.shape == (2, 3, 3)
    assert small[0, 0, 0] == 4 * (0 + 1 + 7 + 8) / 4
    assert reduced(picture, 1).shape == picture.shape
    assert reduced(picture, 6).size == 0


def test_square_is_cut_at_the_border() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    inner = square_around(picture, Box(90, 40, 110, 60), 1)
    assert extent(inner) == (80, 30, 121, 71)
    np.testing.assert_array_equal(inner.pixels, picture[30:71, 80:121])
    assert extent(square_around(picture, Box(-10, -10, 10, 10), 1)) == (0, 0, 21, 21)
    assert extent(square_around(picture, Box(190, 90, 210, 110), 1)) == (180, 80, 200, 100)


def test_box_has_middle_side_and_transformed_copy() -> None:
    box = Box(10, 20, 40, 30)
    assert (box.middle, box.side) == ((25, 25), 30)
    assert box.transformed(2, 5, -5) == (25, 35, 85, 55)
