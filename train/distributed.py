"""Collective operations under `torchrun`; without it, there is one process and they do nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed.nn  # before a group is made, see `processes`
from torch import Tensor, distributed


@dataclass(frozen=True)
class Processes:
    """The group of training processes.

    Attributes:
        rank: rank of this process; 0 writes the records.
        count: number of processes.
        device: device of this process.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes the records."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the processes."""
        if self.count == 1:
            return values
        return self.sum(values) / self.count

    def sum(self, values: Tensor) -> Tensor:
        """Sum over the processes."""
        if self.count > 1:
            values = values.clone()
            distributed.all_reduce(values)
        return values

    def max(self, values: Tensor) -> Tensor:
        """Maximum over the processes."""
        if self.count > 1:
            values = values.clone()
            distributed.all_reduce(values, distributed.ReduceOp.MAX)
        return values

    def gather(self, values: Tensor) -> Tensor:
        """Gather (N, ...) of each process to (N * count, ...) in every process."""
        if self.count == 1:
            return values
        parts = [torch.empty_like(values) for _ in range(self.count)]
        distributed.all_gather(parts, values.contiguous())
        return torch.cat(parts)

    def collect(self, rows: Tensor, lengths: Sequence[int]) -> Tensor:
        """Collect rows in the first process's CPU memory; other processes get an empty tensor.

        Args:
            rows: (M, ...) of this process.
            lengths: M of each process.
        """
        if not self.is_first:
            distributed.send(rows.contiguous(), 0)
            return torch.empty(0)
        parts = [rows.cpu()]
        for rank in range(1, self.count):
            part = rows.new_empty(lengths[rank], *rows.shape[1:])
            distributed.recv(part, rank)
            parts.append(part.cpu())
        return torch.cat(parts)

    def agree(self, *numbers: int) -> bool:
        """Whether all processes have the same numbers."""
        if self.count == 1:
            return True
        mine = torch.tensor(numbers, device=self.device)
        low, high = mine.clone(), mine.clone()
        distributed.all_reduce(low, distributed.ReduceOp.MIN)
        distributed.all_reduce(high, distributed.ReduceOp.MAX)
        return torch.equal(low, high)


@contextmanager
def processes() -> Iterator[Processes]:
    """Join the group that `torchrun` describes: NCCL on CUDA, gloo on the CPU.

    `torch.distributed.nn` keeps the group that it finds when it is imported, which optimizers do,
    in the defaults of its functions. The group's threads then outlive `destroy_process_group`, and
    one that wants the interpreter while it shuts down aborts the process. So this module imports it
    while there is no group.
    """
    cuda = torch.cuda.is_available()
    count = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device(f"cuda:{local_rank}" if cuda else "cpu")
    if cuda:
        torch.cuda.set_device(device)
    if count == 1:
        yield Processes(0, 1, device)
        return
    store, rank, count = next(distributed.rendezvous("env://"))  # type: ignore[attr-defined]
    # An elastic restart finds the store of the previous attempt. A prefix per attempt keeps it from
    # reading stale addresses.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    prefixed = distributed.PrefixStore(attempt, store)  # type: ignore[attr-defined]
    distributed.init_process_group(
        "nccl" if cuda else "gloo",
        store=prefixed,
        rank=rank,
        world_size=count,
    )
    yield Processes(distributed.get_rank(), count, device)
    # Skipped after an error, when both calls might wait for the others. Without the barrier, a
    # process that leaves early may abort others in their last collective operation.
    distributed.barrier()
    distributed.destroy_process_group()
