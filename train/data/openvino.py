"""Teacher networks in OpenVINO's format (IR), for those that exist in no other."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from facehub.errors import WeightsError
from facehub.model.embedder import check_crops
from facehub.model.spec import ModelSpec, Preprocessing
from facehub.template import AlignmentTemplate
from train.records import MissingLibraryError

# face-reidentification-retail-0095 of the Open Model Zoo (Apache-2.0): its documentation gives the
# positions of pupils, nose and mouth corners as fractions of the input's side.
_SIDE = 128
_POINTS = (
    (0.31556875, 0.46157411),
    (0.68262292, 0.45983582),
    (0.50026249, 0.64050535),
    (0.34947187, 0.82469195),
    (0.65343645, 0.82325077),
)
BATCH_SIZE = 32


class OpenVinoEmbedder:
    """face-reidentification-retail-0095, or a network with its input: BGR, 0 to 255, 128 x 128.

    For training only: without a fingerprint, it cannot be used with galleries.

    Args:
        path: the `.xml`; its `.bin` must be beside it.

    Raises:
        MissingLibraryError: OpenVINO is not installed.
        WeightsError: the network is missing, damaged, or has another input.
    """

    def __init__(self, path: Path) -> None:
        # Importing OpenVINO sends telemetry; without this module it cannot.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        try:
            import openvino
        except ImportError as error:
            raise MissingLibraryError(
                f"{path.name} needs OpenVINO ({error}): pip install openvino"
            ) from error
        core = openvino.Core()
        try:
            model = core.read_model(path)
            model.reshape([BATCH_SIZE, 3, _SIDE, _SIDE])
            self._network = core.compile_model(model, "CPU")
        except RuntimeError as error:
            raise WeightsError(f"{path} cannot be run: {str(error).splitlines()[0]}") from error
        size = int(np.prod([int(n) for n in self._network.output(0).shape][1:]))
        left, right, nose, left_mouth, right_mouth = (
            (_SIDE * x - 0.5, _SIDE * y - 0.5) for x, y in _POINTS
        )
        self.spec = ModelSpec(
            architecture="onnx",
            file="network.onnx",  # a spec cannot describe an IR
            embedding_size=size,
            preprocessing=Preprocessing(colour="BGR", mean=0, std=1),
            template=AlignmentTemplate(
                width=_SIDE,
                height=_SIDE,
                left_eye=left,
                right_eye=right,
                nose=nose,
                left_mouth=left_mouth,
                right_mouth=right_mouth,
            ),
            threshold=None,
        )

    def embed(self, crops: np.ndarray, *, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """Embed aligned crops; see `facehub.model.embedder.Embedder.embed`."""
        crops = check_crops(crops, self.spec.template)
        rows = []
        for start in range(0, len(crops), BATCH_SIZE):
            batch = crops[start : start + BATCH_SIZE, :, :, ::-1].transpose(0, 3, 1, 2)
            full = np.zeros((BATCH_SIZE, *batch.shape[1:]), np.float32)
            full[: len(batch)] = batch
            vectors = self._network(full)[0].reshape(BATCH_SIZE, -1)[: len(batch)]
            rows.append(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))
        size = self.spec.embedding_size
        return np.concatenate(rows) if rows else np.empty((0, size), np.float32)
