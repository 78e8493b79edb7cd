"""Small ONNX networks for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 4  # of an embedding


def network(
    *,
    batch: int | str = "N",
    layout: str = "NCHW",
    size: tuple[int, int] = (112, 112),
    squash_batch: bool = False,
    listed: bool = False,
    scale: float = 1.0,
) -> onnx.ModelProto:
    """The mean of each channel's quarters, times a random matrix.

    Args:
        batch: declared first dimension of input and output.
        layout: axes of the input.
        size: (height, width) of the input.
        squash_batch: add the mean over the batch, so each embedding depends on the whole batch.
        listed: list the weights among the inputs, as OpenCV's zoo does.
        scale: factor of the matrix.
    """
    height, width = size
    matrix = np.random.default_rng(0).normal(size=(12, SIZE)).astype(np.float32) * scale
    weights = [numpy_helper.from_array(matrix, "matrix")]
    nodes = []
    x = "input"
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [x], ["chw"], perm=[0, 3, 1, 2]))
        x = "chw"
    pool = {"kernel_shape": [height // 2, width // 2], "strides": [height // 2, width // 2]}
    nodes += [
        helper.make_node("AveragePool", [x], ["pooled"], **pool),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["output" if not squash_batch else "rows"]),
    ]
    if squash_batch:
        nodes += [
            helper.make_node("ReduceMean", ["rows"], ["mean"], axes=[0], keepdims=1),
            helper.make_node("Add", ["rows", "mean"], ["output"]),
        ]
    shape = [batch, 3, height, width] if layout == "NCHW" else [batch, height, width, 3]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)]
    if listed:
        inputs.append(helper.make_tensor_value_info("matrix", TensorProto.FLOAT, matrix.shape))
    return helper.make_model(
        helper.make_graph(
            nodes,
            "test",
            inputs,
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, SIZE])],
            weights,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


def save_network(path: Path, **options: object) -> Path:
    """Write a network to a file; options as in `network`."""
    onnx.save(network(**options), path)  # type: ignore[arg-type]
    return path


def expected(crops: np.ndarray, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """L2-normalised outputs of `network` for uint8 (N, 112, 112, 3) crops, given as NCHW."""
    x = ((crops.astype(np.float64) - mean) / std).transpose(0, 3, 1, 2)
    half = x.shape[2] // 2
    quarters = x.reshape(len(x), 3, 2, half, 2, half).mean(axis=(3, 5)).reshape(len(x), 12)
    rows = quarters @ np.random.default_rng(0).normal(size=(12, SIZE)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
