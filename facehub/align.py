"""Align faces by their landmarks: similarity transform, crop, pose."""

from __future__ import annotations

import cv2
import numpy as np

from facehub.detect.base import FaceLandmarks
from facehub.results import Face
from facehub.template import DEFAULT_TEMPLATE, AlignmentTemplate

# Face Mesh points of a five-point template's nose and mouth corners, at image left and right.
NOSE_TIP, LEFT_MOUTH, RIGHT_MOUTH = 4, 61, 291


def align(
    image: np.ndarray, found: FaceLandmarks, template: AlignmentTemplate = DEFAULT_TEMPLATE
) -> Face:
    """Align one face.

    Args:
        image: uint8 (H, W, 3), RGB.
        found: the face's landmarks, in pixels of `image`.
        template: target positions of the landmarks in the crop.
    """
    pupils = found.pupils
    dx, dy = (float(v) for v in pupils[1] - pupils[0])
    roll = np.arctan2(dy, dx)
    forward = found.pose[:3, 2] / np.linalg.norm(
        found.pose[:3, 2]
    )  # x right, y up, z to the viewer
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    across, up = turn @ forward[:2]  # in the crop, where roll is removed
    points = pupils
    if template.nose is not None:
        points = np.concatenate([pupils, found.points[[NOSE_TIP, LEFT_MOUTH, RIGHT_MOUTH]]])
    matrix = similarity_matrix(points, template)
    return Face(
        crop=warp(image, matrix, template),
        box=found.box,
        pupils=pupils,
        inter_eye=float(np.hypot(dx, dy)),
        yaw=float(np.degrees(np.arctan2(across, forward[2]))),
        pitch=float(np.degrees(np.arcsin(np.clip(up, -1, 1)))),
        roll=float(np.degrees(roll)),
        matrix=matrix,
        landmarks=found.points,
    )


def similarity_matrix(
    points: np.ndarray, template: AlignmentTemplate = DEFAULT_TEMPLATE
) -> np.ndarray:
    """Compute the similarity transform from points to the template's points.

    Two points are matched exactly, five by least squares.

    Args:
        points: (2, 2) or (5, 2), (x, y) in image pixels, in the order of `template.points`.
        template: the target.

    Returns:
        float32 (2, 3), which maps image pixels to crop pixels.
    """
    # A similarity is one complex multiplication and one addition: z -> a z + b.
    source = np.asarray(points, np.float64) @ np.array([1, 1j])
    target = template.points @ np.array([1, 1j])
    centred = source - source.mean()
    a = (centred.conj() @ (target - target.mean())) / (np.abs(centred) ** 2).sum()
    b = target.mean() - a * source.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]], np.float32)


def warp(image: np.ndarray, matrix: np.ndarray, template: AlignmentTemplate) -> np.ndarray:
    """Cut the aligned crop out of a picture.

    Large faces are averaged rather than sampled, which avoids aliasing. The picture is reflected at
    its borders.

    Args:
        image: uint8 (H, W, 3), RGB.
        matrix: (2, 3), image pixels to crop pixels.
        template: gives the crop's size.

    Returns:
        uint8 (template.height, template.width, 3), RGB.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    factor = max(1, int(1 / scale))  # whole image pixels along one crop pixel
    fine = matrix.astype(np.float64) * factor
    fine[:, 2] += (factor - 1) / 2  # pixel centres: x' = factor * (x + 1/2) - 1/2
    size = (template.width * factor, template.height * factor)
    crop = cv2.warpAffine(
        image, fine, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    if factor > 1:
        crop = cv2.resize(crop, (template.width, template.height), interpolation=cv2.INTER_AREA)
    return crop
