"""The batches of a run: faces, order and random generators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facehub.template import DEFAULT_TEMPLATE
from train.data.faces import FaceSet

CROP = (DEFAULT_TEMPLATE.height, DEFAULT_TEMPLATE.width, 3)


@dataclass(frozen=True, eq=False)
class Batch:
    """A part of a batch, for one forward pass.

    Attributes:
        pixels: uint8 (B, 112, 96, 3), RGB, on the training device.
        labels: int64 (B,), classes, on the training device.
        indices: int64 (B,), ascending indices of the training faces, on the training device.
        generator: random generator for augmentation, on the CPU.
        is_last: whether it is this process's last part of the batch.
    """

    pixels: Tensor
    labels: Tensor
    indices: Tensor
    generator: torch.Generator
    is_last: bool


class Batches:
    """Batches that depend only on seed, epoch, step and part, so a run can resume anywhere.

    On CUDA, batches are copied asynchronously from pinned memory.

    Args:
        faces: the data set.
        training: int (N,), rows of the training faces.
        labels: int64 (N,), their classes.
        batch_size: faces per step, over all processes; a multiple of `n_parts`.
        seed: random seed.
        device: the training device.
        n_parts: number of parts of a batch, over all processes.
        rank: rank of this process.
        processes: number of processes; this one gets the parts `rank`, `rank + processes`, ...
    """

    def __init__(
        self,
        faces: FaceSet,
        training: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        seed: int,
        device: torch.device,
        *,
        n_parts: int = 1,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self._faces, self._training, self._labels = faces, training, labels
        self._batch_size, self._seed, self._device = batch_size, seed, device
        self._n_parts, self._parts = n_parts, range(rank, n_parts, processes)
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        """Number of steps per epoch; remaining faces are dropped until the next epoch."""
        return len(self._training) // self._batch_size

    def step(self, epoch: int, step: int) -> Iterator[Batch]:
        """Yield this process's parts of one batch; the next part is prefetched."""
        for part in self._parts:
            is_last = part == self._parts[-1]
            following = (step + 1, self._parts[0]) if is_last else (step, part + self._parts.step)
            if following[0] < len(self):
                self._faces.prefetch(self._training[self._chosen(epoch, *following)])
            chosen = self._chosen(epoch, step, part)
            shape = (len(chosen), *CROP)
            pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=self._is_cuda)
            self._faces.read(self._training[chosen], out=pixels.numpy())
            yield Batch(
                pixels.to(self._device, non_blocking=True),
                self._copy(self._labels[chosen]),
                self._copy(chosen),
                generator(self._seed, epoch, step, part),
                is_last,
            )

    def _chosen(self, epoch: int, step: int, part: int) -> np.ndarray:
        """Indices of the training faces, in file order, which is faster to read."""
        if self._order[0] != epoch:
            order = torch.randperm(len(self._training), generator=generator(self._seed, epoch))
            self._order = epoch, order.numpy()
        batch = self._order[1][step * self._batch_size : (step + 1) * self._batch_size]
        return np.sort(batch[part :: self._n_parts])

    @property
    def _is_cuda(self) -> bool:
        return self._device.type == "cuda"

    def _copy(self, values: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(values)
        tensor = tensor.pin_memory() if self._is_cuda else tensor
        return tensor.to(self._device, non_blocking=True)


def generator(*numbers: int) -> torch.Generator:
    """Make a random generator that depends only on these numbers, so resumed runs are exact."""
    seed = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed >> np.uint64(1)))
