"""MediaPipe's two networks for faces: one proposes places, the other finds landmarks there.

Both come from `face_landmarker.task`, which facehub carries.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from facehub.detect.base import MAX_FACES, FaceLandmarks
from facehub.detect.mediapipe_import import MediaPipe, import_mediapipe
from facehub.detect.tiles import Box, View
from facehub.errors import AssetError

MODEL_FILE = "face_landmarker.task"
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
DETECTOR_FILE = "face_detector.tflite"  # inside MODEL_FILE
MIN_SCORE = 0.25  # of a proposal
MAX_OVERLAP = 0.5  # of two proposals (intersection over union), as inside the landmarker


@dataclass(frozen=True)
class Proposal:
    """A place that may show a face.

    Attributes:
        box: around the face from the brows to the chin, in image pixels.
        eyes: (x, y) of the middle between the eyes.
        score: 0 to 1.
    """

    box: Box
    eyes: tuple[float, float]
    score: float


class MediaPipeModels:
    """A face detector and a face landmarker, which can work at the same time.

    MediaPipe gives each of them a thread of its own, so any thread may call any method.

    Raises:
        AssetError: the model file carried in the package is missing or altered.
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
        """Find places that may show a face: about 1 ms.

        Args:
            view: what to look at.

        Returns:
            Proposals of at least `MIN_SCORE`, in pixels of the picture that `view` is a part of.
        """
        height, width = view.pixels.shape[:2]
        proposals = []
        for found in self._detector.detect(self._frame(view.pixels)).detections:
            edges = found.bounding_box
            x, y = edges.origin_x, edges.origin_y
            left, right = found.keypoints[:2]
            proposals.append(
                Proposal(
                    Box(x, y, x + edges.width, y + edges.height).placed(
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
        """Start `propose` in the background, after the views that were started before."""
        return self._ahead.submit(self.propose, view)

    def landmarks(self, view: View) -> list[FaceLandmarks]:
        """Find faces with their landmarks: about 1 ms, and 6 ms for each face.

        Args:
            view: what to look at.

        Returns:
            Faces, in pixels of the picture that `view` is a part of.
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
    """Base options with which MediaPipe trusts no server, so it can report to none.

    It measures how it is used and sends that to Google by HTTPS. Where the kernel does not keep it
    off the network (`facehub.detect.no_sockets`), the connection ends before anything is sent.
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
    """Read `face_landmarker.task` and check that it is the file that belongs to facehub.

    Raises:
        AssetError: it is missing or altered.
    """
    try:
        data = (resources.files("facehub") / "assets" / MODEL_FILE).read_bytes()
    except OSError as error:
        raise AssetError(f"{MODEL_FILE} is missing from the package; reinstall facehub.") from error
    if hashlib.sha256(data).hexdigest() != MODEL_SHA256:
        raise AssetError(f"{MODEL_FILE} in the package is damaged or altered; reinstall facehub.")
    return data
