"""The network that detects occlusions, and its ONNX export."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from facehub.model import wire
from facehub.occlusion import INPUT_SIZE

CHANNELS = (12, 24, 32)


class OcclusionNet(nn.Module):
    """Three convolutions with stride 2 and a linear layer: a million multiplications per face."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, *CHANNELS)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False)
            for a, b in zip(widths, CHANNELS, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in CHANNELS)
        self.dropout = nn.Dropout(0.2)
        rows, columns = (side // 8 for side in INPUT_SIZE)
        self.head = nn.Linear(CHANNELS[-1] * rows * columns, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From float (N, 3, 56, 48), -1 to 1, to the logits (N, 2) of eyes and mouth."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.relu(norm(convolution(x)))
        logits: torch.Tensor = self.head(self.dropout(x.flatten(1)))
        return logits


def to_onnx(net: OcclusionNet) -> bytes:
    """Export to ONNX: float32 (N, 3, 56, 48), -1 to 1, to probabilities (N, 2)."""
    weights, nodes, x = [], [], "faces"
    for i, (convolution, norm) in enumerate(zip(net.convolutions, net.norms, strict=True)):
        assert isinstance(norm, nn.BatchNorm2d)
        assert isinstance(convolution, nn.Conv2d)
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        kernel = convolution.weight * scale[:, None, None, None]
        bias = norm.bias - norm.running_mean * scale
        weights += [
            wire.tensor(f"kernel{i}", kernel.detach().numpy()),
            wire.tensor(f"bias{i}", bias.detach().numpy()),
        ]
        attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
        nodes += [
            wire.node("Conv", [x, f"kernel{i}", f"bias{i}"], [f"conv{i}"], attributes),
            wire.node("Relu", [f"conv{i}"], [f"relu{i}"], {}),
        ]
        x = f"relu{i}"
    weights += [
        wire.tensor("head", net.head.weight.detach().numpy()),
        wire.tensor("offset", net.head.bias.detach().numpy()),
    ]
    nodes += [
        wire.node("Flatten", [x], ["flat"], {}),
        wire.node("Gemm", ["flat", "head", "offset"], ["logits"], {"transB": 1}),
        wire.node("Sigmoid", ["logits"], ["covered"], {}),
    ]
    return wire.model(
        nodes=nodes,
        weights=weights,
        inputs=[wire.value_info("faces", wire.FLOAT, ["n", 3, *INPUT_SIZE])],
        outputs=[wire.value_info("covered", wire.FLOAT, ["n", 2])],
        metadata={},
        opset=17,
        ir_version=8,
    )
