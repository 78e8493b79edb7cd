"""Quality warnings about a face, from its landmarks and its aligned crop."""

from __future__ import annotations

from collections.abc import Collection

import cv2
import numpy as np

from facehub.detect.base import MAX_FACES
from facehub.errors import LowQualityError
from facehub.occlusion import find_occlusions
from facehub.results import Box, Face, QualityIssue
from facehub.upright import DOUBT

MIN_INTER_EYE = 24.0  # image pixels; the distance in the crop is 35
MAX_YAW = 30.0  # degrees; alignment by the pupils over-zooms by about 15 % there
MAX_PITCH = 35.0  # degrees
MAX_ROLL = 45.0  # degrees; beyond it, the picture is rotated or the person lies down
MIN_SHARPNESS = 12.0  # per cent, see `sharpness`
MIN_LUMA, MAX_LUMA = 45.0, 220.0  # mean grey level of the face
MAX_OUTSIDE = 0.12  # share of the box's area outside the picture


ADVICE = {
    QualityIssue.SEVERAL_FACES: "The picture shows several faces; check which one is used.",
    QualityIssue.SMALL_FACE: "The face is small; use a larger or closer picture.",
    QualityIssue.STRONG_YAW: "The head is turned far to the side; use a more frontal picture.",
    QualityIssue.STRONG_PITCH: "The head is tilted far up or down; use a more frontal picture.",
    QualityIssue.STRONG_ROLL: "The face lies on its side or upside down and was turned upright; "
    "check its crop, or turn the picture.",
    QualityIssue.BLURRED: "The face is blurred; use a sharper picture.",
    QualityIssue.TOO_DARK: "The face is very dark; use a brighter picture.",
    QualityIssue.TOO_BRIGHT: "The face is very bright; use a picture with softer light.",
    QualityIssue.CUT_OFF: "The face is cut off by the picture's border.",
    QualityIssue.COVERED_EYES: "The eyes seem to be covered; use a picture without dark glasses.",
    QualityIssue.COVERED_MOUTH: "The mouth seems to be covered; use a picture without a mask.",
    QualityIssue.TOO_MANY_FACES: f"The picture shows more than {MAX_FACES} faces; only the "
    f"{MAX_FACES} largest were compared.",
    QualityIssue.DOUBTFUL_FACE: "This may not be a face, or the face may not be upright; "
    "check its crop, or rotate the picture.",
}


def assess(face: Face, image_shape: tuple[int, ...], n_faces: int = 1) -> tuple[QualityIssue, ...]:
    """List issues that may make comparisons with a face unreliable.

    Args:
        face: an aligned face.
        image_shape: (H, W, ...) of its picture.
        n_faces: number of faces found in that picture.

    Returns:
        Issues in the order of `QualityIssue`, possibly none. `ADVICE` has a sentence for each.

    Raises:
        AssetError: a network in the package is missing or altered.
    """
    luma = float(_brows_to_chin(face.crop).mean())
    eyes, mouth = find_occlusions(face)
    found = {
        QualityIssue.SEVERAL_FACES: n_faces > 1,
        QualityIssue.SMALL_FACE: face.inter_eye < MIN_INTER_EYE,
        QualityIssue.STRONG_YAW: abs(face.yaw) > MAX_YAW,
        QualityIssue.STRONG_PITCH: abs(face.pitch) > MAX_PITCH,
        QualityIssue.STRONG_ROLL: abs(face.roll) > MAX_ROLL,
        QualityIssue.BLURRED: sharpness(face.crop) < MIN_SHARPNESS,
        QualityIssue.TOO_DARK: luma < MIN_LUMA,
        QualityIssue.TOO_BRIGHT: luma > MAX_LUMA,
        QualityIssue.CUT_OFF: _outside(face.box, image_shape) > MAX_OUTSIDE,
        QualityIssue.COVERED_EYES: eyes,
        QualityIssue.COVERED_MOUTH: mouth,
        QualityIssue.TOO_MANY_FACES: n_faces > MAX_FACES,
        QualityIssue.DOUBTFUL_FACE: face.upright_score is not None and face.upright_score < DOUBT,
    }
    return tuple(issue for issue, present in found.items() if present)


def reject(issues: tuple[QualityIssue, ...], rejected: Collection[QualityIssue]) -> None:
    """Raise an error for rejected issues.

    Args:
        issues: issues of a face.
        rejected: issues that count as errors.

    Raises:
        LowQualityError: one of `issues` is in `rejected`.
    """
    bad = [issue for issue in issues if issue in rejected]
    if bad:
        raise LowQualityError(" ".join(ADVICE[issue] for issue in bad))


def sharpness(crop: np.ndarray) -> float:
    """Measure the fine detail of an aligned crop, independent of its contrast.

    Args:
        crop: uint8 (112, 96, 3), RGB.

    Returns:
        Standard deviation of the Laplacian in per cent of the grey levels' standard deviation.
    """
    grey = _brows_to_chin(crop).astype(np.float32)
    detail = cv2.Laplacian(grey, cv2.CV_32F)[1:-1, 1:-1]
    return float(100 * detail.std() / max(float(grey.std()), 1.0))


def _brows_to_chin(crop: np.ndarray) -> np.ndarray:
    """Grey levels of the face without the background at the border of the crop."""
    height, width = crop.shape[:2]
    inner = crop[height // 7 : height * 6 // 7, width * 7 // 48 : width * 41 // 48]
    return cv2.cvtColor(np.ascontiguousarray(inner), cv2.COLOR_RGB2GRAY)


def _outside(box: Box, image_shape: tuple[int, ...]) -> float:
    x0, y0, x1, y1 = box
    height, width = image_shape[:2]
    inside = max(0.0, min(x1, width) - max(x0, 0.0)) * max(0.0, min(y1, height) - max(y0, 0.0))
    return 1.0 - inside / max((x1 - x0) * (y1 - y0), 1e-9)
