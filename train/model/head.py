"""Margin-based softmax over identities, with class centres on the unit sphere."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.model.margin import Margin


class MarginSoftmax(nn.Module):
    """Cross-entropy of scaled cosines, with a margin on the target class.

    Always computed in float32, even under autocast.

    Args:
        size: length of an embedding.
        n_identities: number of classes.
        margin: the margin.
        scale: s, the factor of the cosines.
        generator: random generator for the initial centres.

    Attributes:
        margin: the training loop sets its size, `margin.m`.
        weight: float32 (n_identities, size), class centres, not normalised.
    """

    def __init__(
        self,
        size: int,
        n_identities: int,
        margin: Margin,
        scale: float = 64.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.margin, self.scale = margin, scale
        self.weight = nn.Parameter(torch.empty(n_identities, size))
        nn.init.normal_(self.weight, std=0.01, generator=generator)

    @torch.no_grad()
    def init_centres(self, embeddings: Tensor, labels: Tensor, norm: float | None = None) -> None:
        """Set each class centre to the direction of its mean embedding.

        Args:
            embeddings: float32 (N, size), L2-normalised rows; every class has at least one.
            labels: int64 (N,), classes.
            norm: L2 norm of the centres; None: theirs stays.
        """
        device = self.weight.device
        sums = torch.zeros_like(self.weight).index_add_(0, labels.to(device), embeddings.to(device))
        norms = self.weight.norm(dim=1, keepdim=True) if norm is None else norm
        self.weight.copy_(functional.normalize(sums) * norms)

    def logits(self, cosines: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
        """Apply the margin to the target class of each face, then the scale.

        Args:
            cosines: float32 (N, n_identities).
            labels: int64 (N,), target classes.
            norms: float32 (N,), L2 norm of each face's features.
        """
        own = cosines.gather(1, labels[:, None])[:, 0]
        return self.scale * cosines.scatter(1, labels[:, None], self.margin(own, norms)[:, None])

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the loss, and the accuracy (0 to 1) without the margin.

        Args:
            features: (N, size), not normalised.
            labels: int64 (N,), target classes.
        """
        with torch.autocast(features.device.type, enabled=False):
            features = features.float()
            norms = features.norm(dim=1)
            self.margin.observe(norms)
            cosines = functional.normalize(features) @ functional.normalize(self.weight).T
            loss = functional.cross_entropy(self.logits(cosines, labels, norms), labels)
        accuracy = (cosines.detach().argmax(1) == labels).float().mean()
        return loss, accuracy
