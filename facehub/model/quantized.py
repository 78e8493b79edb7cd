"""The layers of a face network as ONNX nodes in int8; see `facehub.model.layers`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from facehub.model.layers import POOL, Float32Layers, conv_attributes
from facehub.model.nodes import GraphBuilder
from facehub.model.resnet18 import EPSILON, NORM, Convolution
from facehub.model.spec import Head, Preprocessing, Range
from facehub.model.wire import Attribute

MAX_BIAS = 2**30  # leaves room in int32 for a sum of products


@dataclass(frozen=True)
class Quantized:
    """A uint8 tensor of the graph, which represents (value - zero) * scale.

    Attributes:
        name: name of the tensor.
        scale, zero: names of the constants.
        step: value of the scale.
    """

    name: str
    scale: str
    zero: str
    step: float


class Int8Layers:
    """Layers with uint8 activations and int8 kernels (per output channel), batch norms folded in.

    The nodes follow the QDQ convention, which ONNX Runtime fuses into integer kernels. A ReLU is
    free: its zero is the lowest uint8 value, so quantisation clips negative values. Per-channel
    operations (a batch norm without a convolution, PReLU slopes) are 1 x 1 depthwise convolutions.

    Args:
        graph: receives the nodes.
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

    def convolve(self, x: Quantized, convolution: Convolution) -> Quantized:
        """Add a convolution with its batch norm folded in, and its activation function."""
        kernel, bias = fold(self.tensors, convolution)
        y = self._convolve(x, kernel, bias, conv_attributes(kernel, convolution))
        low, high = self.ranges[convolution.name]
        if convolution.activation == "relu":
            return self._quantize(y, (0.0, high))
        found = self._quantize(y, (low, high))
        return self._prelu(found, convolution) if convolution.activation == "prelu" else found

    def normalize(self, x: Quantized, norm: str, name: str) -> Quantized:
        """Add a batch norm without a convolution; `norm` is the prefix of its tensors."""
        return self._quantize(self._scale(x, *affine(self.tensors, norm)), self.ranges[name])

    def max_pool(self, x: Quantized) -> Quantized:
        """Add a 3 x 3 max-pool with stride 2; scale and zero stay the same."""
        y = self.graph.add("MaxPool", self._float(x), **POOL)
        return Quantized(
            self.graph.add("QuantizeLinear", y, x.scale, x.zero), x.scale, x.zero, x.step
        )

    def add(self, x: Quantized, y: Quantized, name: str, *, relu: bool) -> Quantized:
        """Add a sum, and a ReLU if `relu`."""
        total = self.graph.add("Add", self._float(x), self._float(y))
        low, high = self.ranges[name]
        return self._quantize(total, (0.0 if relu else low, high))

    def embed(self, x: Quantized, head: Head) -> str:
        """Add the head: from the last feature map to float32 (N, embedding_size).

        The linear layer of the "flatten" head is large, so it runs in int8 with the preceding batch
        norm folded in. The other heads run in float32.
        """
        if head != "flatten":
            return Float32Layers(self.graph, self.tensors).embed(self._float(x), head)
        factor, shift = affine(self.tensors, "pool.norm")
        weight = self.tensors["embedding.weight"].astype(np.float32)
        by_channel = weight.reshape(len(weight), len(factor), -1)
        bias = by_channel.sum(axis=2) @ shift
        whole, steps = _whole(by_channel * factor.astype(np.float32)[:, None])
        row = replace(x, name=self.graph.add("Flatten", x.name))
        weights = self._constant(whole.reshape(weight.shape).T, steps, axis=1)
        y = self.graph.add("MatMul", self._float(row), weights)
        # ONNX Runtime would fuse an Add with the product and run both in float32.
        norm = {part: self.tensors[f"norm.{part}"].astype(np.float32) for part in NORM}
        norm["running_mean"] = norm["running_mean"] - bias.astype(np.float32)
        parts = [self.graph.constant(norm[part]) for part in NORM]
        return self.graph.add("BatchNormalization", y, *parts, epsilon=EPSILON)

    def _prelu(self, x: Quantized, convolution: Convolution) -> Quantized:
        """Add a PReLU as the sum of the positive part and the scaled negative part.

        ONNX Runtime has no integer kernel for PRelu; in float32 it takes longer than the
        convolutions.
        """
        slopes = self.tensors[f"{convolution.slopes}.weight"].astype(np.float64)
        lowest = min(self.ranges[convolution.name][0], 0.0)
        low, high = self.ranges[f"{convolution.name}.prelu"]
        ends = [self.graph.constant(np.uint8(end)) for end in (0, 255)]
        negative = replace(x, name=self.graph.add("Clip", x.name, ends[0], x.zero))
        positive = replace(x, name=self.graph.add("Clip", x.name, x.zero, ends[1]))
        bounds = lowest * max(slopes.max(), 0.0), lowest * min(slopes.min(), 0.0)
        scaled = self._quantize(
            self._scale(negative, slopes, np.zeros(len(slopes))),
            (max(low, float(bounds[0])), min(high, float(bounds[1]))),
        )
        total = self.graph.add("Add", self._float(positive), self._float(scaled))
        return self._quantize(total, (low, high))

    def _scale(self, x: Quantized, factor: np.ndarray, shift: np.ndarray) -> str:
        """Multiply each channel by a factor and add a shift."""
        kernel = factor.astype(np.float32)[:, None, None, None]
        return self._convolve(x, kernel, shift, {"kernel_shape": [1, 1], "group": len(factor)})

    def _convolve(
        self,
        x: Quantized,
        kernel: np.ndarray,
        bias: np.ndarray,
        attributes: Mapping[str, Attribute],
    ) -> str:
        whole, steps = _whole(kernel, least=np.abs(bias) / (x.step * MAX_BIAS))
        whole_bias = np.rint(bias / (steps * x.step)).astype(np.int32)
        return self.graph.add(
            "Conv",
            self._float(x),
            self._constant(whole, steps),
            self._constant(whole_bias, steps * x.step),
            **attributes,
        )

    def _float(self, x: Quantized) -> str:
        return self.graph.add("DequantizeLinear", x.name, x.scale, x.zero)

    def _quantize(self, x: str, limits: Range) -> Quantized:
        low, high = min(limits[0], 0.0), max(limits[1], 1e-6)  # 0 must be exactly representable
        step = float(np.float32((high - low) / 255))
        scale = self.graph.constant(np.float32(step))
        zero = self.graph.constant(np.uint8(np.clip(round(-low / step), 0, 255)))
        return Quantized(self.graph.add("QuantizeLinear", x, scale, zero), scale, zero, step)

    def _constant(self, whole: np.ndarray, steps: np.ndarray, axis: int = 0) -> str:
        return self.graph.add(
            "DequantizeLinear",
            self.graph.constant(whole),
            self.graph.constant(steps.astype(np.float32)),
            self.graph.constant(np.zeros(len(steps), whole.dtype)),
            axis=axis,
        )


def affine(tensors: Mapping[str, np.ndarray], norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Reduce a batch norm at inference to factor and shift per channel, float64 (channels,).

    Args:
        tensors: weights by name.
        norm: prefix of the batch norm's names.
    """
    weight, bias, mean, variance = (tensors[f"{norm}.{part}"].astype(np.float64) for part in NORM)
    factor = weight / np.sqrt(variance + EPSILON)
    return factor, bias - mean * factor


def fold(
    tensors: Mapping[str, np.ndarray], convolution: Convolution
) -> tuple[np.ndarray, np.ndarray]:
    """Fold a batch norm into the convolution before it.

    Returns:
        kernel, float32 (out, in, height, width); bias, float64 (out,).
    """
    factor, shift = affine(tensors, convolution.norm)
    kernel = tensors[f"{convolution.kernel}.weight"].astype(np.float32)
    return kernel * factor.astype(np.float32)[:, None, None, None], shift


def _whole(weights: np.ndarray, least: np.ndarray | float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Quantise weights: (int8 weights, step per output channel, float32 (out,), >= `least`)."""
    largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)))
    steps = np.maximum(np.maximum(largest, 1e-12) / 127, least).astype(np.float32)
    return np.rint(weights / steps.reshape(-1, *[1] * (weights.ndim - 1))).astype(np.int8), steps
