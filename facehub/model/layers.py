"""The layers of a face network as ONNX nodes: their interface, and float32 layers.

The network is written once, against `Layers`; `facehub.model.quantized` has the int8 layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import numpy as np

from facehub.model.nodes import GraphBuilder
from facehub.model.resnet18 import EPSILON, NORM, Convolution
from facehub.model.spec import Head, Preprocessing
from facehub.model.wire import Attribute

Value = TypeVar("Value")


class Layers(Protocol[Value]):
    """The layers that a network is built from. `Value` is an activation in the graph."""

    def enter(self, x: str, preprocessing: Preprocessing) -> Value:
        """Convert the graph's float32 input to a `Value`."""

    def convolve(self, x: Value, convolution: Convolution) -> Value:
        """Add a convolution, its batch norm and its activation function."""

    def normalize(self, x: Value, norm: str, name: str) -> Value:
        """Add a batch norm without a convolution; `norm` is the prefix of its tensors."""

    def max_pool(self, x: Value) -> Value:
        """Add a 3 x 3 max-pool with stride 2."""

    def add(self, x: Value, y: Value, name: str, *, relu: bool) -> Value:
        """Add a sum, and a ReLU if `relu`."""

    def embed(self, x: Value, head: Head) -> str:
        """Add the head: from the last feature map to float32 (N, embedding_size)."""


class Float32Layers:
    """Layers in float32. Values are the names of tensors.

    Args:
        graph: receives the nodes.
        tensors: weights by name.

    Attributes:
        activations: names of the activations in the graph, by layer.
    """

    def __init__(self, graph: GraphBuilder, tensors: Mapping[str, np.ndarray]) -> None:
        self.graph, self.tensors = graph, tensors
        self.activations: dict[str, str] = {}

    def enter(self, x: str, preprocessing: Preprocessing) -> str:
        """Return the input unchanged."""
        return x

    def convolve(self, x: str, convolution: Convolution) -> str:
        """Add a convolution, its batch norm and its activation function."""
        kernel = self.tensors[f"{convolution.kernel}.weight"]
        x = self.graph.add(
            "Conv", x, self.graph.weight(kernel), **conv_attributes(kernel, convolution)
        )
        x = self.normalize(x, convolution.norm, convolution.name)
        if convolution.activation == "relu":
            x = self.activations[convolution.name] = self.graph.add("Relu", x)
        elif convolution.activation == "prelu":
            slopes = self.tensors[f"{convolution.slopes}.weight"][:, None, None]
            x = self.graph.add("PRelu", x, self.graph.weight(slopes))
            self.activations[f"{convolution.name}.prelu"] = x
        return x

    def normalize(self, x: str, norm: str, name: str) -> str:
        """Add a batch norm without a convolution; `norm` is the prefix of its tensors."""
        self.activations[name] = self._normalize(x, norm)
        return self.activations[name]

    def _normalize(self, x: str, norm: str) -> str:
        parts = [self.graph.weight(self.tensors[f"{norm}.{part}"]) for part in NORM]
        return self.graph.add("BatchNormalization", x, *parts, epsilon=EPSILON)

    def max_pool(self, x: str) -> str:
        """Add a 3 x 3 max-pool with stride 2."""
        return self.graph.add("MaxPool", x, **POOL)

    def add(self, x: str, y: str, name: str, *, relu: bool) -> str:
        """Add a sum, and a ReLU if `relu`."""
        total = self.graph.add("Add", x, y)
        self.activations[name] = self.graph.add("Relu", total) if relu else total
        return self.activations[name]

    def embed(self, x: str, head: Head) -> str:
        """Add the head: from the last feature map to float32 (N, embedding_size)."""
        if head == "depthwise":
            x = self.graph.add("Mul", x, self.graph.weight(self.tensors["pool.weight"]))
            axes = self.graph.constant(np.array([2, 3], np.int64))
            x = self.graph.add("ReduceSum", x, axes, keepdims=0)
        elif head == "flatten":
            x = self.graph.add("Flatten", self._normalize(x, "pool.norm"))
        else:
            x = self.graph.add("Flatten", self.graph.add("GlobalAveragePool", x))
        x = self.graph.add("MatMul", x, self.graph.weight(self.tensors["embedding.weight"].T))
        return self._normalize(x, "norm")


def conv_attributes(kernel: np.ndarray, convolution: Convolution) -> dict[str, Attribute]:
    """Attributes of ONNX's "Conv" operator."""
    return {
        "kernel_shape": list(kernel.shape[2:]),
        "strides": [convolution.stride] * 2,
        "dilations": [convolution.dilation] * 2,
        "pads": [convolution.padding] * 4,
    }


POOL = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
