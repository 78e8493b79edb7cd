"""Covered eyes and mouths: a small network looks at the aligned face.

It has seen coverings drawn over faces (`python -m train covering`): masks, scarves, hands, dark and
mirrored glasses, visors; and beards, clear glasses, hats and hair as what covers nothing.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facehub.align import similarity_matrix, warp
from facehub.errors import AssetError
from facehub.model.runtime import open_session
from facehub.results import Face
from facehub.template import DEFAULT_TEMPLATE

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL_FILE = "covering.onnx"
MODEL_SHA256 = "c759188939b58c5bcb81f7b54d6cdce5d420601322bc0b8983011cf4c75acf4c"
INPUT_SIZE = (DEFAULT_TEMPLATE.height // 2, DEFAULT_TEMPLATE.width // 2)  # rows, columns
LIMIT = 0.5  # of both probabilities; the training has set them for it
_AT_HOME = 0.5  # crop pixels by which pupils may miss the template


def find_coverings(face: Face) -> tuple[bool, bool]:
    """Whether the eyes are covered, and whether the mouth is.

    Args:
        face: aligned by any template.

    Raises:
        AssetError: the network carried in the package is missing or altered.
    """
    eyes, mouth = probabilities(prepare(upright_crop(face))[None])[0]
    return bool(eyes > LIMIT), bool(mouth > LIMIT)


def upright_crop(face: Face) -> np.ndarray:
    """The face as `DEFAULT_TEMPLATE` aligns it, uint8 (112, 96, 3), RGB, made from its crop."""
    pupils = face.pupils @ face.matrix[:, :2].T + face.matrix[:, 2]  # in the crop
    size = face.crop.shape[:2]
    at_home = np.abs(pupils - DEFAULT_TEMPLATE.points).max() < _AT_HOME
    if at_home and size == (DEFAULT_TEMPLATE.height, DEFAULT_TEMPLATE.width):
        return face.crop
    return warp(face.crop, similarity_matrix(pupils), DEFAULT_TEMPLATE)


def prepare(crop: np.ndarray) -> np.ndarray:
    """What the network looks at: half the aligned crop's size, uint8 (56, 48, 3), RGB.

    Args:
        crop: uint8 (112, 96, 3), RGB, aligned by `DEFAULT_TEMPLATE`.
    """
    return cv2.resize(crop, INPUT_SIZE[::-1], interpolation=cv2.INTER_AREA)


def probabilities(inputs: np.ndarray) -> np.ndarray:
    """Ask the network.

    Args:
        inputs: uint8 (N, 56, 48, 3), RGB, see `prepare`.

    Returns:
        float32 (N, 2), 0 to 1: that the eyes are covered, and that the mouth is.
    """
    x = inputs.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - np.float32(1)
    return np.asarray(_session().run(None, {"faces": np.ascontiguousarray(x)})[0])


@functools.cache
def _session() -> InferenceSession:
    try:
        data = (resources.files("facehub") / "assets" / MODEL_FILE).read_bytes()
    except OSError as error:
        raise AssetError(f"{MODEL_FILE} is missing from the package; reinstall facehub.") from error
    if hashlib.sha256(data).hexdigest() != MODEL_SHA256:
        raise AssetError(f"{MODEL_FILE} in the package is damaged or altered; reinstall facehub.")
    return open_session(data, threads=1)
