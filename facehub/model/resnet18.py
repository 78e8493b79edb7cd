"""ResNet18: its layers, and the names and shapes of its tensors.

The module for training is `facehub.encoder.FaceEncoder`; both use torchvision's names, and
InsightFace's within the iresnet stem. `facehub.model.graph` writes the network as ONNX.
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
    """One convolution, the batch norm after it, and its activation function.

    Attributes:
        name: of its activation: "conv1", "layer2.0.conv1", "layer2.0.downsample", ...
        kernel: prefix of its kernel's name.
        norm: prefix of its batch norm's names.
        shape: (out, in, height, width) of the kernel.
        stride: in pixels.
        dilation: 1 for none.
        activation: what follows the batch norm.
        slopes: prefix of the PReLU's slopes, one a channel.
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
        """Zeros on each side that keep the map's size at stride 1."""
        return self.dilation * (self.shape[2] // 2)


@dataclass(frozen=True)
class Block:
    """A residual block: two convolutions, and one for the shortcut where the shape changes.

    Attributes:
        name: of its activation, the sum: "layer2.0".
        first, second: the convolutions.
        shortcut: convolution of the block's input; None for the input itself.
        norm: prefix of the batch norm before the first convolution, whose activation is named
            "layer2.0.bn1"; "" for none.
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
    """InsightFace's IBasicBlock: a batch norm first, PReLU, the stride last, no ReLU at the end."""
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
    """All convolutions, from the input on."""
    yield stem(spec)
    for block in blocks(spec):
        yield block.first
        yield block.second
        if block.shortcut is not None:
            yield block.shortcut


def activations(spec: ModelSpec) -> list[str]:
    """Names of the activations that int8 inference needs ranges of.

    A convolution's is that after its ReLU. A PReLU's has a name of its own, "conv1.prelu" after
    "conv1".
    """
    found = [c.name for c in convolutions(spec)]
    found += [f"{c.name}.prelu" for c in convolutions(spec) if c.slopes]
    found += [f"{block.name}.bn1" for block in blocks(spec) if block.norm]
    return found + [block.name for block in blocks(spec)]


def map_size(spec: ModelSpec, height: int, width: int) -> tuple[int, int]:
    """(height, width) of the last map for an input of this size, in pixels."""
    stride = stem(spec).stride * (2 if spec.stem == "imagenet" else 1)  # the max-pool's
    for block in blocks(spec):
        stride *= block.first.stride * block.second.stride
    return -(-height // stride), -(-width // stride)


def places(spec: ModelSpec) -> tuple[int, int]:
    """(height, width) of the last map for the template's crops."""
    return map_size(spec, spec.template.height, spec.template.width)


def shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors that `spec` asks for."""
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
    """Compare names, shapes and kinds; counters of training batches may be there or not.

    Args:
        tensors: weights by name.
        spec: what they must fit.
        where: the file, for the messages.

    Raises:
        WeightsError: they do not fit, or a variance is negative.
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
        raise WeightsError(f"{misfit}: it also has {min(extra)}.")
