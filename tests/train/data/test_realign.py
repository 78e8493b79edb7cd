"""Aligning crops anew to a network's own template."""

import numpy as np
import pytest

from facehub.align import align_faces
from facehub.detect.base import FaceLandmarks, Search
from facehub.detect.mediapipe import default_detector
from facehub.template import DEFAULT_TEMPLATE, TEMPLATES
from train.data.crops import fit_crops
from train.data.realign import realign_crops

ARCFACE = TEMPLATES["arcface112"]


class Blind:
    """A detector that finds no face."""

    def find(self, image: np.ndarray, search: Search = "auto") -> list[FaceLandmarks]:
        return []

    def close(self) -> None:
        pass


@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_landmarks_of_the_crop_align_as_those_of_the_picture(
    name: str, request: pytest.FixtureRequest
) -> None:
    picture = request.getfixturevalue(name)
    (face,) = align_faces(picture)
    wanted = align_faces(picture, template=ARCFACE)[0].crop.astype(float)

    def distance(crop: np.ndarray) -> float:
        return float(np.abs(crop[20:100, 20:92] - wanted[20:100, 20:92]).mean())

    (found,) = realign_crops(face.crop[None], ARCFACE, default_detector())
    assert found.shape == (112, 112, 3)
    assert distance(found) < 0.5 * distance(fit_crops(face.crop[None], ARCFACE)[0])


def test_without_a_face_the_pupils_decide() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 96, 3), np.uint8)
    for row, column in ((51, 30), (52, 66)):  # marks at the pupils
        crops[:, row - 2 : row + 3, column - 2 : column + 3] = 255
    found = realign_crops(crops, ARCFACE, Blind())
    for x, y in (ARCFACE.left_eye, ARCFACE.right_eye):
        assert found[:, round(y), round(x)].min() > 250


def test_a_template_of_pupils_needs_no_detector() -> None:
    crops = np.arange(112 * 96 * 3, dtype=np.uint8).reshape(1, 112, 96, 3)
    assert (realign_crops(crops, DEFAULT_TEMPLATE, Blind()) == crops).all()
