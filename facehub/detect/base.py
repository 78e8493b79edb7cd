"""The interface of a face detector, and what it returns for each face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np

Search = Literal["auto", "thorough"]
MAX_FACES = 100  # per picture: only the largest are aligned and embedded, which bounds the work
LEFT_IRIS, RIGHT_IRIS = 468, 473  # iris centres at image left and image right


@dataclass(frozen=True, eq=False)
class FaceLandmarks:
    """The landmarks of one face.

    Attributes:
        points: float32 (478, 2), MediaPipe Face Mesh points, x and y in image pixels.
        pose: float32 (4, 4), from MediaPipe's canonical face (x right, y up, z to the viewer) to
            the camera.
    """

    points: np.ndarray
    pose: np.ndarray

    @property
    def pupils(self) -> np.ndarray:
        """float32 (2, 2): image-left pupil, image-right pupil, in image pixels."""
        return self.points[[LEFT_IRIS, RIGHT_IRIS]]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) around all landmarks, in image pixels; may leave the picture."""
        (x0, y0), (x1, y1) = self.points.min(axis=0), self.points.max(axis=0)
        return float(x0), float(y0), float(x1), float(y1)


class FaceDetector(Protocol):
    """Finds the faces of a picture; safe to call from any thread."""

    def find(self, image: np.ndarray, search: Search = "auto") -> list[FaceLandmarks]:
        """Find the faces of a picture.

        Args:
            image: uint8 (H, W, 3), RGB, 0 to 255.
            search: "auto" looks for smaller faces if the whole picture shows none; "thorough"
                always does, for group photos.

        Returns:
            Faces from left to right (by the centre of the box, then top to bottom). If there are
            more than `MAX_FACES`, a detector may stop after `MAX_FACES` + 1 of the largest.

        Raises:
            ValueError: `search` is neither "auto" nor "thorough".
        """
        ...

    def close(self) -> None:
        """Free threads and models; closing again has no effect."""
        ...


def check_search(search: str) -> None:
    """Check a search mode.

    Raises:
        ValueError: `search` is neither "auto" nor "thorough".
    """
    if search not in get_args(Search):
        raise ValueError(f"search must be one of {get_args(Search)}, not {search!r}")


def left_to_right(faces: list[FaceLandmarks]) -> list[FaceLandmarks]:
    """Sort faces by the centres of their boxes: by x, then by y."""
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1] + face.box[3]))
