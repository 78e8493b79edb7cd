"""The margin and the learning rate schedule of a run.

The margin rises linearly, then stays constant. The learning rate is `learning_rate` times a warm-up
factor, times a share that falls on plateaus once the margin is constant, or at fixed epochs
(`schedule`). In the cool-down it falls linearly from its current value to `cooldown_to`, so every
run ends with a low rate.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from train.config import TrainConfig


class Schedule:
    """Computes margin and learning rate from a run's settings and its losses so far.

    Args:
        config: of the run.

    Attributes:
        margin: the margin schedule.
        plateau: the plateau schedule; unused if `schedule` is "steps".
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.margin = LinearMargin(config.margin_min, config.margin_max, config.margin_epochs)
        self.plateau = Plateau(
            config.plateau_factor,
            config.plateau_patience,
            config.plateau_threshold,
            config.plateau_floor,
        )

    def rate(self, epoch: float) -> float:
        """The learning rate at a fractional epoch; 2.5 is the middle of the third."""
        config = self.config
        if config.schedule == "steps":
            share = config.milestone_factor ** sum(epoch >= at for at in config.milestones)
        else:
            share = self.plateau.multiplier
        cool = cooldown(epoch, config.epochs, config.cooldown_epochs)
        share = config.cooldown_to + (share - config.cooldown_to) * cool
        return config.learning_rate * warmup(epoch, config.warmup_epochs) * share

    def end_epoch(self, epoch: int, loss: float) -> bool:
        """Record an epoch's mean loss.

        Args:
            epoch: number of the epoch, from 0.
            loss: mean over its steps.

        Returns:
            Whether the plateau schedule was active: the margin was constant during the epoch.
        """
        active = self.config.schedule == "plateau" and self.margin.is_stable(epoch)
        if active:
            self.plateau.step(loss)
        return active

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return dataclasses.asdict(self.plateau)

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        for name in ("multiplier", "best", "bad_epochs"):
            setattr(self.plateau, name, state[name])


@dataclass(frozen=True)
class LinearMargin:
    """Rises linearly from `start` to `end` over the first `epochs`, then stays constant.

    Attributes:
        start: radians at epoch 0.
        end: radians from `epochs` on.
        epochs: length of the rise; may be a fraction, or 0.
    """

    start: float
    end: float
    epochs: float

    def at(self, epoch: float) -> float:
        """The margin at a fractional epoch; 2.5 is the middle of the third."""
        if epoch >= self.epochs:
            return self.end
        return self.start + (self.end - self.start) * epoch / self.epochs

    def is_stable(self, epoch: float) -> bool:
        """Whether the margin has stopped rising."""
        return epoch >= self.epochs


@dataclass
class Plateau:
    """Multiplies the learning rate by `factor` when the loss stops falling.

    The loss rises with the margin, so `step` is called only once the margin is constant. Unlike
    torch's ReduceLROnPlateau, it can be reset (`forget`) and restored exactly.

    Attributes:
        factor: applied at each reduction.
        patience: successive epochs without a fall that are tolerated.
        threshold: smallest relative fall that counts.
        floor: lower bound of the multiplier.
        multiplier: product of the reductions so far.
        best: lowest loss so far.
        bad_epochs: epochs since then.
    """

    factor: float
    patience: int
    threshold: float
    floor: float = 0.0
    multiplier: float = 1.0
    best: float = float("inf")
    bad_epochs: int = 0

    def step(self, loss: float) -> None:
        """Record an epoch's mean loss."""
        if loss < self.best * (1 - self.threshold):
            self.best, self.bad_epochs = loss, 0
            return
        self.bad_epochs += 1
        if self.bad_epochs > self.patience:
            self.multiplier = max(self.multiplier * self.factor, self.floor)
            self.bad_epochs = 0

    def forget(self) -> None:
        """Forget past losses, which are not comparable with those at another input size."""
        self.best, self.bad_epochs = float("inf"), 0


def cooldown(epoch: float, epochs: int, length: float) -> float:
    """Cool-down factor: falls linearly from 1 to 0 over the last `length` of `epochs`."""
    return 1.0 if length <= 0 else min(1.0, (epochs - epoch) / length)


def warmup(epoch: float, epochs: float) -> float:
    """Warm-up factor: rises linearly from 0 to 1 over the first `epochs`."""
    return 1.0 if epoch >= epochs else epoch / epochs
