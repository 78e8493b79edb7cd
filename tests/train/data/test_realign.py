"""Aligning crops again, to the template of another network."""

import numpy as np
import pytest

from facehub.rotated import align_faces
from facehub.template import TEMPLATES
from train.data.crops import pad_crops
from train.data.landmarks import find_landmarks
from train.data.realign import realign_crops

ARCFACE = TEMPLATES["arcface112"]


@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_realigned_crop_is_close_to_one_aligned_from_the_picture(
    name: str, request: pytest.FixtureRequest
) -> None:
    picture = request.getfixturevalue(name)
    (face,) = align_faces(picture)
    wanted = align_faces(picture, template=ARCFACE)[0].crop.astype(float)

    def distance(crop: np.ndarray) -> float:
        return float(np.abs(crop[20:100, 20:92] - wanted[20:100, 20:92]).mean())

    crops = face.crop[None]
    (found,) = realign_crops(crops, find_landmarks(crops), ARCFACE)
    assert found.shape == (112, 112, 3)
    assert distance(found) < 0.5 * distance(pad_crops(crops, ARCFACE)[0])


def test_crops_without_landmarks_are_realigned_by_the_pupils() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 96, 3), np.uint8)
    for row, column in ((51, 30), (52, 66)):  # marks at the pupils
        crops[:, row - 2 : row + 3, column - 2 : column + 3] = 255
    found = realign_crops(crops, np.full((2, 5, 2), np.nan, np.float32), ARCFACE)
    for x, y in (ARCFACE.left_eye, ARCFACE.right_eye):
        assert found[:, round(y), round(x)].min() > 250
