"""Temporary."""

from __future__ import annotations

import functools

import numpy as np

from facehub.detect.base import FaceLandmarks, Search
from facehub.landmarker import find_landmarks


class MediaPipeDetector:
    """Temporary."""

    def find(self, image: np.ndarray, search: Search = "auto") -> list[FaceLandmarks]:
        """Find."""
        return find_landmarks(image, search)

    def close(self) -> None:
        """Close."""


@functools.cache
def default_detector() -> MediaPipeDetector:
    """The process's shared detector."""
    return MediaPipeDetector()
