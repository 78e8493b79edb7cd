"""The tail of the impostor scores: false match rates below those that can be measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tail:
    """A generalised Pareto distribution of the highest impostor scores (peaks over threshold).

    From `start` on, FMR(s) = fmr * (1 + shape * (s - start) / scale) ** (-1 / shape); for shape 0,
    fmr * exp(-(s - start) / scale). See Pickands 1975; Coles 2001, chapter 4.

    Attributes:
        start: cosine similarity where the tail begins.
        fmr: measured share of impostor pairs above `start`.
        shape: below 0 for bounded scores, above 0 for a heavy tail.
        scale: in units of similarity.
        pairs: number of impostor pairs above `start`, to which the distribution was fitted.
        intervals: (fmr, low, high) at falling rates: a 95 % confidence interval of the similarity
            at this rate, over samples of the people.
        check: (fmr, predicted, deviation, measured), or empty: the similarity at this rate as
            predicted by tails of a tenth of the pairs (mean and standard deviation over random
            choices of people), and as measured on all pairs.

    Raises:
        ValueError: an attribute is out of range.
    """

    start: float
    fmr: float
    shape: float
    scale: float
    pairs: int
    intervals: tuple[tuple[float, float, float], ...] = ()
    check: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("start", "fmr", "shape", "scale"):
            value = getattr(self, name)
            if isinstance(value, bool) or not math.isfinite(value):
                raise ValueError(f"a tail's {name} must be a number")
        if not (-1 <= self.start < 1 and 0 < self.fmr < 1 and -1 < self.shape < 1):
            raise ValueError("a tail's start, fmr or shape is out of range")
        if not self.scale > 0 or type(self.pairs) is not int or self.pairs < 1:
            raise ValueError("a tail needs a scale above 0, and pairs")
        # JSON has no tuples: convert lists back.
        intervals = tuple((float(f), float(low), float(high)) for f, low, high in self.intervals)
        object.__setattr__(self, "intervals", intervals)
        object.__setattr__(self, "check", tuple(float(value) for value in self.check))
        rates = [fmr for fmr, _, _ in intervals]
        if not all(0 < fmr < 1 and -1 <= low <= high <= 1 for fmr, low, high in intervals):
            raise ValueError("a tail's intervals need a rate and two rising similarities each")
        if rates != sorted(set(rates), reverse=True):
            raise ValueError("a tail's intervals need falling rates")
        if len(self.check) not in (0, 4) or not np.isfinite(self.check).all():
            raise ValueError("a tail's check has four numbers, or none")

    def fmr_at(self, similarity: float) -> float:
        """FMR at a threshold.

        Args:
            similarity: cosine similarity, -1 to 1; values below `start` give `fmr`.
        """
        excess = max(similarity - self.start, 0.0) / self.scale
        if abs(self.shape) < 1e-9:
            return self.fmr * math.exp(-excess)
        base = 1 + self.shape * excess
        return 0.0 if base <= 0 else self.fmr * base ** (-1 / self.shape)

    def similarity_at(self, fmr: float) -> float:
        """The threshold with this FMR.

        Args:
            fmr: above 0; values above the tail's `fmr` give `start`.

        Returns:
            Cosine similarity, `start` to 1.
        """
        decades = math.log(self.fmr / min(fmr, self.fmr))
        grown = decades if abs(self.shape) < 1e-9 else math.expm1(self.shape * decades) / self.shape
        return min(self.start + self.scale * grown, 1.0)

    def interval_at(self, fmr: float) -> tuple[float, float] | None:
        """A 95 % confidence interval of the threshold at an FMR, interpolated in log FMR.

        Args:
            fmr: above 0.

        Returns:
            (low, high); None outside the rates of `intervals`.
        """
        if not self.intervals or not self.intervals[-1][0] <= fmr <= self.intervals[0][0]:
            return None
        rates, low, high = (np.array(column) for column in zip(*self.intervals, strict=True))
        at = -math.log(fmr)
        return (
            float(np.interp(at, -np.log(rates), low)),
            float(np.interp(at, -np.log(rates), high)),
        )
