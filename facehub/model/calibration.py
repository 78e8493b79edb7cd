"""Error rates of a threshold: from similarities to rates and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from facehub.model.tail import Tail

BEYOND = 100  # a tail is extrapolated to this fraction of the lowest measured rate
BEYOND_MEASURED = "beyond what was measured"  # label of extrapolated rates


@dataclass(frozen=True)
class Calibration:
    """Error rates of a threshold, measured on labelled faces.

    Attributes:
        dataset: which faces, and whether the weights were trained on them.
        target_fmr: false match rate (FMR) that the threshold was chosen for; None: the threshold
            was given.
        fmr: measured false match rate at the threshold (share of impostor pairs accepted).
        fnmr: measured false non-match rate at the threshold (share of genuine pairs rejected).
        impostor_pairs: number of pairs of different people.
        genuine_pairs: number of pairs of one person.
        curve: (similarity, fmr, fnmr) at rising similarities.
        tail: fitted to the impostor scores; gives the rates from its start on, including those
            beyond what was measured. None if it was not fitted.
        left_out: number of pictures excluded because another person's pictures resemble them more.
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
        # JSON has no tuples: convert lists back.
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
        """The lowest FMR that this number of impostor pairs can measure."""
        return 1 / max(self.impostor_pairs, 1)

    @property
    def reach(self) -> float:
        """The lowest FMR ever reported: a hundredth of `lowest_fmr` with a tail."""
        return self.lowest_fmr if self.tail is None else self.lowest_fmr / BEYOND

    def was_measured(self, fmr: float) -> bool:
        """Whether the impostor pairs can measure this FMR; a lower one is extrapolated.

        Args:
            fmr: 0 to 1.
        """
        return fmr >= self.lowest_fmr * (1 - 1e-9)  # allows for rounding of logarithms

    def fmr_at(self, similarity: float) -> float | None:
        """FMR at a threshold: the share of impostor pairs that are at least this similar.

        The tail gives the rate from its start on; below that, or without a tail, the logarithm of
        the rate is interpolated on the curve. The result is never below `reach`.

        Args:
            similarity: cosine similarity, -1 to 1.

        Returns:
            0 to 1; None without a curve.

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
        """A candidate's odds: the share of strangers that reach this similarity with someone.

        This is the false positive identification rate (FPIR) of a gallery searched at this
        threshold: 1 - (1 - FMR) ** comparisons. It assumes independent comparisons, so it is
        conservative if people have several templates or some strangers resemble everyone.

        Args:
            similarity: of the candidate.
            comparisons: number of templates in the gallery.

        Returns:
            0 to 1; None without a curve.

        Raises:
            ValueError: the similarity is not a number.
        """
        fmr = self.fmr_at(similarity)
        if fmr is None:
            return None
        return float(comparisons > 0) if fmr >= 1 else -math.expm1(comparisons * math.log1p(-fmr))

    def fnmr_at(self, similarity: float) -> float | None:
        """False non-match rate (FNMR) at a threshold: the share of genuine pairs less similar.

        Args:
            similarity: cosine similarity, -1 to 1.

        Returns:
            0 to 1; None without a curve.

        Raises:
            ValueError: the similarity is not a number.
        """
        _check_number(similarity, "similarity")
        if not self.curve:
            return None
        limits, _, rates = zip(*self.curve, strict=True)
        return float(np.interp(similarity, limits, rates))

    def similarity_at(self, fmr: float) -> float | None:
        """The threshold with this FMR: the inverse of `fmr_at`.

        Args:
            fmr: 0 to 1; rates below `reach` count as `reach`.

        Returns:
            Cosine similarity; None without a curve.

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
        """Similarities and log FMRs, down to `lowest_fmr`."""
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
