"""Error rates behind a threshold: from similarities to rates and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from facehub.model.tail import Tail

BEYOND = 100  # times below the lowest measured rate: as far as a tail is followed
BEYOND_MEASURED = "beyond what was measured"  # said wherever an extrapolated rate is shown


@dataclass(frozen=True)
class Calibration:
    """Error rates behind a threshold, measured on labelled faces.

    Attributes:
        dataset: which faces, and whether the weights saw them in training.
        target_fmr: the false match rate the threshold was chosen for; None: it was given.
        fmr: measured false match rate at the threshold (share of impostor pairs accepted).
        fnmr: measured false non-match rate at the threshold (share of genuine pairs rejected).
        impostor_pairs: number of pairs of different people.
        genuine_pairs: number of pairs of one person.
        curve: (similarity, fmr, fnmr) at rising similarities.
        tail: of the impostor scores; gives the rates from its start on, also those that are beyond
            what was measured. None where it was not fitted.
        left_out: pictures that were not used, as another person's pictures claim them.
    """

    dataset: str
    target_fmr: float | None
    fmr: float
    fnmr: float
    impostor_pairs: int
    genuine_pairs: int
    curve: tuple[tuple[float, float, float], ...] = ()
    tail: Tail | None = None
    left_out: int = 0

    def __post_init__(self) -> None:
        # JSON has no tuples: make what was read from a config equal to what was written.
        curve = tuple((float(s), float(fmr), float(fnmr)) for s, fmr, fnmr in self.curve)
        object.__setattr__(self, "curve", curve)
        if not isinstance(self.dataset, str):
            raise ValueError("the data set's name must be a text")
        rates = [self.fmr, self.fnmr] + ([] if self.target_fmr is None else [self.target_fmr])
        if any(isinstance(rate, bool) or not 0 <= rate <= 1 for rate in rates):
            raise ValueError("error rates lie between 0 and 1")
        for count in (self.impostor_pairs, self.genuine_pairs, self.left_out):
            if type(count) is not int or count < 0:
                raise ValueError("numbers of pairs and pictures must be whole numbers")
        if curve and not self._is_curve(np.array(curve)):
            raise ValueError("a curve needs rising similarities, and rates between 0 and 1")
        if self.tail is not None and not curve:
            raise ValueError("a tail goes on from a curve, which is missing")

    @staticmethod
    def _is_curve(points: np.ndarray) -> bool:
        rates = points[:, 1:]
        rising = bool((np.diff(points[:, 0]) > 0).all())
        return (
            bool(np.isfinite(points).all()) and rising and bool(((rates >= 0) & (rates <= 1)).all())
        )

    @property
    def lowest_fmr(self) -> float:
        """The lowest false match rate that so many impostor pairs can show."""
        return 1 / max(self.impostor_pairs, 1)

    @property
    def reach(self) -> float:
        """The lowest rate that is stated: a hundredth of `lowest_fmr` where there is a tail."""
        return self.lowest_fmr if self.tail is None else self.lowest_fmr / BEYOND

    def was_measured(self, fmr: float) -> bool:
        """Whether the impostor pairs can show such a rate; a lower one is extrapolated."""
        return fmr >= self.lowest_fmr * (1 - 1e-9)  # the logarithm's rounding

    def fmr_at(self, similarity: float) -> float | None:
        """Share of pairs of different people that are at least so similar.

        From the tail where it has begun; before it, and without one, from the curve, between whose
        points the rate's logarithm is interpolated. Never below `reach`. None where there is no
        curve.

        Raises:
            ValueError: the similarity is not a number.
        """
        _check_number(similarity, "similarity")
        if not self.curve:
            return None
        if self.tail is not None and similarity >= self.tail.start:
            return max(self.tail.fmr_at(similarity), self.reach)
        limits, rates = self._log_curve()
        fmr = float(np.exp(np.interp(similarity, limits, rates)))
        return fmr if self.tail is None else max(fmr, self.tail.fmr)

    def fpir_at(self, similarity: float, comparisons: int) -> float | None:
        """A candidate's odds: how many strangers reach this similarity with somebody.

        The false positive identification rate of a gallery whose threshold is this similarity:
        1 - (1 - FMR) ** comparisons. It takes comparisons as independent, so that it is too high
        rather than too low where people have several templates, or where some strangers resemble
        everybody.

        Args:
            similarity: of the candidate.
            comparisons: number of templates in the gallery.

        Returns:
            0 to 1; None where there is no curve.
        """
        fmr = self.fmr_at(similarity)
        if fmr is None:
            return None
        return float(comparisons > 0) if fmr >= 1 else -math.expm1(comparisons * math.log1p(-fmr))

    def fnmr_at(self, similarity: float) -> float | None:
        """Share of pairs of one person that are less similar; None where there is no curve.

        Raises:
            ValueError: the similarity is not a number.
        """
        _check_number(similarity, "similarity")
        if not self.curve:
            return None
        limits, _, rates = zip(*self.curve, strict=True)
        return float(np.interp(similarity, limits, rates))

    def similarity_at(self, fmr: float) -> float | None:
        """The threshold that has this false match rate: the inverse of `fmr_at`, as far as it goes.

        Rates below `reach` get the threshold of that. None where there is no curve.

        Raises:
            ValueError: the rate is not a number.
        """
        _check_number(fmr, "false match rate")
        if not self.curve:
            return None
        if self.tail is not None and fmr <= self.tail.fmr:
            return self.tail.similarity_at(max(fmr, self.reach))
        limits, rates = self._log_curve()
        wanted = np.log(max(fmr, self.lowest_fmr))
        found = float(np.interp(-wanted, -rates, limits))
        return found if self.tail is None else min(found, self.tail.start)

    def _log_curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Similarities, and the logarithms of their false match rates, up to where those end."""
        floor = np.log(self.lowest_fmr)
        limits, rates = [], []
        for similarity, fmr, _ in self.curve:
            limits.append(similarity)
            rates.append(max(float(np.log(fmr)), floor) if fmr > 0 else floor)
            if rates[-1] <= floor:
                break
        return np.array(limits), np.array(rates)


def _check_number(value: float, name: str) -> None:
    if not math.isfinite(value):
        raise ValueError(f"a {name} must be a number, not {value!r}")
