"""A recogniser that takes coloured strips for faces: it needs neither MediaPipe nor a network.

Each strip of 100 pixels of width is a face, unless it is black. Strips of one colour are one
person.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from facehub import FaceRecognizer, ModelSpec
from facehub.detect.base import LEFT_IRIS, RIGHT_IRIS, FaceLandmarks, Search

STRIP = 100
RED, GREEN, BLUE, BLACK = (200, 20, 20), (20, 200, 20), (20, 20, 200), (0, 0, 0)
SPEC = ModelSpec(embedding_size=4, threshold=0.5, uncertain_margin=0.1)


class Strips:
    """Finds coloured strips."""

    def find(self, image: np.ndarray, search: Search = "auto") -> list[FaceLandmarks]:
        starts = range(0, image.shape[1], STRIP)
        return [_landmarks(x) for x in starts if image[:, x : x + STRIP].max() > 0]

    def close(self) -> None:
        pass


class Colours:
    """Embeds a crop as its mean colour."""

    spec = SPEC
    description = "colours"

    def __init__(self, fingerprint: str = "sha256:" + "c" * 64) -> None:
        self._fingerprint = fingerprint

    def fingerprint(self) -> str:
        return self._fingerprint

    def has_fingerprint_v1(self, fingerprint_v1: str) -> bool:
        return False

    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        colours = crops[:, 40:80, 30:60].mean(axis=(1, 2)).astype(np.float32)
        rows = np.concatenate([colours, np.zeros((len(crops), 1), np.float32)], axis=1)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def recognizer_of_colours() -> FaceRecognizer:
    """A recogniser of coloured strips."""
    return FaceRecognizer(Colours(), Strips())


def picture(*colours: tuple[int, int, int], kind: str = "PNG") -> bytes:
    """A picture with a strip of each colour."""
    strips = [np.full((120, STRIP, 3), colour, np.uint8) for colour in colours]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(strips, axis=1)).save(buffer, kind)
    return buffer.getvalue()


def _landmarks(x: int) -> FaceLandmarks:
    points = np.random.default_rng(0).uniform((x + 20, 20), (x + 80, 100), (478, 2))
    points[[LEFT_IRIS, RIGHT_IRIS]] = (x + 38, 50), (x + 62, 50)
    return FaceLandmarks(points.astype(np.float32), np.eye(4, dtype=np.float32))
