"""Detect occluded eyes and mouths in an aligned face with a small network.

It was trained on occlusions drawn over faces (`python -m train occlusion`): masks, scarves, hands,
dark and mirrored glasses, visors; and on beards, clear glasses, hats and hair as negatives.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facehub.align import similarity_matrix, warp
from facehub.io.assets import read_asset
from facehub.model.runtime import open_session
from facehub.results import Face
from facehub.template import DEFAULT_TEMPLATE

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL_FILE = "occlusion.onnx"
MODEL_SHA256 = "c759188939b58c5bcb81f7b54d6cdce5d420601322bc0b8983011cf4c75acf4c"
INPUT_SIZE = (DEFAULT_TEMPLATE.height // 2, DEFAULT_TEMPLATE.width // 2)  # rows, columns
LIMIT = 0.5  # of both probabilities; training scales them for this limit
_MAX_OFFSET = 0.5  # crop pixels between pupils and template in an aligned crop


def find_occlusions(face: Face) -> tuple[bool, bool]:
    """Detect occlusions of the eyes and the mouth.

    Args:
        face: aligned by any template.

    Returns:
        (whether the eyes are occluded, whether the mouth is occluded).

    Raises:
        AssetError: the network in the package is missing or altered.
    """
    eyes, mouth = probabilities(prepare(upright_crop(face))[None])[0]
    return bool(eyes > LIMIT), bool(mouth > LIMIT)


def upright_crop(face: Face) -> np.ndarray:
    """Re-align a face's crop to `DEFAULT_TEMPLATE`: uint8 (112, 96, 3), RGB."""
    pupils = face.pupils @ face.matrix[:, :2].T + face.matrix[:, 2]  # in the crop
    size = face.crop.shape[:2]
    is_aligned = np.abs(pupils - DEFAULT_TEMPLATE.points).max() < _MAX_OFFSET
    if is_aligned and size == (DEFAULT_TEMPLATE.height, DEFAULT_TEMPLATE.width):
        return face.crop
    return warp(face.crop, similarity_matrix(pupils), DEFAULT_TEMPLATE)


def prepare(crop: np.ndarray) -> np.ndarray:
    """Reduce an aligned crop to the network's input: uint8 (56, 48, 3), RGB.

    Args:
        crop: uint8 (112, 96, 3), RGB, aligned to `DEFAULT_TEMPLATE`.
    """
    return cv2.resize(crop, INPUT_SIZE[::-1], interpolation=cv2.INTER_AREA)


def probabilities(inputs: np.ndarray) -> np.ndarray:
    """Run the network.

    Args:
        inputs: uint8 (N, 56, 48, 3), RGB, see `prepare`.

    Returns:
        float32 (N, 2), 0 to 1: probabilities that the eyes and the mouth are occluded.
    """
    x = inputs.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - np.float32(1)
    return np.asarray(_session().run(None, {"faces": np.ascontiguousarray(x)})[0])


@functools.cache
def _session() -> InferenceSession:
    return open_session(read_asset(MODEL_FILE, MODEL_SHA256), threads=1)
