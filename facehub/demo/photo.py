"""A picture on the page: read once into memory, shown from there, its upload removed at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facehub.demo.host.uploads import uploads
from facehub.demo.picture import thumbnail
from facehub.detect.base import Search
from facehub.errors import FaceHubError
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


class PictureSlot:
    """The place of one picture in a session. Threads may share it.

    A picture that takes long to read never replaces one that was chosen after it.

    Attributes:
        photo: the picture, or None while there is none or it is being read.
        problem: why the last picture cannot be used; empty where it can.
    """

    def __init__(self, photo: Photo | None = None) -> None:
        self.photo = photo
        self.problem = ""
        self._turn = 0
        self._lock = threading.Lock()

    def begin(self) -> int:
        """Forget the picture, as another one is on its way. Returns that one's turn."""
        with self._lock:
            self._turn += 1
            self.photo, self.problem = None, ""
            return self._turn

    def read(self, value: Any, recognizer: FaceRecognizer, search: Search = "auto") -> bool:
        """Read an upload into the slot; None empties it.

        Returns:
            Whether it is still the newest: if not, the slot is left as it is.
        """
        turn, photo, problem = self.begin(), None, ""
        if value is not None:
            try:
                photo = read_photo(value, recognizer, search)
            except FaceHubError as error:
                problem = str(error)
        with self._lock:
            if turn != self._turn:
                return False
            self.photo, self.problem = photo, problem
            return True
