"""Error rates behind a threshold: from similarities to rates and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
    """

    dataset: str
    target_fmr: float | None
    fmr: float
    fnmr: float
    impostor_pairs: int
    genuine_pairs: int
    curve: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        # JSON has no tuples: make what was read from a config equal to what was written.
        curve = tuple((float(s), float(fmr), float(fnmr)) for s, fmr, fnmr in self.curve)
        object.__setattr__(self, "curve", curve)
        if not isinstance(self.dataset, str):
            raise ValueError("the data set's name must be a text")
        rates = [self.fmr, self.fnmr] + ([] if self.target_fmr is None else [self.target_fmr])
        if any(isinstance(rate, bool) or not 0 <= rate <= 1 for rate in rates):
            raise ValueError("error rates lie between 0 and 1")
        for pairs in (self.impostor_pairs, self.genuine_pairs):
            if type(pairs) is not int or pairs < 0:
                raise ValueError("numbers of pairs must be whole numbers")
        if curve and not self._is_curve(np.array(curve)):
            raise ValueError("a curve needs rising similarities, and rates between 0 and 1")

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

    def fmr_at(self, similarity: float) -> float | None:
        """Share of pairs of different people that are at least so similar, from the curve.

        Between its points the rate's logarithm is interpolated; it is never below `lowest_fmr`.
        None where there is no curve.
        """
        if not self.curve:
            return None
        limits, rates = self._log_curve()
        return float(np.exp(np.interp(similarity, limits, rates)))

    def fnmr_at(self, similarity: float) -> float | None:
        """Share of pairs of one person that are less similar; None where there is no curve."""
        if not self.curve:
            return None
        limits, _, rates = zip(*self.curve, strict=True)
        return float(np.interp(similarity, limits, rates))

    def similarity_at(self, fmr: float) -> float | None:
        """The threshold that has this false match rate: the inverse of `fmr_at`, as far as it goes.

        Rates below `lowest_fmr` get the threshold of that. None where there is no curve.
        """
        if not self.curve:
            return None
        limits, rates = self._log_curve()
        wanted = np.log(max(fmr, self.lowest_fmr))
        return float(np.interp(-wanted, -rates, limits))

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
