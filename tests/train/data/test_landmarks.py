"""Landmarks of packed faces."""

import os
from pathlib import Path

import numpy as np
import pytest

from facehub.align import LEFT_MOUTH, NOSE_TIP, RIGHT_MOUTH
from facehub.detect.base import FaceLandmarks, Search
from facehub.rotated import align_faces
from facehub.template import DEFAULT_TEMPLATE
from train.data.landmarks import find_landmarks, landmarks_of


class Detector:
    """Finds `n` faces whose landmarks all lie at (0, 0) of the given picture."""

    def __init__(self, n: int = 1) -> None:
        self.n, self.calls = n, 0

    def find(self, image: np.ndarray, search: Search = "auto") -> list[FaceLandmarks]:
        self.calls += 1
        return [FaceLandmarks(np.zeros((478, 2), np.float32), np.eye(4, dtype=np.float32))] * self.n

    def close(self) -> None:
        pass


@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_landmarks_of_a_crop_equal_those_of_the_picture(
    name: str, request: pytest.FixtureRequest
) -> None:
    (face,) = align_faces(request.getfixturevalue(name))
    points = np.concatenate([face.pupils, face.landmarks[[NOSE_TIP, LEFT_MOUTH, RIGHT_MOUTH]]])
    wanted = points @ face.matrix[:, :2].T + face.matrix[:, 2]
    (found,) = find_landmarks(face.crop[None])
    assert found.dtype == np.float32
    assert np.abs(found - wanted).max() < 2
    assert np.abs(found[:2] - DEFAULT_TEMPLATE.points).max() < 1


def test_landmarks_have_pixel_centres_at_integers() -> None:
    """The searched picture has a border of 28 rows and 24 columns, and is enlarged 3 times."""
    (found,) = find_landmarks(np.zeros((1, 112, 96, 3), np.uint8), Detector())
    np.testing.assert_allclose(found, [(-24 - 1 / 3, -28 - 1 / 3)] * 5, rtol=1e-6)


def test_landmarks_without_a_face_are_nan() -> None:
    found = find_landmarks(np.zeros((2, 112, 96, 3), np.uint8), Detector(0))
    assert np.isnan(found).all()
    assert found.shape == (2, 5, 2)


def test_landmarks_are_stored_and_found_again_if_the_pack_changes(tmp_path: Path) -> None:
    crops = np.zeros((3, 112, 96, 3), np.uint8)
    (tmp_path / "index.json").touch()
    detector = Detector()
    found = landmarks_of(tmp_path, crops, detector)
    np.testing.assert_array_equal(landmarks_of(tmp_path, crops, detector), found)
    assert detector.calls == 3
    landmarks_of(tmp_path, crops[:2], detector)  # another data set
    assert detector.calls == 5
    later = (tmp_path / "landmarks.npy").stat().st_mtime + 1
    os.utime(tmp_path / "index.json", (later, later))  # as if packed again
    landmarks_of(tmp_path, crops[:2], detector)
    assert detector.calls == 7
