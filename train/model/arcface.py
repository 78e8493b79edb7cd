"""ArcFace: softmax over identities with an angular margin (Deng et al., CVPR 2019)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class ArcFace(nn.Module):
    """Class centres on the unit sphere; the angle to a face's own centre is made wider by a margin.

    Always in float32, also under autocast. Where the widened angle would pass pi, the logit goes on
    falling along a line, so it stays monotone.

    Args:
        size: length of an embedding.
        n_identities: number of classes.
        scale: s, the length of the logits' vector.
        generator: for the first centres.

    Attributes:
        margin: m, in radians; set by the training loop.
    """

    def __init__(
        self,
        size: int,
        n_identities: int,
        scale: float = 64.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.margin = 0.0
        self.weight = nn.Parameter(torch.empty(n_identities, size))
        nn.init.normal_(self.weight, std=0.01, generator=generator)

    @torch.no_grad()
    def init_centres(self, embeddings: Tensor, labels: Tensor) -> None:
        """Set each class's centre to its faces' mean embedding; the centre's length stays.

        Args:
            embeddings: float32 (N, size), unit rows; every class has one or more.
            labels: int64 (N,).
        """
        device = self.weight.device
        sums = torch.zeros_like(self.weight).index_add_(0, labels.to(device), embeddings.to(device))
        self.weight.copy_(functional.normalize(sums) * self.weight.norm(dim=1, keepdim=True))

    def cosines(self, embeddings: Tensor) -> Tensor:
        """float32 (N, n_identities), cosine of the angle to each centre."""
        with torch.autocast(embeddings.device.type, enabled=False):
            return functional.normalize(embeddings.float()) @ functional.normalize(self.weight).T

    def logits(self, cosines: Tensor, labels: Tensor) -> Tensor:
        """Apply the margin to each face's own class, then the scale.

        Args:
            cosines: float32 (N, n_identities).
            labels: int64 (N,).
        """
        own = cosines.gather(1, labels[:, None]).clamp(-1 + 1e-7, 1 - 1e-7)
        theta = torch.acos(own)
        widened = torch.cos(theta + self.margin)
        # Beyond theta = pi - m the cosine would rise again: continue with slope 1 in the cosine.
        limit = math.pi - self.margin
        beyond = own - (math.cos(limit) + 1.0)
        target = torch.where(theta > limit, beyond, widened)
        return self.scale * cosines.scatter(1, labels[:, None], target)

    def forward(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Loss, and the share of faces whose own centre is the nearest (without the margin).

        Args:
            embeddings: (N, size), of any length.
            labels: int64 (N,).
        """
        cosines = self.cosines(embeddings)
        loss = functional.cross_entropy(self.logits(cosines, labels), labels)
        accuracy = (cosines.detach().argmax(1) == labels).float().mean()
        return loss, accuracy
