"""Find the five landmarks of packed faces, for networks with a five-point alignment."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from facehub.align import LEFT_MOUTH, NOSE_TIP, RIGHT_MOUTH
from facehub.detect.base import FaceDetector
from facehub.detect.mediapipe import default_detector
from facehub.io.files import write_atomically

LANDMARKS = "landmarks.npy"  # in the pack's folder
BORDER = 1 / 4  # reflected border, as a share of the side, so the face does not fill the picture
ENLARGEMENT = 3  # gives landmarks with sub-pixel precision
_CHUNK = 512


def landmarks_of(
    faces: Path, crops: np.ndarray, detector: FaceDetector | None = None
) -> np.ndarray:
    """The landmarks of a packed data set; the first call, which takes a while, stores them.

    Args:
        faces: folder of the data set.
        crops: its faces.
        detector: finds the landmarks; None: MediaPipe.

    Returns:
        float32 (N, 5, 2), see `find_landmarks`.
    """
    path = faces / LANDMARKS
    if path.is_file() and path.stat().st_mtime >= (faces / "index.json").stat().st_mtime:
        found: np.ndarray = np.load(path)
        if found.shape == (len(crops), 5, 2):
            return found
    found = find_landmarks(crops, detector)
    file = io.BytesIO()
    np.save(file, found)
    write_atomically(path, file.getvalue())
    return found


def find_landmarks(crops: np.ndarray, detector: FaceDetector | None = None) -> np.ndarray:
    """Find pupils, nose tip and corners of the mouth in aligned crops.

    Args:
        crops: uint8 (N, 112, 96, 3), RGB, aligned by facehub's template; may be memory-mapped.
        detector: a thread-safe detector; None: MediaPipe.

    Returns:
        float32 (N, 5, 2), (x, y) in pixels of the crop, in the order of `AlignmentTemplate.points`;
        NaN if no face is found.
    """
    finder = detector or default_detector()
    found = np.empty((len(crops), 5, 2), np.float32)
    with (
        ThreadPoolExecutor() as threads,
        tqdm(total=len(crops), unit="img", leave=False, disable=None) as progress,
    ):
        for start in range(0, len(crops), _CHUNK):
            chunk = crops[start : start + _CHUNK]
            found[start : start + len(chunk)] = list(threads.map(partial(_find, finder), chunk))
            progress.update(len(chunk))
    return found


def _find(finder: FaceDetector, crop: np.ndarray) -> np.ndarray:
    """Landmarks of the face nearest the centre of a crop, float64 (5, 2)."""
    rows, columns = (round(BORDER * side) for side in crop.shape[:2])
    wide = cv2.copyMakeBorder(crop, rows, rows, columns, columns, cv2.BORDER_REFLECT_101)
    large = cv2.resize(wide, None, fx=ENLARGEMENT, fy=ENLARGEMENT, interpolation=cv2.INTER_LINEAR)
    middle = np.array(large.shape[1::-1]) / 2
    faces = sorted(
        finder.find(large), key=lambda f: float(np.linalg.norm(f.pupils.mean(0) - middle))
    )
    if not faces:
        return np.full((5, 2), np.nan)
    points = np.concatenate(
        [faces[0].pupils, faces[0].points[[NOSE_TIP, LEFT_MOUTH, RIGHT_MOUTH]]]
    ).astype(np.float64)
    in_crop: np.ndarray = (points + 0.5) / ENLARGEMENT - 0.5 - (columns, rows)  # pixel centres
    return in_crop
