"""MediaPipe's two face networks: a detector that proposes boxes, and a landmarker.

Both come from `face_landmarker.task`, which is part of the package.
"""

from __future__ import annotations

import io
import os
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from facehub.detect.base import MAX_FACES, FaceLandmarks
from facehub.detect.mediapipe_import import MediaPipe, import_mediapipe
from facehub.detect.tiles import Box, View
from facehub.io.assets import read_asset

MODEL_FILE = "face_landmarker.task"
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
DETECTOR_FILE = "face_detector.tflite"  # inside MODEL_FILE
MIN_SCORE = 0.25  # lowest score of a proposal
MAX_OVERLAP = 0.5  # highest IoU of two proposals, as inside the landmarker


@dataclass(frozen=True)
class Proposal:
    """A box that may hold a face.

    Attributes:
        box: around the face from the brows to the chin, in image pixels.
        eyes: (x, y) of the midpoint between the eyes, in image pixels.
        score: 0 to 1.
    """

    box: Box
    eyes: tuple[float, float]
    score: float


class MediaPipeModels:
    """A face detector and a face landmarker, which can run concurrently.

    MediaPipe runs each of them in its own thread, so any thread may call any method.

    Raises:
        AssetError: the model file in the package is missing or altered.
    """

    def __init__(self) -> None:
        task = read_model_file()
        with zipfile.ZipFile(io.BytesIO(task)) as bundle:
            detector = bundle.read(DETECTOR_FILE)
        self._mediapipe = mp = import_mediapipe()
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="facehub-proposals")
        self._detector = mp.FaceDetector.create_from_options(
            mp.FaceDetectorOptions(
                base_options=base_options(mp, detector),
                min_detection_confidence=MIN_SCORE,
                min_suppression_threshold=MAX_OVERLAP,
            )
        )
        self._landmarker = mp.FaceLandmarker.create_from_options(
            mp.FaceLandmarkerOptions(
                base_options=base_options(mp, task),
                num_faces=MAX_FACES,
                output_facial_transformation_matrixes=True,
            )
        )

    def propose(self, view: View) -> list[Proposal]:
        """Find boxes that may hold a face; takes about 1 ms.

        Args:
            view: the part of the picture to search.

        Returns:
            Proposals with a score of at least `MIN_SCORE`, in pixels of the whole picture.
        """
        height, width = view.pixels.shape[:2]
        proposals = []
        for found in self._detector.detect(self._frame(view.pixels)).detections:
            edges = found.bounding_box
            x, y = edges.origin_x, edges.origin_y
            left, right = found.keypoints[:2]
            proposals.append(
                Proposal(
                    Box(x, y, x + edges.width, y + edges.height).transformed(
                        view.factor, view.x, view.y
                    ),
                    (
                        (left.x + right.x) / 2 * width * view.factor + view.x,
                        (left.y + right.y) / 2 * height * view.factor + view.y,
                    ),
                    found.categories[0].score,
                )
            )
        return proposals

    def propose_ahead(self, view: View) -> Future[list[Proposal]]:
        """Queue `propose` in the background, in the order of the calls."""
        return self._ahead.submit(self.propose, view)

    def landmarks(self, view: View) -> list[FaceLandmarks]:
        """Find faces with their landmarks; takes about 1 ms, plus 6 ms per face.

        Args:
            view: the part of the picture to search.

        Returns:
            Faces, in pixels of the whole picture.
        """
        height, width = view.pixels.shape[:2]
        found = self._landmarker.detect(self._frame(view.pixels))
        scale = np.array([width, height], np.float32) * view.factor
        offset = np.array([view.x, view.y], np.float32)
        return [
            FaceLandmarks(
                np.array([(point.x, point.y) for point in points], np.float32) * scale + offset,
                np.asarray(pose, np.float32),
            )
            for points, pose in zip(
                found.face_landmarks, found.facial_transformation_matrixes, strict=True
            )
        ]

    def close(self) -> None:
        """Free the models.

        Raises:
            RuntimeError: the interpreter is exiting, so MediaPipe's threads have ended.
        """
        self._ahead.shutdown(cancel_futures=True)
        self._detector.close()
        self._landmarker.close()

    def _frame(self, pixels: np.ndarray) -> Any:
        mp = self._mediapipe
        return mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(pixels))


def base_options(mp: MediaPipe, model: bytes) -> Any:
    """Base options that make MediaPipe trust no server, so it cannot send usage reports.

    MediaPipe reports its usage to Google by HTTPS. If the kernel cannot block its sockets
    (`facehub.detect.no_sockets`), the TLS handshake fails before anything is sent.
    """
    options = mp.BaseOptions(model_asset_buffer=model)
    to_ctypes = options.to_ctypes

    def without_certificates() -> Any:
        converted = to_ctypes()
        converted.ca_bundle_path = os.devnull.encode()
        return converted

    options.to_ctypes = without_certificates
    return options


def read_model_file() -> bytes:
    """Read `face_landmarker.task` and check its SHA-256.

    Raises:
        AssetError: the file is missing or altered.
    """
    return read_asset(MODEL_FILE, MODEL_SHA256)
