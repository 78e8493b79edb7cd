"""PyTorch modules of `FaceEncoder`: the backbone, by stem, and the pooling, by head."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock, ResNet

from facehub.model.resnet18 import WIDTHS, places
from facehub.model.spec import ModelSpec

DROPOUT = 0.4  # of the flatten head
CACHED_VALUES = 2**20  # size of a chunk of which a CPU's cache holds several copies


def make_backbone(spec: ModelSpec) -> nn.Module:
    """Make the backbone: float32 (N, 3, H, W) to the last feature map, float32 (N, 512, h, w)."""
    return IResNet18() if spec.stem == "iresnet" else ResNet18(spec)


def make_pool(spec: ModelSpec) -> nn.Module:
    """Make the pooling: the last feature map, float32 (N, 512, h, w), to float32 (N, features)."""
    if spec.head == "depthwise":
        return DepthwisePool(WIDTHS[-1], places(spec))
    if spec.head == "flatten":
        return FlattenPool(WIDTHS[-1], places(spec))
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


class ResNet18(ResNet):  # type: ignore[misc]  # torchvision has no types
    """Torchvision's ResNet18 up to its last feature map, with the spec's stem and dilation."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2])
        del self.avgpool, self.fc
        if spec.stem == "face":
            self.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
            self.maxpool = nn.Identity()
        if spec.dilated:
            _dilate(self.layer4)

    def forward(self, x: Tensor) -> Tensor:
        """From float32 (N, 3, H, W) to float32 (N, 512, h, w)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x


def _dilate(stage: nn.Sequential) -> None:
    """Replace a stage's stride by dilation of its later convolutions."""
    blocks: list[Any] = list(stage)  # torchvision's BasicBlock
    first, second = blocks
    first.conv1.stride = first.downsample[0].stride = (1, 1)
    for convolution in (first.conv2, second.conv1, second.conv2):
        convolution.dilation = convolution.padding = (2, 2)


class IResNet18(nn.Module):
    """InsightFace's IResNet18 (arcface_torch) up to its last feature map, with the same names.

    The residual block is that of Deng et al., ArcFace, CVPR 2019 ("improved residual unit").
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _convolution(3, WIDTHS[0], 3, 1)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.prelu = PReLU(WIDTHS[0])
        stages = []
        for before, width in zip((WIDTHS[0], *WIDTHS), WIDTHS, strict=False):
            stages.append(nn.Sequential(IResNetBlock(before, width, 2), IResNetBlock(width, width)))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        """From float32 (N, 3, H, W) to float32 (N, 512, h, w)."""
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x


class IResNetBlock(nn.Module):
    """A batch norm, two convolutions with a PReLU between them, and the shortcut.

    Args:
        before: channels of the input.
        width: channels of the output.
        stride: of the second convolution; with 1, the shortcut is the identity.
    """

    def __init__(self, before: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = _convolution(before, width, 3, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.prelu = PReLU(width)
        self.conv2 = _convolution(width, width, 3, stride)
        self.bn3 = nn.BatchNorm2d(width)
        self.downsample: nn.Module | None = None
        if stride > 1:
            self.downsample = nn.Sequential(
                _convolution(before, width, 1, stride), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """From float32 (N, before, H, W) to float32 (N, width, H / stride, W / stride)."""
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        y = self.bn3(self.conv2(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        total: Tensor = y + shortcut
        return total


class PReLU(nn.PReLU):
    """PyTorch's PReLU with a faster backward pass on CPUs (2.14 does not vectorise its own)."""

    def forward(self, x: Tensor) -> Tensor:
        """Scale negative values by their channel's slope: (N, channels, H, W), as `x`."""
        if x.device.type != "cpu" or not (self.training and torch.is_grad_enabled()):
            return super().forward(x)
        y: Tensor = _PReLUOnCpu.apply(x, self.weight)
        return y


class _PReLUOnCpu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(x, slopes)
        return functional.prelu(x, slopes.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        x, slopes = ctx.saved_tensors
        factor = slopes.to(x.dtype)[:, None, None]
        of_x, of_slopes = torch.empty_like(x), torch.zeros_like(slopes)
        n = max(1, CACHED_VALUES // x[0].numel())
        for grad, part, out in zip(*(torch.split(v, n) for v in (grads[0], x, of_x)), strict=True):
            positive = torch.ops.aten.threshold_backward(grad, part, 0)
            negative = grad - positive
            torch.addcmul(positive, negative, factor, out=out)
            of_slopes += negative.mul_(part).sum((0, 2, 3))
        return of_x, of_slopes


class DepthwisePool(nn.Module):
    """Global depthwise convolution (Chen et al., MobileFaceNets, CCBR 2018), initialised as a mean.

    Args:
        channels: of the map.
        size: (height, width) of the map.
    """

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, *size), 1 / math.prod(size)))

    def forward(self, x: Tensor) -> Tensor:
        """Weighted sum over positions: (N, channels, height, width) to float32 (N, channels).

        Raises:
            ValueError: the map has another size.
        """
        _check_map(x, (self.weight.shape[1], self.weight.shape[2]))
        return (x * self.weight).sum((2, 3))


class FlattenPool(nn.Module):
    """Batch norm, dropout, and flattening of the feature map, as in IResNet.

    Args:
        channels: of the map.
        size: (height, width) of the map.
    """

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """From (N, channels, height, width) to (N, channels * height * width).

        Raises:
            ValueError: the map has another size.
        """
        _check_map(x, self.size)
        row: Tensor = self.dropout(self.norm(x)).flatten(1)
        return row


def _convolution(before: int, width: int, side: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(before, width, side, stride, padding=side // 2, bias=False)


def _check_map(x: Tensor, size: tuple[int, int]) -> None:
    if x.shape[2:] != size:
        raise ValueError(
            f"this head needs a last feature map of {size[0]} x {size[1]}, "
            f"not {x.shape[2]} x {x.shape[3]}: the input must have the template's size"
        )
