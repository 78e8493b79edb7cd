"""Monitor losses and gradients with few device synchronisations.

Reading a number makes the CPU wait for the GPU. So the losses are summed on the device, which also
records the first step with a non-finite loss or gradient. Both are read every few steps, at the end
of an epoch, and before every checkpoint: a diverged run never writes one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from facehub.errors import FaceHubError
from train.distributed import Processes
from train.stop import StopRequest

READ_EVERY = 20  # steps on a GPU; on a CPU reading is free


class DivergedError(FaceHubError):
    """The loss or its gradients became NaN or infinite; the last good checkpoint is kept."""


@dataclass(frozen=True)
class Report:
    """The state of the epoch at a reading.

    Attributes:
        loss: mean of the epoch so far.
        checkpoint: whether a checkpoint is due.
        stop: whether a process was asked to stop.
    """

    loss: float
    checkpoint: bool
    stop: bool


class Monitor:
    """Sums the losses, and shares requests for a checkpoint or a stop among all processes.

    Args:
        group: the process group.
        stop: stop request of this process.
        n_values: number of losses.
        minutes: minutes between checkpoints.

    Attributes:
        sums: float64 (n_values,) on the device: summed losses of the epoch so far, averaged over
            the processes.
    """

    def __init__(self, group: Processes, stop: StopRequest, n_values: int, minutes: float) -> None:
        self.group, self.stop, self.minutes = group, stop, minutes
        self.every = READ_EVERY if group.device.type == "cuda" else 1
        self.last_checkpoint = time.monotonic()
        self._failure = torch.zeros(2 + n_values, dtype=torch.float64, device=group.device)
        self.start_epoch(torch.zeros(n_values))

    def start_epoch(self, sums: Tensor) -> None:
        """Start an epoch with these sums: zeros, or those of a checkpoint."""
        self.sums = sums.to(self.group.device, torch.float64)
        self._wishes = torch.zeros(2)

    def note(self, step: int, values: Tensor, norm: Tensor, forgiven: Tensor) -> None:
        """Record a step, without synchronisation.

        Args:
            step: of the epoch, from 1.
            values: float32 (n_values,), this process's losses.
            norm: float32 scalar, gradient norm; equal in all processes.
            forgiven: bool scalar, whether the norm may be infinite, because the scaler then skips
                the step.
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
        """Synchronise with the device if a reading is due.

        Args:
            epoch: from 0.
            step: of the epoch, from 1.
            last: whether it is the last step of the epoch.

        Returns:
            None if no reading is due.

        Raises:
            DivergedError: a step since the last reading was not finite.
        """
        asked = self.group.count == 1 and self.stop.made  # several processes must read together
        if step % self.every and not (last or asked):
            return None
        failure = self._failure.tolist()
        if failure[0]:
            raise DivergedError(
                f"loss {failure[2]:.3g}, gradient norm {failure[1]:.3g} "
                f"in epoch {epoch + 1}, step {failure[0]:.0f}"
            )
        due, stop = (self._wishes > 0).tolist()
        return Report(float(self.sums[0]) / step, due and not last, stop)

    def checkpoint_written(self) -> None:
        """Restart the checkpoint timer."""
        self.last_checkpoint = time.monotonic()
