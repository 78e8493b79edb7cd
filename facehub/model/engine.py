"""What computes embeddings: ONNX Runtime on a CPU where it is installed, else PyTorch."""

from __future__ import annotations

import importlib.util
from typing import Literal, Protocol, get_args

import numpy as np
import torch

from facehub.encoder import FaceEncoder, check_crops
from facehub.errors import FaceHubError

EngineName = Literal["auto", "onnxruntime", "torch"]


class Engine(Protocol):
    """Embeds aligned crops."""

    description: str

    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        """As `FaceEncoder.embed`."""


class TorchEngine:
    """The encoder itself: the reference, and the only engine on a GPU."""

    def __init__(self, encoder: FaceEncoder) -> None:
        self.description = f"PyTorch {torch.__version__} on {encoder.embedding.weight.device}"
        self.embed = encoder.embed


class OnnxEngine:
    """The same network in ONNX Runtime: equal to 1e-4, and a few times quicker for one face.

    Args:
        encoder: weights, copied: later changes to them are not seen.
    """

    def __init__(self, encoder: FaceEncoder) -> None:
        import onnxruntime

        from facehub.model.graph import to_onnx

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave cores idle
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            to_onnx(encoder), options, providers=["CPUExecutionProvider"]
        )
        self.template = encoder.config.template
        self.embedding_size = encoder.config.embedding_size
        self.description = f"ONNX Runtime {onnxruntime.__version__} on cpu"

    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        """As `FaceEncoder.embed`."""
        crops = check_crops(crops, self.template)
        rows = [np.empty((0, self.embedding_size), np.float32)]
        for start in range(0, len(crops), batch_size):
            batch = np.ascontiguousarray(crops[start : start + batch_size])
            rows.append(self.session.run(["embeddings"], {"crops": batch})[0])
        return np.concatenate(rows)


def make_engine(encoder: FaceEncoder, name: EngineName = "auto") -> Engine:
    """Choose what computes the embeddings.

    Args:
        encoder: weights, on the device where they are to run.
        name: "auto" takes ONNX Runtime where it is installed and the encoder is on the CPU.

    Raises:
        FaceHubError: ONNX Runtime is asked for, but not installed or not for this device.
        ValueError: another name.
    """
    if name not in get_args(EngineName):
        raise ValueError(f"engine must be one of {get_args(EngineName)}, not {name!r}")
    on_cpu = encoder.embedding.weight.device.type == "cpu"
    installed = all(importlib.util.find_spec(module) for module in ("onnxruntime", "onnx"))
    if name == "onnxruntime" and not (on_cpu and installed):
        raise FaceHubError(
            "The ONNX Runtime engine needs a CPU and `pip install onnxruntime onnx`."
        )
    if name != "torch" and on_cpu and installed:
        return OnnxEngine(encoder)
    return TorchEngine(encoder)
