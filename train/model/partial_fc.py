"""Partial FC: class centres sharded over the processes and sampled in each step.

An et al., "Killing Two Birds with One Stone: Efficient and Robust Training of Face Recognition CNNs
by Partial FC", CVPR 2022. At rate 1 the loss and all gradients equal those of `MarginSoftmax`.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from train.distributed import Processes
from train.model.head import MarginSoftmax
from train.model.margin import Margin


class PartialFC(MarginSoftmax):
    """One process's shard of the centres; the softmax runs over all processes' faces and centres.

    Each step compares the faces of all processes with the centres of their identities and with
    randomly sampled others (torch's global generator), a share `rate` of this process's centres in
    total. The gradient of the centres stays in its process: DistributedDataParallel must ignore
    `weight`. The gradient of the features is that of the whole batch's mean loss times the number
    of processes, by which DistributedDataParallel divides.

    Args:
        size: length of an embedding.
        n_identities: number of classes over all processes.
        margin: the margin.
        scale: s, the factor of the cosines.
        rate: share of the centres in a step, 0 to 1; more if a batch has more identities.
        group: the process group.

    Attributes:
        weight: float32 (M, size), centres of identities `start` to `start` + M.

    Raises:
        ValueError: fewer identities than processes.
    """

    def __init__(
        self,
        size: int,
        n_identities: int,
        margin: Margin,
        scale: float,
        rate: float,
        group: Processes,
    ) -> None:
        if n_identities < group.count:
            raise ValueError(f"{n_identities} identities cannot be shared by {group.count}")
        super().__init__(size, 0, margin, scale)
        self.rate, self.group, self.n_identities = rate, group, n_identities
        bounds = [n_identities * rank // group.count for rank in range(group.count + 1)]
        self.sizes = [high - low for low, high in itertools.pairwise(bounds)]
        self.start = bounds[group.rank]
        for rank, length in enumerate(self.sizes):  # every process draws all shards
            drawn = nn.init.normal_(torch.empty(length, size), std=0.01)
            if rank == group.rank:
                self.weight = nn.Parameter(drawn)
        self.register_load_state_dict_pre_hook(_take_own_rows)  # type: ignore[no-untyped-call]

    def own(self, rows: Tensor) -> Tensor:
        """Select this process's shard of (n_identities, ...)."""
        return rows[self.start : self.start + len(self.weight)]

    def whole(self, rows: Tensor) -> Tensor:
        """Collect all shards (M, ...) as (n_identities, ...) in the first process."""
        return self.group.collect(rows, self.sizes)

    @torch.no_grad()
    def init_centres(self, embeddings: Tensor, labels: Tensor, norm: float | None = None) -> None:
        ours = (labels >= self.start) & (labels < self.start + len(self.weight))
        super().init_centres(embeddings[ours], labels[ours] - self.start, norm)

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the loss over all processes' faces, and the accuracy over the sampled centres.

        Args:
            features: (N, size), not normalised; N is equal in all processes.
            labels: int64 (N,), target classes.
        """
        with torch.autocast(features.device.type, enabled=False):
            features = _Gather.apply(features.float(), self.group)
            labels = self.group.gather(labels) - self.start
            norms = features.norm(dim=1)
            self.margin.observe(norms)
            centres, target = self._sample(labels)
            cosines = functional.normalize(features) @ functional.normalize(centres).T
            column, ours = target.clamp(min=0)[:, None], target >= 0
            own = cosines.gather(1, column)[:, 0]
            harder = torch.where(ours, self.margin(own, norms), own)
            logits = self.scale * cosines.scatter(1, column, harder[:, None])
            loss = _CrossEntropy.apply(logits, target, self.group)
        with torch.no_grad():
            best = self.group.max(cosines.max(1).values)
            accuracy = self.group.sum((ours & (own >= best)).float()).mean()
        return loss, accuracy

    def _sample(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Sample centres: (K, size), and each face's row among them, -1 if in another process.

        Args:
            labels: int64 (N,), relative to this process's first identity.
        """
        count = len(self.weight)
        places = torch.where((labels >= 0) & (labels < count), labels, count)
        size = max(int(self.rate * count), min(len(labels), count))  # room for all target centres
        if size >= count:
            return self.weight, torch.where(places < count, places, -1)
        order = torch.rand(count + 1, device=labels.device)
        order[places] = 2.0  # before all others
        chosen = order[:count].topk(size).indices.sort().values
        rows = torch.full_like(order, -1, dtype=torch.int64)
        rows[chosen] = torch.arange(size, device=labels.device)
        return self.weight[chosen], rows[places]


def _take_own_rows(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """State dict hook: select this process's shard of the centres."""
    assert isinstance(module, PartialFC)
    weight = state.get(f"{prefix}weight")
    if weight is not None and len(weight) == module.n_identities:
        state[f"{prefix}weight"] = module.own(weight)


class _Gather(Function):
    """All-gather (N, ...) to (N * count, ...), with gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, group: Processes) -> Tensor:
        ctx.group = group
        return group.gather(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        group = ctx.group
        return group.sum(gradient).chunk(group.count)[group.rank] * group.count, None


class _CrossEntropy(Function):
    """Mean cross-entropy of logits (N, K) whose columns are sharded over the processes."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, group: Processes) -> Tensor:
        top = group.max(logits.max(1).values)
        powers = (logits - top[:, None]).exp()
        total = group.sum(powers.sum(1))
        own = logits.gather(1, target.clamp(min=0)[:, None])[:, 0]
        own = group.sum(torch.where(target >= 0, own, 0.0))
        ctx.save_for_backward(powers.div_(total[:, None]), target)
        return (total.log() + top - own).mean()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        probabilities, target = ctx.saved_tensors
        ours = (target >= 0).to(probabilities.dtype)[:, None]
        difference = probabilities.scatter_add(1, target.clamp(min=0)[:, None], -ours)
        return difference * (gradient / len(target)), None, None
