"""Aligned crops aligned anew, for a network whose template asks for more than the pupils."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np

from facehub.align import align_faces, similarity_matrix, warp
from facehub.detect.base import FaceDetector
from facehub.errors import NoFaceError
from facehub.select import select_face
from facehub.template import DEFAULT_TEMPLATE, AlignmentTemplate
from train.data.crops import fit_crops

BORDER = 1 / 4  # share of a crop's side, reflected beyond it: the face is no close-up
ENLARGEMENT = 3  # so that the detector's landmarks fall between a crop's pixels


def realign_crops(
    crops: np.ndarray, template: AlignmentTemplate, detector: FaceDetector
) -> np.ndarray:
    """Find each face's landmarks in its crop, and align by them.

    A turned head is too large where only the pupils were aligned; nose and mouth put that right. A
    crop in which no face is found is aligned by the pupils, which lie where facehub's template has
    them. Where the network's template has no more than the pupils, see `fit_crops`.

    Args:
        crops: uint8 (N, 112, 96, 3), RGB, aligned by facehub's template.
        template: of the network.
        detector: finds the landmarks; from several threads.

    Returns:
        uint8 (N, template.height, template.width, 3), RGB.

    Raises:
        ValueError: see `fit_crops`.
    """
    if template.nose is None:
        return fit_crops(crops, template)
    by_pupils = similarity_matrix(
        DEFAULT_TEMPLATE.points, replace(template, nose=None, left_mouth=None, right_mouth=None)
    )

    def realign(crop: np.ndarray) -> np.ndarray:
        picture = _enlarge(crop)
        faces = align_faces(picture, detector, template=template)
        try:
            return faces[select_face(faces, picture.shape, "central")].crop
        except NoFaceError:
            return warp(crop, by_pupils, template)

    with ThreadPoolExecutor() as threads:
        return np.stack(list(threads.map(realign, crops)))


def _enlarge(crop: np.ndarray) -> np.ndarray:
    rows, columns = (round(BORDER * side) for side in crop.shape[:2])
    wide = cv2.copyMakeBorder(crop, rows, rows, columns, columns, cv2.BORDER_REFLECT_101)
    return cv2.resize(wide, None, fx=ENLARGEMENT, fy=ENLARGEMENT, interpolation=cv2.INTER_LINEAR)
