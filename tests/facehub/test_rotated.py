"""Turned pictures give the same results as upright ones, or a warning."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facehub import Decision, FaceRecognizer, QualityIssue, load_image, rotated, verify
from facehub.detect.base import FaceLandmarks, Search
from facehub.detect.mediapipe import MediaPipeDetector, default_detector
from facehub.rotated import align_faces
from facehub.template import TEMPLATES

PORTRAITS = ("eileen_collins.jpg", "grace_hopper.jpg", "eileen_collins_tilted.jpg")


class Counting:
    """The default detector; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def find(self, image: np.ndarray, search: Search = "auto") -> list[FaceLandmarks]:
        self.calls += 1
        return default_detector().find(image, search)

    def close(self) -> None:
        pass


def tilted(picture: np.ndarray, degrees: float) -> np.ndarray:
    """Turn anticlockwise, on a grey background large enough for the whole picture."""
    height, width = picture.shape[:2]
    side = int(np.hypot(height, width)) + 1
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    return cv2.warpAffine(picture, matrix, (side, side), borderValue=(128,) * 3)


# --- the same decision ----------------------------------------------------------------------------


@pytest.mark.parametrize(("quarters", "mirrored"), [(1, False), (2, False), (3, False), (1, True)])
@pytest.mark.parametrize("name", PORTRAITS)
def test_turned_portrait_is_the_same_person(
    recognizer: FaceRecognizer, examples: Path, name: str, quarters: int, mirrored: bool
) -> None:
    upright = load_image(examples / name)
    picture = np.rot90(upright[:, ::-1] if mirrored else upright, quarters)
    result = verify(picture, upright, recognizer=recognizer)
    assert result.decision is Decision.SAME
    assert result.similarity is not None
    assert result.similarity > (0.8 if mirrored else 0.95)
    assert result.first is not None
    assert result.first.issues == (QualityIssue.STRONG_ROLL,)
    other = examples / PORTRAITS["grace" not in name]
    assert verify(picture, other, recognizer=recognizer).decision is Decision.DIFFERENT


@pytest.mark.parametrize("degrees", [-135, -60, -45, 30, 60, 100, 150, 200])
def test_tilted_portrait_is_the_same_person(
    recognizer: FaceRecognizer, examples: Path, degrees: float
) -> None:
    upright = load_image(examples / "grace_hopper.jpg")
    result = verify(tilted(upright, degrees), upright, recognizer=recognizer)
    assert result.decision is Decision.SAME
    assert result.similarity is not None
    assert result.similarity > 0.9


def test_wrong_exif_orientation_does_not_change_the_decision(
    recognizer: FaceRecognizer, examples: Path, tmp_path: Path
) -> None:
    """A wrong orientation turns an upright picture; the face is still found."""
    upright = load_image(examples / "eileen_collins.jpg")
    for orientation in (1, 3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"{orientation}.jpg"
        Image.fromarray(upright).save(path, quality=95, exif=exif)
        assert verify(path, upright, recognizer=recognizer).decision is Decision.SAME


# --- geometry -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quarters", "roll"), [(1, -90), (2, 180), (3, 90)])
@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_turned_face_has_the_pupils_pose_and_crop_of_the_upright_one(
    astronaut: np.ndarray, template: str, quarters: int, roll: float
) -> None:
    (upright,) = align_faces(astronaut, template=TEMPLATES[template])
    (face,) = align_faces(np.rot90(astronaut, quarters), template=TEMPLATES[template])
    assert abs((face.roll - upright.roll - roll + 180) % 360 - 180) < 3
    assert (face.yaw, face.pitch) == pytest.approx((upright.yaw, upright.pitch), abs=8)
    x, y = face.pupils.T
    back = {1: (511 - y, x), 2: (511 - x, 511 - y), 3: (y, 511 - x)}[quarters]
    np.testing.assert_allclose(np.column_stack(back), upright.pupils, atol=2)
    assert np.abs(face.crop.astype(int) - upright.crop).mean() < 8


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("search", ["auto", "thorough"])
def test_faces_of_a_turned_group_are_turned_and_left_to_right(
    both: np.ndarray, quarters: int, search: Search
) -> None:
    faces = align_faces(np.rot90(both, quarters), search=search)
    assert [round(face.roll / 90) % 4 for face in faces] == [-quarters % 4] * 2
    middles = [face.box[0] + face.box[2] for face in faces]
    assert middles == sorted(middles)


def test_turned_large_picture_has_pupils_in_its_own_pixels(astronaut: np.ndarray) -> None:
    """The search reduces the part that it turns."""
    large = cv2.resize(astronaut, (2560, 2560), interpolation=cv2.INTER_CUBIC)
    (face,) = align_faces(large[::-1, ::-1])
    (upright,) = align_faces(astronaut)
    np.testing.assert_allclose((2559 - face.pupils) / 5, upright.pupils, atol=2)


# --- number of searches, warnings, close-ups ------------------------------------------------------


def test_upright_pictures_are_searched_once(both: np.ndarray, hopper: np.ndarray) -> None:
    for picture in (both, hopper):
        detector = Counting()
        assert align_faces(picture, detector)
        assert detector.calls == 1


def test_picture_without_a_face_is_searched_in_four_orientations(nobody: np.ndarray) -> None:
    detector = Counting()
    assert align_faces(nobody, detector) == []
    assert detector.calls == 4


def test_doubtful_face_is_kept_with_a_warning(
    recognizer: FaceRecognizer, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No orientation shows an upright face, so the user gets a warning."""
    monkeypatch.setattr(rotated, "upright_scores", lambda crops: np.full(len(crops), -1.0))
    (found,) = recognizer.faces(astronaut)
    assert found.issues == (QualityIssue.DOUBTFUL_FACE,)
    assert found.face.upright_score == -1


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_close_up_shows_one_face_in_any_orientation(examples: Path, quarters: int) -> None:
    """Close-ups range from the whole head to brows and chin, as JPEG files."""
    detector = MediaPipeDetector()
    for name in PORTRAITS[:2]:
        picture = load_image(examples / name)
        (face,) = align_faces(picture, detector)
        (x, y), span = face.pupils.mean(axis=0), face.inter_eye
        for half in (1.3, 1.8, 2.4):
            left, top = int(max(0, x - half * span)), int(max(0, y - 0.7 * half * span))
            part = picture[top : int(y + 1.3 * half * span), left : int(x + half * span)]
            scale = 900 / part.shape[1]
            part = cv2.resize(part, (900, int(scale * part.shape[0])))
            quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
            coded = cv2.imencode(".jpg", np.rot90(part, quarters)[..., ::-1], quality)[1]
            (close,) = align_faces(load_image(coded.tobytes()), detector)
            assert close.inter_eye == pytest.approx(span * scale, rel=0.1)
