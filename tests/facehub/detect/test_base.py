"""What every detector returns: landmarks with pupils and a box, from left to right."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from facehub.detect.base import FaceDetector, FaceLandmarks, check_search, left_to_right
from facehub.detect.mediapipe import MediaPipeDetector


def face_at(x: float, y: float) -> FaceLandmarks:
    """A face of 20 x 20 pixels with its top left corner at (x, y)."""
    points = np.full((478, 2), 10, np.float32)
    points[0], points[1] = (0, 0), (20, 20)
    points[468], points[473] = (5, 8), (15, 9)
    return FaceLandmarks(points + np.array([x, y], np.float32), np.eye(4, dtype=np.float32))


def test_landmarks_have_pupils_and_box() -> None:
    face = face_at(100, 50)
    assert face.pupils.tolist() == [[105, 58], [115, 59]]
    assert face.box == (100, 50, 120, 70)


def test_faces_are_sorted_left_to_right_then_top_to_bottom() -> None:
    faces = [face_at(60, 0), face_at(20, 30), face_at(20, 10)]
    assert [face.box[:2] for face in left_to_right(faces)] == [(20, 10), (20, 30), (60, 0)]


@pytest.mark.parametrize("search", ["", "Auto", "all"])
def test_unknown_search_is_refused(search: str) -> None:
    with pytest.raises(ValueError, match="search must be one of"):
        check_search(search)


@pytest.mark.parametrize("detector", [MediaPipeDetector])
def test_detectors_have_the_methods_of_the_protocol(detector: type[FaceDetector]) -> None:
    for name in ("find", "close"):
        expected = inspect.signature(getattr(FaceDetector, name))
        assert inspect.signature(getattr(detector, name)) == expected
