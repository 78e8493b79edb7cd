"""From a picture to aligned faces: pupils, pose, similarity transform, crop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from facehub.landmarker import FaceLandmarks, Search, find_landmarks
from facehub.template import DEFAULT_TEMPLATE, AlignmentTemplate


@dataclass(frozen=True, eq=False)
class Face:
    """An aligned face. Image coordinates are pixels, x right, y down.

    Attributes:
        crop: uint8 (112, 96, 3), RGB, 0 to 255; what the encoder sees.
        box: (x0, y0, x1, y1) around all landmarks, in image pixels; may leave the picture.
        pupils: float32 (2, 2), (x, y) of the image-left and the image-right pupil.
        inter_eye: distance between the pupils in image pixels.
        yaw: degrees, positive when the face turns to image right.
        pitch: degrees, positive when it looks up.
        roll: degrees of head tilt, positive clockwise in the image; corrected in the crop.
        matrix: float32 (2, 3), maps image pixels to crop pixels.
        landmarks: float32 (478, 2), MediaPipe Face Mesh points in image pixels.
    """

    crop: np.ndarray = field(repr=False)
    box: tuple[float, float, float, float]
    pupils: np.ndarray
    inter_eye: float
    yaw: float
    pitch: float
    roll: float
    matrix: np.ndarray = field(repr=False)
    landmarks: np.ndarray = field(repr=False)

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)


def align_faces(
    image: np.ndarray,
    *,
    template: AlignmentTemplate = DEFAULT_TEMPLATE,
    search: Search = "auto",
) -> list[Face]:
    """Find and align every face of a picture.

    Args:
        image: uint8 (H, W, 3), RGB, as `load_image` returns it.
        template: where the pupils go in the crop; weights carry theirs in `config.json`.
        search: see `find_landmarks`.

    Returns:
        Faces from left to right; an empty list where there is none.
    """
    return [_align(image, landmarks, template) for landmarks in find_landmarks(image, search)]


def central_face(faces: Sequence[Face], image_shape: tuple[int, ...]) -> Face:
    """The face nearest the middle, whom a portrait or a labelled data set's picture is about.

    Args:
        faces: one or more, of one picture.
        image_shape: (H, W, ...) of that picture.
    """
    middle = np.array(image_shape[1::-1]) / 2
    return min(faces, key=lambda face: float(np.linalg.norm(face.pupils.mean(axis=0) - middle)))


def similarity_matrix(
    pupils: np.ndarray, template: AlignmentTemplate = DEFAULT_TEMPLATE
) -> np.ndarray:
    """The rotation, uniform scale and shift that put two pupils on the template.

    Args:
        pupils: (2, 2), (x, y) of the image-left and the image-right pupil, in image pixels.
        template: the target.

    Returns:
        float32 (2, 3), maps image pixels to crop pixels.
    """
    # A similarity is one complex multiplication and one addition: z -> a z + b.
    source = np.asarray(pupils, np.float64) @ np.array([1, 1j])
    target = np.array([template.left_eye, template.right_eye]) @ np.array([1, 1j])
    a = (target[1] - target[0]) / (source[1] - source[0])
    b = target[0] - a * source[0]
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]], np.float32)


def warp(image: np.ndarray, matrix: np.ndarray, template: AlignmentTemplate) -> np.ndarray:
    """Cut the aligned crop out of a picture.

    Large faces are averaged down rather than sampled, so they do not alias; outside the picture its
    border is reflected.

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


def _align(image: np.ndarray, found: FaceLandmarks, template: AlignmentTemplate) -> Face:
    pupils = found.pupils
    dx, dy = (float(v) for v in pupils[1] - pupils[0])
    forward = found.pose[:3, 2] / np.linalg.norm(
        found.pose[:3, 2]
    )  # x right, y up, z to the viewer
    matrix = similarity_matrix(pupils, template)
    return Face(
        crop=warp(image, matrix, template),
        box=found.box,
        pupils=pupils,
        inter_eye=float(np.hypot(dx, dy)),
        yaw=float(np.degrees(np.arctan2(forward[0], forward[2]))),
        pitch=float(np.degrees(np.arcsin(np.clip(forward[1], -1, 1)))),
        roll=float(np.degrees(np.arctan2(dy, dx))),
        matrix=matrix,
        landmarks=found.points,
    )
