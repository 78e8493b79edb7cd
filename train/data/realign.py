"""Re-align crops for a network with a five-point template."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from facehub.align import similarity_matrix, warp
from facehub.template import DEFAULT_TEMPLATE, AlignmentTemplate


def realign_crops(
    crops: np.ndarray, landmarks: np.ndarray, template: AlignmentTemplate
) -> np.ndarray:
    """Re-align crops by pupils, nose and mouth.

    Aligned by the pupils alone, a head turned sideways is too large; nose and mouth correct that. A
    crop without landmarks is aligned by its pupils, whose positions facehub's template gives.

    Args:
        crops: uint8 (N, 112, 96, 3), RGB, aligned by facehub's template.
        landmarks: float32 (N, 5, 2) from `find_landmarks`; NaN if unknown.
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
