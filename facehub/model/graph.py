"""The encoder as an ONNX graph: uint8 crops in, unit embeddings out."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from facehub.encoder import FaceEncoder, fits_half

OPSET, IR_VERSION = 17, 8  # old enough for every runtime of the last years


def to_onnx(encoder: FaceEncoder) -> bytes:
    """Write the encoder as ONNX, with its preprocessing, mirror images and L2 normalisation.

    The input `crops` is uint8 (N, 112, 96, 3), RGB, aligned; the output `embeddings` is float32
    (N, 512), each row of length 1. Weights that float16 holds exactly are stored so, and computed
    with as float32. The metadata carry the fingerprint and the threshold.

    Returns:
        The content of `model.onnx`.
    """
    config, trunk = encoder.config, encoder.trunk
    p, t = config.preprocessing, config.template
    graph = _Graph()
    x = graph.add("Cast", "crops", to=TensorProto.FLOAT)
    x = graph.add("Transpose", x, perm=[0, 3, 1, 2])
    x = graph.add("Sub", x, graph.constant(np.float32(p.mean)))
    x = graph.add("Div", x, graph.constant(np.float32(p.std)))
    if config.flip:
        x = graph.add("Concat", x, graph.mirrored(x), axis=0)
    x = graph.add("Relu", graph.convolve(x, trunk.conv1, trunk.bn1))
    if config.stem == "imagenet":
        x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for layer in (trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4):
        for block in layer:
            y = graph.add("Relu", graph.convolve(x, block.conv1, block.bn1))
            y = graph.convolve(y, block.conv2, block.bn2)
            if block.downsample is not None:
                x = graph.convolve(x, *block.downsample)
            x = graph.add("Relu", graph.add("Add", y, x))
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    x = graph.add("MatMul", x, graph.weight(encoder.embedding.weight.T))
    x = graph.unit(graph.normalise(x, encoder.norm))
    if config.flip:
        graph.nodes.append(helper.make_node("Split", [x], ["crop", "mirrored"], axis=0))
        x = graph.unit(graph.add("Add", "crop", "mirrored"))
    graph.nodes.append(helper.make_node("Identity", [x], ["embeddings"]))

    crops = helper.make_tensor_value_info(
        "crops", TensorProto.UINT8, ["faces", t.height, t.width, 3]
    )
    embeddings = helper.make_tensor_value_info(
        "embeddings", TensorProto.FLOAT, ["faces", config.embedding_size]
    )
    model = helper.make_model(
        helper.make_graph(graph.nodes, "facehub", [crops], [embeddings], graph.weights),
        producer_name="facehub",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(
        model,
        {
            "fingerprint": encoder.fingerprint(),
            "threshold": str(config.threshold),
        },
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


class _Graph:
    """Nodes and weights so far; each value gets a number for a name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, value: np.ndarray | np.generic) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, tensor: Tensor) -> str:
        value = tensor.detach().cpu().numpy()
        if fits_half(value):
            half = self.constant(value.astype(np.float16))
            return self.add("Cast", half, to=TensorProto.FLOAT)
        return self.constant(value)

    def normalise(self, x: str, norm: nn.Module) -> str:
        parts: list[Tensor] = [norm.get_parameter("weight"), norm.get_parameter("bias")]
        parts += [norm.get_buffer("running_mean"), norm.get_buffer("running_var")]
        weights = [self.weight(part) for part in parts]
        return self.add("BatchNormalization", x, *weights, epsilon=norm.eps)

    def mirrored(self, x: str) -> str:
        """Columns from the last to the first."""
        start, end, axis, step = -1, -(2**31), 3, -1
        bounds = [self.constant(np.array([n], np.int64)) for n in (start, end, axis, step)]
        return self.add("Slice", x, *bounds)

    def unit(self, x: str) -> str:
        """Rows of length 1."""
        length = self.add("ReduceL2", x, axes=[1], keepdims=1)
        return self.add("Div", x, self.add("Max", length, self.constant(np.float32(1e-12))))

    def convolve(self, x: str, convolution: nn.Conv2d, norm: nn.Module) -> str:
        kernel = convolution.weight
        x = self.add(
            "Conv",
            x,
            self.weight(kernel),
            kernel_shape=list(kernel.shape[2:]),
            strides=list(convolution.stride),
            dilations=list(convolution.dilation),
            pads=list(convolution.padding) * 2,
        )
        return self.normalise(x, norm)
