"""Aligned crops aligned anew, for a network whose template asks for more than the pupils."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from facehub.align import similarity_matrix, warp
from facehub.template import DEFAULT_TEMPLATE, AlignmentTemplate


def realign_crops(
    crops: np.ndarray, landmarks: np.ndarray, template: AlignmentTemplate
) -> np.ndarray:
    """Align crops by pupils, nose and mouth.

    A turned head is too large where only the pupils were aligned; nose and mouth put that right. A
    crop without landmarks is aligned by the pupils, which lie where facehub's template has them.

    Args:
        crops: uint8 (N, 112, 96, 3), RGB, aligned by facehub's template.
        landmarks: float32 (N, 5, 2), as `find_landmarks` returns them: NaN where there are none.
        template: of the network, with five points.

    Returns:
        uint8 (N, template.height, template.width, 3), RGB.
    """
    pupils = replace(template, nose=None, left_mouth=None, right_mouth=None)
    by_pupils = similarity_matrix(DEFAULT_TEMPLATE.points, pupils)
    matrices = [
        by_pupils if np.isnan(points).any() else similarity_matrix(points, template)
        for points in landmarks
    ]
    return np.stack([warp(c, m, template) for c, m in zip(crops, matrices, strict=True)])
