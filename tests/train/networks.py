"""Tiny face networks in ONNX, whose outputs are easy to calculate, and weight folders of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facehub.model.spec import ModelSpec, Preprocessing
from facehub.template import TEMPLATES, AlignmentTemplate


def mean_network(
    path: Path,
    template: AlignmentTemplate = TEMPLATES["arcface112"],
    *,
    batch: int | str = "faces",
    channels: int = 3,
    last: str = "Flatten",
    shape: tuple[int, ...] = (1, -1),
    zoo: bool = False,
) -> Path:
    """Write a network that multiplies the channels' means by 2, 3 and 5.

    Args:
        path: `.onnx` file to write.
        template: gives the input's size.
        batch: batch size that the graph declares.
        channels: number of channels that the graph declares.
        last: operator that turns (N, 3, 1, 1) into vectors.
        shape: target shape for "Reshape".
        zoo: list the weights among the inputs, even an unused one, as files of OpenCV's zoo do.
    """
    values = numpy_helper.from_array(np.array([2, 3, 5], np.float32).reshape(1, 3, 1, 1), "weight")
    reshaped = ["weighted", "shape"] if last == "Reshape" else ["weighted"]
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["means"]),
        helper.make_node("Mul", ["means", "weight"], ["weighted"]),
        helper.make_node(last, reshaped, ["vector"]),
    ]
    size = [batch, channels, template.height, template.width]
    inputs = [helper.make_tensor_value_info("data", TensorProto.FLOAT, size)]
    if zoo:
        inputs += [
            helper.make_tensor_value_info("weight", TensorProto.FLOAT, [1, 3, 1, 1]),
            helper.make_tensor_value_info("idle", TensorProto.FLOAT, [8]),
        ]
    output = helper.make_tensor_value_info("vector", TensorProto.FLOAT, None)
    weights = [values, numpy_helper.from_array(np.array(shape), "shape")]
    graph = helper.make_graph(nodes, "network", inputs, [output], weights)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def mean_weights(
    folder: Path,
    template: AlignmentTemplate = TEMPLATES["arcface112"],
    *,
    mean: float = 0.0,
    std: float = 1.0,
    **options: object,
) -> Path:
    """A weight folder of `mean_network`, without a threshold."""
    folder.mkdir()
    mean_network(folder / "net.onnx", template, **options)  # type: ignore[arg-type]
    spec = ModelSpec(
        architecture="onnx",
        file="net.onnx",
        embedding_size=3,
        preprocessing=Preprocessing(mean=mean, std=std),
        template=template,
        threshold=None,
    )
    (folder / "config.json").write_text(spec.to_json())
    return folder
