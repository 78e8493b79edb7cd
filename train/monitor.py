"""What the loop must know of its steps, read from the device as seldom as possible.

Reading a number makes the CPU wait for a GPU. So losses are summed on the device, and the first
step whose loss or gradients were not finite is remembered there. Both are read every few steps, at
an epoch's end, and always before a checkpoint: one of a run that diverged is never written.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from facehub.errors import FaceHubError
from train.distributed import Processes
from train.stop import StopRequest

READ_EVERY = 20  # steps on a GPU; on a CPU reading costs nothing


class DivergedError(FaceHubError):
    """The loss or its gradients became NaN or infinite; the last good checkpoint is kept."""


@dataclass(frozen=True)
class Report:
    """The answer to a reading.

    Attributes:
        loss: mean of the epoch so far.
        checkpoint: whether it is time for one.
        stop: whether a process was asked to stop.
    """

    loss: float
    checkpoint: bool
    stop: bool


class Monitor:
    """Sums of the losses, and wishes for a checkpoint or a stop that all processes share.

    Args:
        group: this process among those that train together.
        stop: of this process.
        n_values: number of losses.
        minutes: between checkpoints.

    Attributes:
        sums: float64 (n_values,) on the device: losses of the epoch so far, means over processes.
    """

    def __init__(self, group: Processes, stop: StopRequest, n_values: int, minutes: float) -> None:
        self.group, self.stop, self.minutes = group, stop, minutes
        self.every = READ_EVERY if group.device.type == "cuda" else 1
        self.last_checkpoint = time.monotonic()
        self._failure = torch.zeros(2 + n_values, dtype=torch.float64, device=group.device)
        self.start_epoch(torch.zeros(n_values))

    def start_epoch(self, sums: Tensor) -> None:
        """Begin an epoch, with the sums of a checkpoint if it was begun before."""
        self.sums = sums.to(self.group.device, torch.float64)
        self._wishes = torch.zeros(2)

    def note(self, step: int, values: Tensor, norm: Tensor, forgiven: Tensor) -> None:
        """Take note of a step, without reading anything.

        Args:
            step: of the epoch, from 1.
            values: float32 (n_values,), this process's losses.
            norm: float32, length of the gradients; the same in all processes.
            forgiven: bool, whether that may be infinite, as a scaler then skips the step.
        """
        wishes = [time.monotonic() - self.last_checkpoint > 60 * self.minutes, self.stop.made]
        flags = [values.new_full((1,), float(wish)) for wish in wishes]
        shared = self.group.mean(torch.cat([values, *flags]))
        values, self._wishes = shared[:-2], shared[-2:]
        self.sums = self.sums + values
        good = torch.isfinite(values).all() & (torch.isfinite(norm) | forgiven)
        found = torch.cat([values.new_full((1,), step), norm[None], values]).double()
        self._failure = torch.where(good | (self._failure[0] > 0), self._failure, found)

    def read(self, epoch: int, step: int, *, last: bool) -> Report | None:
        """Wait for the device now and then.

        Args:
            epoch: from 0.
            step: of the epoch, from 1.
            last: whether it is the epoch's last.

        Returns:
            None where it is not time yet.

        Raises:
            DivergedError: a step since the last reading was no good.
        """
        asked = self.group.count == 1 and self.stop.made  # several processes must read together
        if step % self.every and not (last or asked):
            return None
        failure = self._failure.tolist()
        if failure[0]:
            raise DivergedError(
                f"loss {failure[2]:.3g}, length of the gradients {failure[1]:.3g} "
                f"in epoch {epoch + 1}, step {failure[0]:.0f}"
            )
        due, stop = (self._wishes > 0).tolist()
        return Report(float(self.sums[0]) / step, due and not last, stop)

    def checkpoint_written(self) -> None:
        """Start counting the minutes anew."""
        self.last_checkpoint = time.monotonic()
