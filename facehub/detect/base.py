"""What finds faces."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

from facehub.landmarker import FaceLandmarks

Search = Literal["auto", "thorough"]
__all__ = ["FaceDetector", "FaceLandmarks", "Search"]


class FaceDetector(Protocol):
    """Finds faces."""

    def find(self, image: np.ndarray, search: Search = "auto") -> list[FaceLandmarks]:
        """Find."""

    def close(self) -> None:
        """Close."""
