"""Verification: every decision, and the choice of faces where a picture shows several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facehub import (
    Decision,
    EmbeddedFace,
    Face,
    FaceRecognizer,
    ImageFormatError,
    LowQualityError,
    ModelSpec,
    QualityIssue,
    verify,
)
from facehub.model.calibration import Calibration
from facehub.verification import compare_faces, decide

CONFIG = ModelSpec(threshold=0.5, uncertain_margin=0.1)
CURVE = ((0.0, 1.0, 0.0), (0.4, 1e-2, 0.2), (0.8, 1e-4, 0.6))
STEEP = replace(CONFIG, calibration=Calibration("made up", None, 0.01, 0.2, 100_000, 9, CURVE))


def embedded(degrees: float, side: float = 10, issues: Sequence[QualityIssue] = ()) -> EmbeddedFace:
    """A face with a square box and an embedding at an angle in the plane."""
    angle = np.radians(degrees)
    face = Face(
        crop=np.zeros((112, 96, 3), np.uint8),
        box=(0, 0, side, side),
        pupils=np.zeros((2, 2), np.float32),
        inter_eye=side / 2,
        yaw=0.0,
        pitch=0.0,
        roll=0.0,
        matrix=np.eye(2, 3, dtype=np.float32),
        landmarks=np.zeros((478, 2), np.float32),
    )
    embedding = np.array([np.cos(angle), np.sin(angle)], np.float32)
    return EmbeddedFace(face, embedding, tuple(issues))


def changed(picture: np.ndarray) -> np.ndarray:
    """The astronaut rotated, darkened and cropped."""
    matrix = cv2.getRotationMatrix2D((224, 102), 15, 1)
    turned = cv2.warpAffine(picture, matrix, (512, 512), borderMode=cv2.BORDER_REFLECT_101)
    return (turned[:400, 60:] * 0.7).astype(np.uint8)


# --- from pictures --------------------------------------------------------------------------------


def test_altered_photo_is_the_same_person(
    recognizer: FaceRecognizer, astronaut: np.ndarray
) -> None:
    result = verify(astronaut, changed(astronaut), recognizer=recognizer)
    assert result.decision is Decision.SAME
    assert 0.85 < result.similarity <= 1
    assert result.threshold == recognizer.spec.threshold
    assert result.reason is None
    np.testing.assert_allclose(
        result.first.embedding @ result.second.embedding, result.similarity, atol=1e-6
    )


def test_same_picture_twice_has_similarity_1(recognizer: FaceRecognizer, photos: Path) -> None:
    path = photos / "hopper.jpg"
    assert verify(path, str(path), recognizer=recognizer).similarity == pytest.approx(1, abs=1e-5)


def test_two_people_are_different_in_either_order(
    recognizer: FaceRecognizer, astronaut: np.ndarray, hopper: np.ndarray
) -> None:
    result = verify(astronaut, hopper, recognizer=recognizer)
    assert result.decision is Decision.DIFFERENT
    assert result.similarity < 0.4
    swapped = verify(hopper, astronaut, recognizer=recognizer)
    assert swapped.similarity == pytest.approx(result.similarity, abs=1e-5)


def test_decision_follows_the_given_threshold(
    recognizer: FaceRecognizer, astronaut: np.ndarray, hopper: np.ndarray
) -> None:
    similarity = verify(astronaut, hopper, recognizer=recognizer).similarity
    margin = recognizer.spec.uncertain_margin
    for threshold, decision in (
        (similarity - 0.01, Decision.SAME),
        (similarity + 0.01, Decision.UNCERTAIN),
        (similarity + margin + 0.01, Decision.DIFFERENT),
    ):
        result = verify(astronaut, hopper, threshold=threshold, recognizer=recognizer)
        assert result.decision is decision
        assert result.threshold == threshold


@pytest.mark.models
def test_verify_uses_the_default_weights(astronaut: np.ndarray) -> None:
    assert verify(astronaut, astronaut[:, ::-1]).decision is Decision.SAME


@pytest.mark.parametrize("where", ["first", "second"])
def test_picture_without_a_face_gives_cannot_tell(
    recognizer: FaceRecognizer, astronaut: np.ndarray, nobody: np.ndarray, where: str
) -> None:
    pair = (nobody, astronaut) if where == "first" else (astronaut, nobody)
    result = verify(*pair, recognizer=recognizer)
    assert result.decision is Decision.CANNOT_TELL
    assert result.similarity is None
    assert result.reason.startswith(f"In the {where} picture: No face was found.")
    assert (result.first is None, result.second is None) == (where == "first", where == "second")


def test_picture_of_several_faces_needs_a_policy(
    recognizer: FaceRecognizer, hopper: np.ndarray, both: np.ndarray
) -> None:
    result = verify(both, hopper, recognizer=recognizer)
    assert result.decision is Decision.CANNOT_TELL
    assert result.reason.startswith("In the first picture: 2 faces were found")
    for policy in ("largest", "best_pair"):
        result = verify(both, hopper, policy=policy, recognizer=recognizer)
        assert result.decision is Decision.SAME
        assert result.first.face.box[0] > 320  # Hopper is at right


def test_best_pair_may_not_be_of_the_largest_face(
    recognizer: FaceRecognizer, astronaut: np.ndarray, both: np.ndarray
) -> None:
    """The astronaut's face is the smaller of the two."""
    largest = verify(both, astronaut, policy="largest", recognizer=recognizer)
    best = verify(both, astronaut, policy="best_pair", recognizer=recognizer)
    assert largest.decision is Decision.DIFFERENT
    assert best.decision is Decision.SAME
    assert best.first.face.box[2] < 320 < largest.first.face.box[0]


def test_file_that_is_not_a_picture_is_refused(
    recognizer: FaceRecognizer, photos: Path, astronaut: np.ndarray
) -> None:
    with pytest.raises(ImageFormatError):
        verify(astronaut, photos / "text.jpg", recognizer=recognizer)


def test_face_with_a_rejected_issue_is_refused(
    recognizer: FaceRecognizer, astronaut: np.ndarray
) -> None:
    dark = (astronaut * 0.2).astype(np.uint8)
    with pytest.raises(LowQualityError, match="very dark"):
        verify(astronaut, dark, reject_issues=set(QualityIssue), recognizer=recognizer)


# --- from embedded faces --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("similarity", "decision"),
    [
        (1.0, Decision.SAME),
        (0.5, Decision.SAME),
        (0.4999, Decision.UNCERTAIN),
        (0.25, Decision.UNCERTAIN),
        (0.2499, Decision.DIFFERENT),
        (-1.0, Decision.DIFFERENT),
    ],
)
def test_decide_applies_threshold_and_margin(similarity: float, decision: Decision) -> None:
    assert decide(similarity, threshold=0.5, uncertain_margin=0.25) is decision


def test_decide_without_margin_has_no_uncertain_decision() -> None:
    assert decide(0.4999, threshold=0.5, uncertain_margin=0) is Decision.DIFFERENT


def test_decisions_have_fixed_texts() -> None:
    assert [str(d) for d in Decision] == [
        "same",
        "uncertain",
        "different",
        "cannot_tell",
        "uncalibrated",
    ]


def test_decision_without_a_threshold_is_uncalibrated() -> None:
    uncalibrated = replace(CONFIG, threshold=None)
    result = compare_faces([embedded(0)], [embedded(10)], uncalibrated)
    assert result.decision is Decision.UNCALIBRATED
    assert result.similarity == pytest.approx(np.cos(np.radians(10)), abs=1e-6)
    assert result.threshold is None
    assert result.to_dict()["threshold"] is None
    given = compare_faces([embedded(0)], [embedded(10)], uncalibrated, threshold=0.9)
    assert given.decision is Decision.SAME
    nobody = compare_faces([], [embedded(10)], uncalibrated)
    assert nobody.decision is Decision.CANNOT_TELL


@pytest.mark.parametrize(
    ("degrees", "decision"),
    [
        (59, Decision.SAME),  # cos 60 = 0.5
        (61, Decision.UNCERTAIN),  # 0.485; from 0.4 = cos 66.4
        (67, Decision.DIFFERENT),
        (180, Decision.DIFFERENT),
    ],
)
def test_compare_faces_decides_by_the_cosine(degrees: float, decision: Decision) -> None:
    result = compare_faces([embedded(20)], [embedded(20 + degrees)], CONFIG)
    assert result.decision is decision
    assert result.similarity == pytest.approx(np.cos(np.radians(degrees)), abs=1e-6)
    assert (result.threshold, result.uncertain_margin) == (0.5, 0.1)


def test_similarity_stays_within_bounds() -> None:
    face = embedded(30)
    long = replace(
        face, embedding=face.embedding * np.float32(1.0001)
    )  # an exaggerated rounding error
    assert compare_faces([long], [long], CONFIG).similarity == 1


FIRST = [embedded(0, side=5), embedded(90, side=9)]
SECOND = [embedded(175, side=9), embedded(200, side=3), embedded(20, side=5)]


@pytest.mark.parametrize(
    ("policy", "chosen", "degrees"),
    [
        ("largest", (1, 0), 85),
        ("best_pair", (0, 2), 20),  # the others: 175, 160, 85, 110 and 70
    ],
)
def test_policy_chooses_the_compared_faces(
    policy: str, chosen: tuple[int, int], degrees: float
) -> None:
    result = compare_faces(FIRST, SECOND, CONFIG, policy=policy)
    assert result.first is FIRST[chosen[0]]
    assert result.second is SECOND[chosen[1]]
    assert (result.first_index, result.second_index) == chosen
    assert (result.to_dict()["first"]["index"], result.to_dict()["second"]["index"]) == chosen
    assert result.to_dict()["first"]["box"] == list(FIRST[chosen[0]].face.box)
    assert result.similarity == pytest.approx(np.cos(np.radians(degrees)), abs=1e-6)


def test_best_of_many_pairs_needs_a_higher_similarity() -> None:
    """Of 30 x 30 impostor pairs some reach the threshold of a single pair."""
    group = 30 * [embedded(0)]
    for policy, threshold in (("best_pair", 0.8), ("largest", 0.5)):
        result = compare_faces(group, 30 * [embedded(50)], STEEP, policy=policy)  # cos 50 = 0.64
        assert result.threshold == pytest.approx(threshold, abs=1e-3)
        assert (result.decision is Decision.SAME) == (policy == "largest")
    assert compare_faces(group, group, STEEP, policy="best_pair", threshold=0.3).threshold == 0.3


def test_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="best_pair"):
        compare_faces([], [], CONFIG, policy="typo")


def test_reason_names_every_picture_without_exactly_one_face() -> None:
    result = compare_faces(FIRST, [], CONFIG)
    assert result.decision is Decision.CANNOT_TELL
    assert "first picture: 2 faces" in result.reason
    assert "second picture: No face" in result.reason
    assert (result.first_index, result.second_index) == (None, None)


@pytest.mark.parametrize("policy", ["exactly_one", "largest", "best_pair"])
def test_every_policy_gives_cannot_tell_without_a_face(policy: str) -> None:
    result = compare_faces([], [embedded(0)], CONFIG, policy=policy)
    assert result.decision is Decision.CANNOT_TELL


def test_reject_issues_applies_only_to_compared_faces() -> None:
    blurred = embedded(0, side=5, issues=[QualityIssue.BLURRED])
    good = embedded(10, side=9)
    reject = {QualityIssue.BLURRED}
    assert compare_faces([blurred, good], [good], CONFIG, policy="largest", reject_issues=reject)
    with pytest.raises(LowQualityError, match="blurred"):
        compare_faces([blurred], [good], CONFIG, reject_issues=reject)
    with pytest.raises(LowQualityError, match="blurred"):
        compare_faces([good], [blurred], CONFIG, reject_issues=reject)


# --- thresholds and invalid numbers ---------------------------------------------------------------


@pytest.mark.parametrize("threshold", [math.nan, math.inf, -1.5, 2])
def test_invalid_threshold_is_refused(threshold: float, recognizer: FaceRecognizer) -> None:
    face = embedded(0)
    with pytest.raises(ValueError, match="threshold must be a number from -1 to 1"):
        compare_faces([face], [face], CONFIG, threshold=threshold)
    with pytest.raises(ValueError, match="threshold must be a number from -1 to 1"):
        verify(b"not even read", b"", threshold=threshold, recognizer=recognizer)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_similarity_that_is_not_finite_is_an_error(bad: float) -> None:
    """Without this check, a comparison with NaN is false and the decision "different"."""
    with pytest.raises(ValueError, match="similarity must be a number"):
        decide(bad, 0.5, 0.1)
    with pytest.raises(ValueError, match="must be a number"):
        decide(0.5, 0.5, bad)
    with pytest.raises(ValueError, match="must be a number"):
        decide(0.5, bad, 0.1)
    with pytest.raises(ValueError, match="embedding must be finite"):
        replace(embedded(0), embedding=np.array([1, bad], np.float32))


@pytest.mark.parametrize("threshold", [-1, 0.2, 0.99])
def test_given_threshold_replaces_the_calibrated_one(threshold: float) -> None:
    many = [embedded(degrees) for degrees in range(0, 180, 10)]
    other = [embedded(185)]
    spec = STEEP.with_threshold(threshold)
    for result in (
        compare_faces(many, other, spec, policy="best_pair"),
        compare_faces(many, other, STEEP, policy="best_pair", threshold=threshold),
    ):
        assert result.threshold == threshold
