"""Find faces with MediaPipe's Face Landmarker: 478 landmarks and a head pose for each.

A MediaPipe landmarker belongs to one thread. A small pool of worker threads owns one each, reuses
it for every picture and closes it when the interpreter exits, so callers may use any thread.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, get_args

import cv2
import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

from facehub.errors import AssetError

MODEL_FILE = "face_landmarker.task"
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
LEFT_IRIS, RIGHT_IRIS = 468, 473  # iris centres at image left and image right
MAX_FACES = 100
WORKERS = min(4, os.cpu_count() or 1)

# The detector sees the picture at 128 x 128 and misses faces whose pupils are closer than about
# 6 % of the picture's side. Tiles of half the side, then a quarter, ..., overlapping by a face,
# bring smaller ones back, down to pupils about 12 pixels apart.
MIN_TILE = 192
MAX_TILE_LEVELS = 4
TILE_STRIDE = 0.65

Search = Literal["auto", "thorough"]


@dataclass(frozen=True, eq=False)
class FaceLandmarks:
    """One face as MediaPipe found it.

    Attributes:
        points: float32 (478, 2), x and y in image pixels.
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


def find_landmarks(image: np.ndarray, search: Search = "auto") -> list[FaceLandmarks]:
    """Find the faces of a picture.

    Args:
        image: uint8 (H, W, 3), RGB.
        search: "auto" looks at the whole picture and at its halves and, only where the whole shows
            no face, at a padded copy (faces that fill the picture) and at smaller tiles. "thorough"
            always looks at the smaller tiles too, for group photos.

    Returns:
        Faces from left to right (by the middle of the box, then top to bottom).

    Raises:
        AssetError: the landmarker model carried in the package is missing or altered.
        ValueError: another search.
    """
    if search not in get_args(Search):
        raise ValueError(f"search must be one of {get_args(Search)}, not {search!r}")
    with _lock:  # `close_landmarkers` must not shut the pool in between
        found = _pool().submit(_find, image, search)
    faces = found.result()
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1] + face.box[3]))


def close_landmarkers() -> None:
    """Close the worker threads and their landmarkers; the next call opens new ones."""
    with _lock:
        pool = _pool()
        _pool.cache_clear()
        pool.shutdown(wait=True)
        while _open_landmarkers:
            _open_landmarkers.pop().close()


# --- the pool -------------------------------------------------------------------------------------

_lock = threading.Lock()
_thread = threading.local()
_open_landmarkers: list[vision.FaceLandmarker] = []


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKERS, thread_name_prefix="facehub-landmarker")


@functools.cache
def _model() -> bytes:
    try:
        data = (resources.files("facehub") / "assets" / MODEL_FILE).read_bytes()
    except OSError as error:
        raise AssetError(f"{MODEL_FILE} is missing from the package; reinstall facehub.") from error
    if hashlib.sha256(data).hexdigest() != MODEL_SHA256:
        raise AssetError(f"{MODEL_FILE} in the package is damaged or altered; reinstall facehub.")
    return data


def _landmarker() -> vision.FaceLandmarker:
    if not hasattr(_thread, "landmarker"):
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=_model()),
            num_faces=MAX_FACES,
            output_facial_transformation_matrixes=True,
        )
        _thread.landmarker = vision.FaceLandmarker.create_from_options(options)
        _open_landmarkers.append(_thread.landmarker)
    return _thread.landmarker


def _forget_after_fork() -> None:
    global _thread, _lock
    for landmarker in _open_landmarkers:  # its thread is gone: closing it would wait for ever
        landmarker._handle = None
    _open_landmarkers.clear()
    _thread, _lock = threading.local(), threading.Lock()
    _pool.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
# MediaPipe closes a landmarker through an executor of its own, which `atexit` would find shut down.
getattr(threading, "_register_atexit", lambda _: None)(close_landmarkers)


# --- the search -----------------------------------------------------------------------------------


def _find(image: np.ndarray, search: Search) -> list[FaceLandmarks]:
    faces = _detect(image)
    if not faces:
        faces = _detect_padded(image)
    levels = 1 if faces and search == "auto" else MAX_TILE_LEVELS
    height, width = image.shape[:2]
    for x, y, side in _tiles(width, height, levels):
        tile = image[y : y + side, x : x + side]
        for face in _detect(tile, offset=(x, y)):
            if _inside_tile(face, x, y, tile.shape, image.shape) and not any(
                _same_place(face, other) for other in faces
            ):
                faces += _confirm(image, face)
    return faces


def _confirm(image: np.ndarray, face: FaceLandmarks) -> list[FaceLandmarks]:
    """Look again, closer: a face is still there, a folded sleeve that looked like one is not."""
    x0, y0, x1, y1 = face.box
    reach = 1.5 * max(x1 - x0, y1 - y0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    region = image[top : int(y + reach) + 1, left : int(x + reach) + 1]
    return [f for f in _detect(region, offset=(left, top)) if _same_place(f, face)][:1]


def _detect(image: np.ndarray, offset: tuple[int, int] = (0, 0)) -> list[FaceLandmarks]:
    height, width = image.shape[:2]
    frame: Any = mediapipe.Image(
        image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image)
    )
    result = _landmarker().detect(frame)
    return [
        FaceLandmarks(
            np.array([(p.x * width, p.y * height) for p in landmarks], np.float32)
            + np.array(offset, np.float32),
            np.asarray(pose, np.float32),
        )
        for landmarks, pose in zip(
            result.face_landmarks, result.facial_transformation_matrixes, strict=True
        )
    ]


def _detect_padded(image: np.ndarray) -> list[FaceLandmarks]:
    """For a face that fills the picture or is cut by its border."""
    height, width = image.shape[:2]
    pad = max(height, width) // 2
    if max(height, width) > 2048:  # too large a face needs no detail to be found
        return []
    padded = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(128,) * 3)
    return [
        face
        for face in _detect(padded, offset=(-pad, -pad))
        if (face.pupils >= 0).all() and (face.pupils < (width, height)).all()
    ]


def _tiles(width: int, height: int, levels: int) -> Iterator[tuple[int, int, int]]:
    """(x, y, side) of square tiles, the largest first."""
    longest = max(width, height)
    for level in range(1, levels + 1):
        side = longest // 2**level
        if side < MIN_TILE:
            return
        for y in _starts(height, side):
            for x in _starts(width, side):
                yield x, y, side


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = int(np.ceil((length - side) / (side * TILE_STRIDE))) + 1
    return [round(start) for start in np.linspace(0, length - side, count)]


def _inside_tile(
    face: FaceLandmarks, x: int, y: int, tile: tuple[int, ...], image: tuple[int, ...]
) -> bool:
    """Whether the tile shows the whole face; a neighbouring tile does where this one does not."""
    x0, y0, x1, y1 = face.box
    right, bottom = x + tile[1], y + tile[0]
    return (
        (x0 > x or x == 0)
        and (y0 > y or y == 0)
        and (x1 < right or right == image[1])
        and (y1 < bottom or bottom == image[0])
    )


def _same_place(a: FaceLandmarks, b: FaceLandmarks) -> bool:
    """Whether two detections are of one face: the middle of one lies between the other's edges."""
    for face, other in ((a, b), (b, a)):
        x, y = face.pupils.mean(axis=0)
        x0, y0, x1, y1 = other.box
        if x0 <= x <= x1 and y0 <= y <= y1:
            return True
    return False
