"""The margin's rise, warm-up, cool-down, and reduce-on-plateau once the margin rests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LinearMargin:
    """Rises linearly from `start` to `end` over the first `epochs`, then stays.

    Attributes:
        start: radians at epoch 0.
        end: radians from `epochs` on.
        epochs: length of the rise; may be a fraction, or 0.
    """

    start: float
    end: float
    epochs: float

    def at(self, epoch: float) -> float:
        """The margin at a moment counted in epochs, 2.5 being the middle of the third."""
        if epoch >= self.epochs:
            return self.end
        return self.start + (self.end - self.start) * epoch / self.epochs

    def is_stable(self, epoch: float) -> bool:
        """Whether it has stopped rising."""
        return epoch >= self.epochs


@dataclass
class Plateau:
    """Multiplies the learning rate by `factor` when the loss stops falling.

    The loss rises by construction while the margin does, so `step` is called only once that rests.

    Attributes:
        factor: applied at each reduction.
        patience: epochs in a row without a fall that are tolerated.
        threshold: relative fall that counts.
        multiplier: product of the reductions so far.
        best: lowest loss so far.
        bad_epochs: epochs since.
    """

    factor: float
    patience: int
    threshold: float
    multiplier: float = 1.0
    best: float = float("inf")
    bad_epochs: int = 0

    def step(self, loss: float) -> None:
        """Take note of an epoch's mean loss."""
        if loss < self.best * (1 - self.threshold):
            self.best, self.bad_epochs = loss, 0
            return
        self.bad_epochs += 1
        if self.bad_epochs > self.patience:
            self.multiplier *= self.factor
            self.bad_epochs = 0

    def forget(self) -> None:
        """Start comparing anew: losses at another input size are of another height."""
        self.best, self.bad_epochs = float("inf"), 0


def cooldown(epoch: float, epochs: int, length: float) -> float:
    """Factor of the learning rate: falls linearly to 0 over the last `length` of `epochs`."""
    return 1.0 if length <= 0 else min(1.0, (epochs - epoch) / length)


def warmup(epoch: float, epochs: float) -> float:
    """Factor of the learning rate: rises linearly from 0 to 1 over the first `epochs`."""
    return 1.0 if epoch >= epochs else epoch / epochs
