"""Three published margins, which reduce the logit of the target class.

Each is a module that maps the cosines of faces to their own centres, in float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from train.config import MarginType


class Margin(nn.Module):
    """The interface of a margin.

    Attributes:
        m: size of the margin; the training loop raises it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.m = 0.0

    def observe(self, norms: Tensor) -> None:
        """Update statistics with a batch's feature norms, float32 (N,); called before `forward`."""

    def forward(self, own: Tensor, norms: Tensor) -> Tensor:
        """Apply the margin.

        Args:
            own: float32 (N,), cosine of each face to its own centre.
            norms: float32 (N,), L2 norm of each face's features.

        Returns:
            float32 (N,), cosines with the margin.
        """
        raise NotImplementedError


class ArcFaceMargin(Margin):
    """cos(theta + m), m in radians (Deng et al., CVPR 2019).

    If theta + m exceeds pi, the function continues linearly, so it stays monotone.
    """

    def forward(self, own: Tensor, norms: Tensor) -> Tensor:
        own = own.clamp(-1 + 1e-7, 1 - 1e-7)
        theta = torch.acos(own)
        widened = torch.cos(theta + self.m)
        # Beyond theta = pi - m, cos(theta + m) would rise again: continue with slope 1.
        limit = math.pi - self.m
        beyond = own - (math.cos(limit) + 1.0)
        return torch.where(theta > limit, beyond, widened)


class CosFaceMargin(Margin):
    """cos(theta) - m, m in units of the cosine (Wang et al., CVPR 2018)."""

    def forward(self, own: Tensor, norms: Tensor) -> Tensor:
        return own - self.m


class AdaFaceMargin(Margin):
    """cos(theta - m q) - (m + m q) with image quality q, -1 to 1 (Kim et al., CVPR 2022).

    q is the feature norm, standardised by running statistics and multiplied by h. Hard faces of
    good quality (q = 1) get more weight than hard faces of poor quality. No gradient flows through
    q.

    Args:
        h: concentration.
        momentum: weight of a batch in the running statistics.

    Attributes:
        mean, std: running statistics of the norms, saved with the weights.
    """

    EPSILON = 1e-3  # the authors' bound on angles, norms and the standard deviation

    mean: Tensor
    std: Tensor

    def __init__(self, h: float = 0.333, momentum: float = 0.01) -> None:
        super().__init__()
        self.h, self.momentum = h, momentum
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("std", torch.tensor(100.0))

    @torch.no_grad()
    def observe(self, norms: Tensor) -> None:
        if self.training and len(norms) > 1:
            norms = norms.clamp(self.EPSILON, 100)
            self.mean.lerp_(norms.mean(), self.momentum)
            self.std.lerp_(norms.std(), self.momentum)

    def forward(self, own: Tensor, norms: Tensor) -> Tensor:
        norms = norms.detach().clamp(self.EPSILON, 100)
        quality = ((norms - self.mean) / (self.std + self.EPSILON) * self.h).clamp(-1, 1)
        theta = torch.acos(own.clamp(-1 + self.EPSILON, 1 - self.EPSILON))
        theta = (theta - self.m * quality).clamp(self.EPSILON, math.pi - self.EPSILON)
        return torch.cos(theta) - (self.m + self.m * quality)


def make_margin(kind: MarginType) -> Margin:
    """Make the margin of that name."""
    kinds = {"arcface": ArcFaceMargin, "cosface": CosFaceMargin, "adaface": AdaFaceMargin}
    return kinds[kind]()
