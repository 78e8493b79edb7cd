"""ResNet18: its layers, and the names and shapes of its tensors.

The module for training is `facehub.encoder.FaceEncoder`; both use torchvision's names.
`facehub.model.graph` writes the network as ONNX.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from facehub.errors import WeightsError
from facehub.model.spec import ModelSpec

WIDTHS = (64, 128, 256, 512)
EPSILON = 1e-5  # of the batch norms, as in PyTorch
NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Convolution:
    """One convolution and the batch norm after it.

    Attributes:
        name: of its activation: "conv1", "layer2.0.conv1", "layer2.0.downsample", ...
        kernel: prefix of its kernel's name.
        norm: prefix of its batch norm's names.
        shape: (out, in, height, width) of the kernel.
        stride: in pixels.
        dilation: 1 for none.
    """

    name: str
    kernel: str
    norm: str
    shape: tuple[int, int, int, int]
    stride: int = 1
    dilation: int = 1

    @property
    def padding(self) -> int:
        """Zeros on each side that keep the map's size at stride 1."""
        return self.dilation * (self.shape[2] // 2)


@dataclass(frozen=True)
class Block:
    """A residual block: two convolutions, and one for the shortcut where the shape changes."""

    name: str
    first: Convolution
    second: Convolution
    shortcut: Convolution | None


def stem(spec: ModelSpec) -> Convolution:
    """The first convolution."""
    side, stride = (7, 2) if spec.stem == "imagenet" else (3, 1)
    return Convolution("conv1", "trunk.conv1", "trunk.bn1", (64, 3, side, side), stride)


def blocks(spec: ModelSpec) -> Iterator[Block]:
    """The eight residual blocks."""
    before = WIDTHS[0]
    for layer, width in enumerate(WIDTHS, 1):
        dilated = spec.dilated and layer == len(WIDTHS)
        for number in range(2):
            name = f"layer{layer}.{number}"
            stride = 2 if layer > 1 and number == 0 and not dilated else 1
            dilations = ((1 if number == 0 else 2), 2) if dilated else (1, 1)
            parts = [
                Convolution(
                    f"{name}.conv{i}",
                    f"trunk.{name}.conv{i}",
                    f"trunk.{name}.bn{i}",
                    (width, before if i == 1 else width, 3, 3),
                    stride if i == 1 else 1,
                    dilations[i - 1],
                )
                for i in (1, 2)
            ]
            shortcut = None
            if before != width:
                prefix = f"trunk.{name}.downsample"
                shortcut = Convolution(
                    f"{name}.downsample",
                    f"{prefix}.0",
                    f"{prefix}.1",
                    (width, before, 1, 1),
                    stride,
                )
            yield Block(name, parts[0], parts[1], shortcut)
            before = width


def convolutions(spec: ModelSpec) -> Iterator[Convolution]:
    """All convolutions, from the input on."""
    yield stem(spec)
    for block in blocks(spec):
        yield block.first
        yield block.second
        if block.shortcut is not None:
            yield block.shortcut


def activations(spec: ModelSpec) -> list[str]:
    """Names of the activations that int8 inference needs ranges of."""
    return [c.name for c in convolutions(spec)] + [block.name for block in blocks(spec)]


def shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors that `spec` asks for."""
    found: dict[str, tuple[int, ...]] = {}
    for convolution in convolutions(spec):
        found[f"{convolution.kernel}.weight"] = convolution.shape
        found |= {f"{convolution.norm}.{part}": convolution.shape[:1] for part in NORM}
    found["embedding.weight"] = (spec.embedding_size, WIDTHS[-1])
    found |= {f"norm.{part}": (spec.embedding_size,) for part in NORM}
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
