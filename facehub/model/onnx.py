"""Run a face network with ONNX Runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self, get_args

import numpy as np

from facehub.errors import DeviceError, FaceHubError, WeightsError
from facehub.model.embedder import check_crops
from facehub.model.fingerprint import PREFIX_V1
from facehub.model.graph import to_onnx
from facehub.model.runtime import (
    choose_device,
    has_int8_instructions,
    open_session,
    runtime_version,
)
from facehub.model.selftest import check_answers, synthetic_crops
from facehub.model.spec import ModelSpec
from facehub.model.store import Weights, default_weights, read_weights, weights_folder

Precision = Literal["auto", "float32", "int8"]
PRECISION_VARIABLE = "FACEHUB_PRECISION"


class OnnxEmbedder:
    """A face network in ONNX Runtime: facehub's ResNet18 built from tensors, or any ONNX file.

    Thread-safe.

    Args:
        weights: network and spec, see `read_weights`.
        device: see `choose_device`.
        precision: for a ResNet18, "int8", "float32" or "auto": int8 on a CPU with fast 8-bit
            instructions if the weights have activation ranges, else float32. An ONNX file runs in
            its own precision and accepts only "auto".
        threads: CPU threads per forward pass, see `open_session`.

    Attributes:
        spec: how the network is used, with its fingerprint.
        precision: "float32", "int8", or "file" for an ONNX file.
        device: the device in use.
        source: the weight folder.

    Raises:
        DeviceError: the device is not available.
        WeightsError: the network cannot be run, its result differs from the publisher's, or it has
            no int8 form.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.spec = weights.spec
        self.source: Path = weights.folder
        chosen = choose_device(device)
        try:
            self._open(weights, chosen, precision, threads)
        except FaceHubError:
            if device != "auto" or chosen == "cpu":
                raise
            self._open(weights, "cpu", precision, threads)  # the device cannot run this network

    def _open(self, weights: Weights, device: str, precision: str, threads: int | None) -> None:
        self.device = device
        self.precision = choose_precision(self.spec, device, precision)
        if self.precision == "file":
            assert isinstance(weights.content, bytes)
            graph = weights.content
        else:
            assert not isinstance(weights.content, bytes)
            graph = to_onnx(weights.content, self.spec, precision=self.precision)
        try:
            self._session = open_session(graph, device=device, threads=threads)
        except FaceHubError:
            raise
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise WeightsError(f"The network cannot be run: {error}") from error
        self._input = self._session.get_inputs()[0]
        answers = self.embed(synthetic_crops(self.spec.template))
        check_answers(answers, self.spec, self.precision)

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        sha256: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> Self:
        """Load weights.

        Args:
            name: folder, `owner/name` or `owner/name@revision`; None for the default weights
                (`FACEHUB_MODEL`, else those that come with facehub).
            revision: branch, tag or commit on the Hub.
            sha256: expected SHA-256 of the weight file, in hex; None: not checked.
            device, precision, threads: see `OnnxEmbedder`.

        Raises:
            WeightsError: the weights are missing, damaged or unusable.
            DeviceError: the device is not available.
        """
        folder = weights_folder(default_weights() if name is None else name, revision=revision)
        weights = read_weights(folder, sha256=sha256)
        return cls(weights, device=device, precision=precision, threads=threads)

    @property
    def description(self) -> str:
        """Runtime, device and precision, for display: "ONNX Runtime 1.32.0 on cpu, int8"."""
        precision = "" if self.precision == "file" else f", {self.precision}"
        return f"ONNX Runtime {runtime_version()} on {self.device}{precision}"

    def fingerprint(self) -> str:
        """Fingerprint of the embedding space, see `facehub.model.fingerprint`."""
        return self.spec.fingerprint or ""

    def has_fingerprint_v1(self, fingerprint_v1: str) -> bool:
        """Whether this fingerprint of facehub 0.1 is of these weights."""
        if not fingerprint_v1.startswith(PREFIX_V1):  # saves reading the weights again
            return False
        try:
            weights = read_weights(self.source)
        except WeightsError:  # removed since
            return False
        return weights.spec.fingerprint == self.fingerprint() and weights.has_fingerprint_v1(
            fingerprint_v1
        )

    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        """Embed aligned crops; see `Embedder.embed`.

        Raises:
            ImageFormatError: another shape or dtype.
            WeightsError: an embedding is not finite.
        """
        crops = check_crops(crops, self.spec.template)
        if self._input.shape[0] == 1:
            batch_size = 1
        rows = [np.empty((0, self.spec.embedding_size), np.float32)]
        for start in range(0, len(crops), batch_size):
            batch = np.ascontiguousarray(crops[start : start + batch_size])
            rows.append(self._run(batch) if self.precision != "file" else self._run_file(batch))
        embeddings = np.concatenate(rows)
        if not np.isfinite(embeddings).all():
            raise WeightsError("The network returned an embedding that is not finite.")
        return embeddings

    def _run(self, x: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(self._session.run(None, {self._input.name: x})[0])
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise WeightsError(f"The network cannot be run: {error}") from error

    def _run_file(self, crops: np.ndarray) -> np.ndarray:
        x = preprocess(crops, self.spec)
        rows = self._normalized_rows(x)
        if self.spec.flip:
            columns = 3 if self.spec.preprocessing.layout == "NCHW" else 2
            flipped = self._normalized_rows(np.ascontiguousarray(np.flip(x, columns)))
            rows = _normalize(rows + flipped)
        return rows

    def _normalized_rows(self, x: np.ndarray) -> np.ndarray:
        rows, wanted = self._run(x), (len(x), self.spec.embedding_size)
        if rows.shape != wanted or rows.dtype.kind != "f":
            raise WeightsError(
                f"The network returned {rows.dtype} {rows.shape}, not float {wanted}."
            )
        return _normalize(rows.astype(np.float32))


def preprocess(crops: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Convert uint8 (N, H, W, 3) RGB crops to the network's float32 input."""
    p = spec.preprocessing
    x = crops[..., ::-1] if p.colour == "BGR" else crops
    x = (x.astype(np.float32) - np.array(p.mean, np.float32)) / np.array(p.std, np.float32)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2) if p.layout == "NCHW" else x)


def choose_precision(
    spec: ModelSpec, device: str, precision: str = "auto"
) -> Literal["float32", "int8", "file"]:
    """Choose the precision to run in; see `OnnxEmbedder`.

    Args:
        spec: of the weights.
        device: the device to run on.
        precision: "auto", "float32" or "int8"; for a ResNet18, "auto" reads `FACEHUB_PRECISION`
            first.

    Raises:
        WeightsError: these weights do not have this precision.
        DeviceError: `FACEHUB_PRECISION` names an unknown precision.
        ValueError: the argument is an unknown precision.
    """
    if precision not in get_args(Precision):
        raise ValueError(f"precision must be one of {get_args(Precision)}, not {precision!r}")
    if spec.architecture == "onnx":
        if precision != "auto":
            raise WeightsError("An ONNX network runs in the precision of its file.")
        return "file"
    if precision == "auto":
        precision = os.environ.get(PRECISION_VARIABLE, "").strip() or "auto"
        if precision not in get_args(Precision):
            raise DeviceError(f"{PRECISION_VARIABLE} must be auto, float32 or int8.")
    if precision == "auto":
        fast = device == "cpu" and bool(spec.activation_ranges) and has_int8_instructions()
        return "int8" if fast else "float32"
    return "int8" if precision == "int8" else "float32"


def _normalize(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
