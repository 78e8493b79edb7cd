"""A picture on the page: read once into memory, shown from there, its upload removed at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facehub.demo.host.uploads import uploads
from facehub.demo.picture import thumbnail
from facehub.detect.base import Search
from facehub.pipeline import FaceRecognizer
from facehub.results import EmbeddedFace


@dataclass(frozen=True, eq=False)
class Photo:
    """An uploaded picture and its faces, held in the session's memory.

    Attributes:
        pixels: uint8 (H, W, 3), RGB, at most 1,280 on a side.
        size: (width, height) of the upload, which the faces' boxes refer to.
        faces: from left to right.
    """

    pixels: np.ndarray = field(repr=False)
    size: tuple[int, int]
    faces: tuple[EmbeddedFace, ...]

    @property
    def largest(self) -> int:
        """Position of the face with the largest box."""
        return max(range(len(self.faces)), key=lambda i: self.faces[i].face.area)


def read_photo(value: Any, recognizer: FaceRecognizer, search: Search = "auto") -> Photo:
    """Load an upload, find its faces, and remove its file.

    Raises:
        ImageError: it cannot be used; the file is removed all the same.
    """
    with uploads(value):
        pixels = recognizer.read(value)
    faces = tuple(recognizer.faces(pixels, search=search))
    return Photo(thumbnail(pixels), (pixels.shape[1], pixels.shape[0]), faces)
