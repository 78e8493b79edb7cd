"""ResNet18: its layers, and the names and shapes of its tensors.

`facehub.encoder.FaceEncoder` is the PyTorch module for training. Both use torchvision's names, and
InsightFace's for the iresnet stem. `facehub.model.graph` writes the network as ONNX.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facehub.errors import WeightsError
from facehub.model.spec import ModelSpec

WIDTHS = (64, 128, 256, 512)
EPSILON = 1e-5  # of the batch norms, as in PyTorch
NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Convolution:
    """A convolution, the batch norm after it, and its activation function.

    Attributes:
        name: name of its activation: "conv1", "layer2.0.conv1", "layer2.0.downsample", ...
        kernel: prefix of the kernel's tensor name.
        norm: prefix of the batch norm's tensor names.
        shape: (out, in, height, width) of the kernel.
        stride: in pixels.
        dilation: 1 for none.
        activation: the function after the batch norm.
        slopes: prefix of the PReLU's slopes, one per channel.
    """

    name: str
    kernel: str
    norm: str
    shape: tuple[int, int, int, int]
    stride: int = 1
    dilation: int = 1
    activation: Literal["none", "relu", "prelu"] = "none"
    slopes: str = ""

    @property
    def padding(self) -> int:
        """Zero padding on each side that keeps the map's size at stride 1."""
        return self.dilation * (self.shape[2] // 2)


@dataclass(frozen=True)
class Block:
    """A residual block: two convolutions, and one in the shortcut if the shape changes.

    Attributes:
        name: name of its output activation, the sum: "layer2.0".
        first, second: the convolutions.
        shortcut: convolution in the shortcut; None for the identity.
        norm: prefix of the batch norm before the first convolution; its activation is named
            "layer2.0.bn1". "" for none.
        relu: whether a ReLU follows the sum.
    """

    name: str
    first: Convolution
    second: Convolution
    shortcut: Convolution | None
    norm: str = ""
    relu: bool = True


def stem(spec: ModelSpec) -> Convolution:
    """The first convolution."""
    side, stride = (7, 2) if spec.stem == "imagenet" else (3, 1)
    shape = (WIDTHS[0], 3, side, side)
    if spec.stem == "iresnet":
        return Convolution(
            "conv1", "trunk.conv1", "trunk.bn1", shape, activation="prelu", slopes="trunk.prelu"
        )
    return Convolution("conv1", "trunk.conv1", "trunk.bn1", shape, stride, activation="relu")


def blocks(spec: ModelSpec) -> Iterator[Block]:
    """The eight residual blocks."""
    before = WIDTHS[0]
    for layer, width in enumerate(WIDTHS, 1):
        dilated = spec.dilated and layer == len(WIDTHS)
        for number in range(2):
            name = f"layer{layer}.{number}"
            if spec.stem == "iresnet":
                yield _improved_block(name, before, width, 2 if number == 0 else 1)
            else:
                stride = 2 if layer > 1 and number == 0 and not dilated else 1
                dilations = ((1 if number == 0 else 2), 2) if dilated else (1, 1)
                yield _basic_block(name, before, width, stride, dilations)
            before = width


def _basic_block(
    name: str, before: int, width: int, stride: int, dilations: tuple[int, int]
) -> Block:
    """Torchvision's BasicBlock."""
    prefix = f"trunk.{name}"
    first = Convolution(
        f"{name}.conv1",
        f"{prefix}.conv1",
        f"{prefix}.bn1",
        (width, before, 3, 3),
        stride,
        dilations[0],
        "relu",
    )
    second = Convolution(
        f"{name}.conv2",
        f"{prefix}.conv2",
        f"{prefix}.bn2",
        (width, width, 3, 3),
        dilation=dilations[1],
    )
    shortcut = _shortcut(name, before, width, stride) if before != width else None
    return Block(name, first, second, shortcut)


def _improved_block(name: str, before: int, width: int, stride: int) -> Block:
    """InsightFace's IBasicBlock: batch norm first, PReLU, stride in the second convolution."""
    prefix = f"trunk.{name}"
    first = Convolution(
        f"{name}.conv1",
        f"{prefix}.conv1",
        f"{prefix}.bn2",
        (width, before, 3, 3),
        activation="prelu",
        slopes=f"{prefix}.prelu",
    )
    second = Convolution(
        f"{name}.conv2", f"{prefix}.conv2", f"{prefix}.bn3", (width, width, 3, 3), stride
    )
    shortcut = _shortcut(name, before, width, stride) if stride > 1 else None
    return Block(name, first, second, shortcut, norm=f"{prefix}.bn1", relu=False)


def _shortcut(name: str, before: int, width: int, stride: int) -> Convolution:
    prefix = f"trunk.{name}.downsample"
    return Convolution(
        f"{name}.downsample", f"{prefix}.0", f"{prefix}.1", (width, before, 1, 1), stride
    )


def convolutions(spec: ModelSpec) -> Iterator[Convolution]:
    """All convolutions, from input to output."""
    yield stem(spec)
    for block in blocks(spec):
        yield block.first
        yield block.second
        if block.shortcut is not None:
            yield block.shortcut


def activations(spec: ModelSpec) -> list[str]:
    """Names of the activations whose ranges int8 inference needs.

    A convolution's activation is taken after its ReLU. A PReLU's output has its own name
    ("conv1.prelu" after "conv1").
    """
    found = [c.name for c in convolutions(spec)]
    found += [f"{c.name}.prelu" for c in convolutions(spec) if c.slopes]
    found += [f"{block.name}.bn1" for block in blocks(spec) if block.norm]
    return found + [block.name for block in blocks(spec)]


def map_size(spec: ModelSpec, height: int, width: int) -> tuple[int, int]:
    """(height, width) of the last feature map for an input of this size, in pixels."""
    stride = stem(spec).stride * (2 if spec.stem == "imagenet" else 1)  # the max-pool's
    for block in blocks(spec):
        stride *= block.first.stride * block.second.stride
    return -(-height // stride), -(-width // stride)


def places(spec: ModelSpec) -> tuple[int, int]:
    """(height, width) of the last feature map for the template's crops."""
    return map_size(spec, spec.template.height, spec.template.width)


def shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of a network with this spec."""
    found: dict[str, tuple[int, ...]] = {}

    def add_norm(prefix: str, width: int) -> None:
        found.update({f"{prefix}.{part}": (width,) for part in NORM})

    for convolution in convolutions(spec):
        found[f"{convolution.kernel}.weight"] = convolution.shape
        add_norm(convolution.norm, convolution.shape[0])
        if convolution.slopes:
            found[f"{convolution.slopes}.weight"] = convolution.shape[:1]
    for block in blocks(spec):
        if block.norm:
            add_norm(block.norm, block.first.shape[1])
    features = WIDTHS[-1]
    if spec.head == "depthwise":
        found["pool.weight"] = (features, *places(spec))
    elif spec.head == "flatten":
        add_norm("pool.norm", features)
        features *= math.prod(places(spec))
    found["embedding.weight"] = (spec.embedding_size, features)
    add_norm("norm", spec.embedding_size)
    return found


def check_tensors(tensors: Mapping[str, np.ndarray], spec: ModelSpec, where: object) -> None:
    """Check names, shapes and dtypes; batch counters are optional.

    Args:
        tensors: weights by name.
        spec: the spec that they must match.
        where: the file, for error messages.

    Raises:
        WeightsError: a tensor does not match, or a variance is negative.
    """
    wanted = shapes(spec)
    misfit = f"{where} does not fit its config.json"
    for name, shape in wanted.items():
        if name not in tensors:
            raise WeightsError(f"{misfit}: {name} is missing.")
        tensor = tensors[name]
        if tensor.shape != shape:
            raise WeightsError(f"{misfit}: {name} has shape {tensor.shape}, not {shape}.")
        if tensor.dtype.kind != "f":
            raise WeightsError(f"{misfit}: {name} holds {tensor.dtype}.")
        if name.endswith("running_var") and tensor.min() < 0:
            raise WeightsError(f"{where} is damaged: {name} has a negative variance.")
    extra = {n for n in tensors.keys() - wanted.keys() if not n.endswith(".num_batches_tracked")}
    if extra:
        raise WeightsError(f"{misfit}: {min(extra)} is unexpected.")
