"""The choice of the face that a picture is about."""

from __future__ import annotations

import numpy as np
import pytest

from facehub import Face, MultipleFacesError, NoFaceError
from facehub.select import FacePolicy, select_face

SHAPE = (100, 200, 3)


def face(x: float, y: float, side: float) -> Face:
    """A face with a square box around (x, y), the pupils at its middle."""
    return Face(
        crop=np.zeros((112, 96, 3), np.uint8),
        box=(x - side / 2, y - side / 2, x + side / 2, y + side / 2),
        pupils=np.array([[x - 1, y], [x + 1, y]], np.float32),
        inter_eye=2,
        yaw=0,
        pitch=0,
        roll=0,
        matrix=np.zeros((2, 3), np.float32),
        landmarks=np.zeros((478, 2), np.float32),
    )


LEFT, MIDDLE, RIGHT = face(30, 50, 40), face(95, 52, 10), face(160, 50, 60)


@pytest.mark.parametrize("policy", ["exactly_one", "largest", "central"])
def test_every_policy_refuses_no_face(policy: FacePolicy) -> None:
    with pytest.raises(NoFaceError):
        select_face([], SHAPE, policy)


@pytest.mark.parametrize("policy", ["exactly_one", "largest", "central"])
def test_every_policy_selects_a_single_face(policy: FacePolicy) -> None:
    assert select_face([LEFT], SHAPE, policy) == 0


@pytest.mark.parametrize(("policy", "position"), [("largest", 2), ("central", 1)])
def test_largest_and_central_select_one_of_three_faces(policy: FacePolicy, position: int) -> None:
    assert select_face([LEFT, MIDDLE, RIGHT], SHAPE, policy) == position


def test_exactly_one_refuses_several_faces() -> None:
    with pytest.raises(MultipleFacesError, match="3 faces were found"):
        select_face([LEFT, MIDDLE, RIGHT], SHAPE)


def test_central_uses_the_middle_of_the_picture() -> None:
    """Width and height are not swapped: the picture is 200 wide and 100 high."""
    above, beside = face(100, 20, 10), face(140, 50, 10)
    assert select_face([above, beside], SHAPE, "central") == 0
    assert select_face([above, beside], (280, 100, 3), "central") == 1


def test_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="policy must be one of"):
        select_face([LEFT], SHAPE, "smallest")  # type: ignore[arg-type]
