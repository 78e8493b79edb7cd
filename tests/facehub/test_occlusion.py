"""Occlusions: masks and glasses drawn on photos before the faces are found and aligned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from facehub import (
    AssetError,
    LowQualityError,
    MemoryGallery,
    QualityIssue,
    align_faces,
    enrol,
    load_image,
    occlusion,
    verify,
)
from facehub.occlusion import MODEL_FILE, find_occlusions, probabilities, upright_crop
from facehub.pipeline import FaceRecognizer
from facehub.template import TEMPLATES

PORTRAITS = ["eileen_collins.jpg", "eileen_collins_tilted.jpg", "grace_hopper.jpg"]
JAW = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361)
JAW += (323, 454)
NOSE_BRIDGE, MOUTH = 197, 13

Drawing = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(params=PORTRAITS)
def portrait(request: pytest.FixtureRequest, examples: Path) -> np.ndarray:
    return load_image(examples / request.param)


def mask(colour: tuple[int, int, int]) -> Drawing:
    """A flat mask from the bridge of the nose to the chin."""

    def draw(picture: np.ndarray) -> np.ndarray:
        (face,) = align_faces(picture)
        points = face.landmarks[[*JAW[1:-1], NOSE_BRIDGE]]
        return cv2.fillPoly(picture.copy(), [points.astype(np.int32)], colour, cv2.LINE_AA)

    return draw


def glasses(colour: tuple[int, int, int], thickness: int = -1) -> Drawing:
    """Round glasses; with a thickness, only their rims."""

    def draw(picture: np.ndarray) -> np.ndarray:
        (face,) = align_faces(picture)
        drawn = picture.copy()
        axes = (round(face.inter_eye * 0.38), round(face.inter_eye * 0.3))
        for pupil in face.pupils:
            centre = (round(float(pupil[0])), round(float(pupil[1])))
            cv2.ellipse(drawn, centre, axes, face.roll, 0, 360, colour, thickness, cv2.LINE_AA)
        return drawn

    return draw


def occlusions(picture: np.ndarray, recognizer: FaceRecognizer) -> set[QualityIssue]:
    face = recognizer.face(picture)
    return set(face.issues) & {QualityIssue.COVERED_EYES, QualityIssue.COVERED_MOUTH}


def test_bare_face_has_no_occlusion(portrait: np.ndarray, recognizer: FaceRecognizer) -> None:
    assert occlusions(portrait, recognizer) == set()
    assert occlusions(portrait[:, ::-1].copy(), recognizer) == set()


@pytest.mark.parametrize(
    "colour", [(150, 195, 220), (240, 240, 240), (20, 20, 25)], ids=["surgical", "white", "black"]
)
def test_mask_covers_only_the_mouth(
    portrait: np.ndarray, recognizer: FaceRecognizer, colour: tuple[int, int, int]
) -> None:
    found = occlusions(mask(colour)(portrait), recognizer)
    assert found == {QualityIssue.COVERED_MOUTH}


@pytest.mark.parametrize(
    "colour", [(15, 15, 20), (60, 40, 20), (90, 110, 160)], ids=["black", "brown", "mirrored"]
)
def test_dark_glasses_cover_only_the_eyes(
    portrait: np.ndarray, recognizer: FaceRecognizer, colour: tuple[int, int, int]
) -> None:
    found = occlusions(glasses(colour)(portrait), recognizer)
    assert found == {QualityIssue.COVERED_EYES}


def test_mask_and_dark_glasses_cover_mouth_and_mostly_eyes(
    examples: Path, recognizer: FaceRecognizer
) -> None:
    """The limit keeps false alarms rare, so one portrait with shaded eyes may pass."""
    found = [
        occlusions(
            mask((150, 195, 220))(glasses((15, 15, 20))(load_image(examples / name))), recognizer
        )
        for name in PORTRAITS
    ]
    assert all(QualityIssue.COVERED_MOUTH in issues for issues in found)
    assert sum(QualityIssue.COVERED_EYES in issues for issues in found) >= 2


def test_clear_glasses_cover_nothing(portrait: np.ndarray, recognizer: FaceRecognizer) -> None:
    assert occlusions(glasses((30, 30, 30), thickness=3)(portrait), recognizer) == set()


def test_verify_and_enrol_warn_of_a_mask_and_can_reject_it(
    examples: Path, recognizer: FaceRecognizer
) -> None:
    bare = load_image(examples / "grace_hopper.jpg")
    masked = mask((240, 240, 240))(bare)
    result = verify(bare, masked, recognizer=recognizer)
    assert result.first is not None
    assert result.second is not None
    assert QualityIssue.COVERED_MOUTH not in result.first.issues
    assert QualityIssue.COVERED_MOUTH in result.second.issues
    refused = {QualityIssue.COVERED_MOUTH}
    with pytest.raises(LowQualityError, match="mouth seems to be covered"):
        verify(bare, masked, reject_issues=refused, recognizer=recognizer)
    gallery = MemoryGallery(recognizer.fingerprint)
    with pytest.raises(LowQualityError, match="mouth seems to be covered"):
        enrol(gallery, "Grace", masked, reject_issues=refused, recognizer=recognizer)
    assert len(gallery) == 0


@pytest.mark.parametrize("drawing", [mask((20, 20, 25)), glasses((15, 15, 20))])
@pytest.mark.models
def test_occlusions_do_not_depend_on_the_template(portrait: np.ndarray, drawing: Drawing) -> None:
    """The network gets the same crop, whatever the template of the weights."""
    for picture in (portrait, drawing(portrait)):
        (ours,) = align_faces(picture)
        (other,) = align_faces(picture, template=TEMPLATES["arcface112"])
        assert upright_crop(ours) is ours.crop
        again = upright_crop(other)
        inner = np.s_[30:90, 20:76]
        assert np.abs(again[inner].astype(int) - ours.crop[inner]).mean() < 6
        assert find_occlusions(other) == find_occlusions(ours)


def test_altered_or_missing_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    occlusion._session.cache_clear()
    monkeypatch.setattr(occlusion, "MODEL_SHA256", "0" * 64)
    with pytest.raises(AssetError, match=f"{MODEL_FILE} in the package is damaged"):
        probabilities(np.zeros((1, 56, 48, 3), np.uint8))
    monkeypatch.setattr(occlusion, "MODEL_FILE", "none.onnx")
    with pytest.raises(AssetError, match=r"none\.onnx is missing"):
        probabilities(np.zeros((1, 56, 48, 3), np.uint8))
    occlusion._session.cache_clear()
