"""Pictures of more than 8 bits: which value becomes white."""

from __future__ import annotations

import numpy as np
import pytest

from facehub.io.levels import WHITES, to_uint8


def ramp(top: float, dtype: str) -> np.ndarray:
    return np.linspace(0, top, 10_000).reshape(100, 100).astype(dtype)


@pytest.mark.parametrize("white", WHITES)
@pytest.mark.parametrize("dtype", ["u2", ">u2", "i4", "f4", "f8"])
def test_ramp_up_to_a_known_white_spans_0_to_255(white: int, dtype: str) -> None:
    if (white > 65535 and "2" in dtype) or (white > 2**31 and dtype == "i4"):
        pytest.skip("does not fit")
    narrow = to_uint8(ramp(white, dtype))
    expected = np.linspace(0, 255, 10_000).reshape(100, 100)
    assert narrow.dtype == np.uint8
    assert narrow.shape == (100, 100)
    assert abs(narrow - expected).max() <= 1
    assert (narrow[0, 0], narrow[-1, -1]) == (0, 255)


@pytest.mark.parametrize("dtype", ["u2", "i4"])
def test_8_bit_values_in_a_wider_type_are_kept(dtype: str) -> None:
    grey = np.arange(256, dtype=dtype).reshape(16, 16)
    np.testing.assert_array_equal(to_uint8(grey), grey)
    np.testing.assert_array_equal(to_uint8(grey * 257), grey)


def test_a_few_saturated_pixels_do_not_darken_the_rest() -> None:
    depth = ramp(1023, "u2")
    depth[:3, 0] = 65535
    assert abs(to_uint8(depth)[50:].astype(int) - to_uint8(ramp(1023, "u2"))[50:]).max() == 0
    assert to_uint8(depth)[0, 0] == 255


def test_values_between_0_and_1_are_scaled_to_255() -> None:
    assert to_uint8(np.array([[0, 0.5, 1]], np.float32)).tolist() == [[0, 128, 255]]


def test_nan_infinite_and_negative_values_become_black_or_white() -> None:
    invalid = np.array([[np.nan, -np.inf, np.inf, -5, 1]], np.float32)
    assert to_uint8(invalid).tolist() == [[0, 0, 255, 0, 255]]
    assert to_uint8(np.full((2, 2), np.nan)).tolist() == [[0, 0], [0, 0]]
    assert to_uint8(np.array([[-300, 0, 255]], np.int32)).tolist() == [[0, 0, 255]]


def test_channels_share_one_white() -> None:
    colours = np.array([[[100, 1000, 4000], [4095, 0, 2048]]], np.uint16)
    assert to_uint8(colours).tolist() == [[[6, 62, 249], [255, 0, 128]]]
