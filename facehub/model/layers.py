"""The layers of a convolutional network as ONNX nodes, in float32 or int8.

A network is written once, against `Layers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from facehub.model.nodes import GraphBuilder
from facehub.model.resnet18 import EPSILON, NORM, Convolution
from facehub.model.spec import Preprocessing, Range

Value = TypeVar("Value")


class Layers(Protocol[Value]):
    """What a network is made of. `Value` is an activation in the graph."""

    def enter(self, x: str, preprocessing: Preprocessing) -> Value:
        """From the graph's float32 input to the layers' own kind of value."""

    def leave(self, x: Value) -> str:
        """Back to float32."""

    def convolve(self, x: Value, convolution: Convolution, *, relu: bool = False) -> Value:
        """Convolution and batch norm, and ReLU where asked for."""

    def max_pool(self, x: Value) -> Value:
        """3 x 3, stride 2."""

    def add_relu(self, x: Value, y: Value, name: str) -> Value:
        """Sum, then ReLU."""


class Float32Layers:
    """Layers in float32. Values are the names of tensors.

    Args:
        graph: to add nodes to.
        tensors: weights by name.

    Attributes:
        activations: names of the tensors in the graph, by layer.
    """

    def __init__(self, graph: GraphBuilder, tensors: Mapping[str, np.ndarray]) -> None:
        self.graph, self.tensors = graph, tensors
        self.activations: dict[str, str] = {}

    def enter(self, x: str, preprocessing: Preprocessing) -> str:
        """From the graph's float32 input to the layers' own kind of value."""
        return x

    def leave(self, x: str) -> str:
        """Back to float32."""
        return x

    def convolve(self, x: str, convolution: Convolution, *, relu: bool = False) -> str:
        """Convolution and batch norm, and ReLU where asked for."""
        kernel = self.tensors[f"{convolution.kernel}.weight"]
        x = self.graph.add(
            "Conv", x, self.graph.weight(kernel), **_conv_attributes(kernel, convolution)
        )
        norm = [self.graph.weight(self.tensors[f"{convolution.norm}.{part}"]) for part in NORM]
        x = self.graph.add("BatchNormalization", x, *norm, epsilon=EPSILON)
        if relu:
            x = self.graph.add("Relu", x)
        self.activations[convolution.name] = x
        return x

    def max_pool(self, x: str) -> str:
        """3 x 3, stride 2."""
        return self.graph.add("MaxPool", x, **_POOL)

    def add_relu(self, x: str, y: str, name: str) -> str:
        """Sum, then ReLU."""
        self.activations[name] = self.graph.add("Relu", self.graph.add("Add", x, y))
        return self.activations[name]


@dataclass(frozen=True)
class Quantized:
    """A uint8 tensor of the graph: (value - zero) * scale.

    Attributes:
        name: of the tensor.
        scale, zero: names of its constants.
        step: value of the scale.
    """

    name: str
    scale: str
    zero: str
    step: float


class Int8Layers:
    """Layers with uint8 activations and int8 kernels (per output channel), batch norms folded in.

    The nodes follow the QDQ convention, which ONNX Runtime fuses into integer kernels. A ReLU costs
    nothing: after it, zero is the lowest uint8 value, so that quantising cuts negative values off.

    Args:
        graph: to add nodes to.
        tensors: weights by name.
        ranges: lowest and highest value of each activation.
    """

    def __init__(
        self,
        graph: GraphBuilder,
        tensors: Mapping[str, np.ndarray],
        ranges: Mapping[str, Range],
    ) -> None:
        self.graph, self.tensors, self.ranges = graph, tensors, ranges

    def enter(self, x: str, preprocessing: Preprocessing) -> Quantized:
        """Quantise the graph's input, whose range follows from the preprocessing."""
        mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
        return self._quantize(x, (float((-mean / std).min()), float(((255 - mean) / std).max())))

    def leave(self, x: Quantized) -> str:
        """Back to float32."""
        return self.graph.add("DequantizeLinear", x.name, x.scale, x.zero)

    def convolve(self, x: Quantized, convolution: Convolution, *, relu: bool = False) -> Quantized:
        """Convolution with its batch norm folded in, and ReLU where asked for."""
        kernel, bias = fold(self.tensors, convolution)
        steps = np.maximum(np.abs(kernel).max(axis=(1, 2, 3)), 1e-12).astype(np.float32) / 127
        whole = np.rint(kernel / steps[:, None, None, None]).astype(np.int8)
        y = self.graph.add(
            "Conv",
            self.leave(x),
            self._constant(whole, steps),
            self._constant(
                np.rint(bias / (steps * x.step)).clip(-(2**31) + 1, 2**31 - 1).astype(np.int32),
                steps * x.step,
            ),
            **_conv_attributes(kernel, convolution),
        )
        low, high = self.ranges[convolution.name]
        return self._quantize(y, (0.0, high) if relu else (low, high))

    def max_pool(self, x: Quantized) -> Quantized:
        """3 x 3, stride 2; the quantisation stays."""
        y = self.graph.add("MaxPool", self.leave(x), **_POOL)
        return Quantized(
            self.graph.add("QuantizeLinear", y, x.scale, x.zero), x.scale, x.zero, x.step
        )

    def add_relu(self, x: Quantized, y: Quantized, name: str) -> Quantized:
        """Sum, then ReLU."""
        total = self.graph.add("Add", self.leave(x), self.leave(y))
        return self._quantize(total, (0.0, self.ranges[name][1]))

    def _quantize(self, x: str, limits: Range) -> Quantized:
        low, high = min(limits[0], 0.0), max(limits[1], 1e-6)  # zero has to be a value of its own
        step = float(np.float32((high - low) / 255))
        scale = self.graph.constant(np.float32(step))
        zero = self.graph.constant(np.uint8(np.clip(round(-low / step), 0, 255)))
        return Quantized(self.graph.add("QuantizeLinear", x, scale, zero), scale, zero, step)

    def _constant(self, whole: np.ndarray, steps: np.ndarray) -> str:
        return self.graph.add(
            "DequantizeLinear",
            self.graph.constant(whole),
            self.graph.constant(steps.astype(np.float32)),
            self.graph.constant(np.zeros(len(steps), whole.dtype)),
            axis=0,
        )


def fold(
    tensors: Mapping[str, np.ndarray], convolution: Convolution
) -> tuple[np.ndarray, np.ndarray]:
    """Fold a batch norm into the convolution before it.

    Returns:
        kernel, float32 (out, in, height, width); bias, float64 (out,).
    """
    kernel = tensors[f"{convolution.kernel}.weight"].astype(np.float32)
    weight, bias, mean, variance = (
        tensors[f"{convolution.norm}.{part}"].astype(np.float64) for part in NORM
    )
    factor = weight / np.sqrt(variance + EPSILON)
    kernel = kernel * factor.astype(np.float32)[:, None, None, None]
    return kernel, bias - mean * factor


def _conv_attributes(kernel: np.ndarray, convolution: Convolution) -> dict[str, list[int]]:
    return {
        "kernel_shape": list(kernel.shape[2:]),
        "strides": [convolution.stride] * 2,
        "dilations": [convolution.dilation] * 2,
        "pads": [convolution.padding] * 4,
    }


_POOL = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
