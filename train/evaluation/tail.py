"""Fit the tail of the impostor scores, for thresholds at unmeasurably low false match rates."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from facehub.model.calibration import BEYOND
from facehub.model.tail import Tail
from train.evaluation.people import pair_rows

SHARE = 1e-3  # of the impostor pairs; `docs/thresholds.md` compares others
FEWEST, MOST = 100, 20_000  # number of pairs for the fit
DRAWS = 1000
CHECKS, CHECK_SHARE = 50, 0.1
POOL = 10  # the pool has this many times the tail's pairs: enough for the top of a subset of people
DECADES = tuple(10.0**-n for n in range(4, 13))
# Grid of -shape / scale, in units of 1 / mean excess; 0 would be the exponential distribution.
_STEPS = np.concatenate([-np.geomspace(10, 1, 40), np.arange(-0.9975, 1, 0.005)])


@dataclass(frozen=True)
class _Top:
    """The highest impostor scores.

    Attributes:
        similarity: float64 (K,), descending.
        first, second: int (K,), the people of each pair.
        pictures: int (P,), number of pictures of each person.
    """

    similarity: np.ndarray
    first: np.ndarray
    second: np.ndarray
    pictures: np.ndarray

    def tails(self, weights: np.ndarray, size: int) -> list[Tail]:
        """Fit tails to the highest pairs of samples of the people.

        Args:
            weights: int (D, P), how often each person is in each sample.
            size: number of pairs for the fit; the next pair's similarity is the start.
        """
        start, excess = self.similarity[size], self.similarity[:size] - self.similarity[size]
        pairs = (weights[:, self.first[:size]] * weights[:, self.second[:size]]).astype(float)
        totals = _impostors(weights * self.pictures)
        found = []
        for n, total, (shape, scale) in zip(
            pairs.sum(axis=1), totals, fit_pareto(excess, pairs), strict=True
        ):
            if n and not np.isnan(shape):
                found.append(Tail(float(start), float(n / total), shape, scale, int(n)))
        return found

    def of(self, weights: np.ndarray) -> _Top:
        """Select the scores of a subset of people.

        Args:
            weights: int (P,), 1 for people in the subset, else 0.
        """
        own = np.flatnonzero(weights[self.first] * weights[self.second])
        return _Top(
            self.similarity[own], self.first[own], self.second[own], self.pictures * weights
        )


def fit_tail(
    similarity: np.ndarray, same: np.ndarray, labels: np.ndarray, *, share: float = SHARE
) -> Tail | None:
    """Fit a generalised Pareto distribution to the highest impostor scores by maximum likelihood.

    The intervals are the 2.5th and 97.5th percentile over samples of the people, with replacement,
    as in `rates_over_people`. A profile likelihood would assume independent pairs, but one person's
    pictures are in hundreds of the highest pairs.

    Args:
        similarity, same: of all pairs, in the order of `all_pairs`.
        labels: int (N,), equal for one person.
        share: share of the impostor pairs for the fit.

    Returns:
        The tail; None with fewer than 100 pairs for the fit, or if all of them are equal.
    """
    impostor = np.where(same, -np.inf, similarity)
    n = len(same) - int(np.count_nonzero(same))
    size = min(int(n * share), MOST)
    if size < FEWEST:
        return None
    pool = min(POOL * size, n)
    places = np.argpartition(impostor, -pool)[-pool:]
    places = places[np.argsort(-impostor[places], kind="stable")]
    _, person, pictures = np.unique(labels, return_inverse=True, return_counts=True)
    first, second = pair_rows(places, len(labels))
    top = _Top(impostor[places].astype(float), person[first], person[second], pictures)
    whole = top.tails(np.ones((1, len(pictures)), int), size)
    if not whole:
        return None
    (tail,) = whole
    rng = np.random.default_rng(0)
    draws = rng.multinomial(len(pictures), np.full(len(pictures), 1 / len(pictures)), size=DRAWS)
    samples = [t for part in np.array_split(draws, DRAWS // 50) for t in top.tails(part, size)]
    intervals = []
    for fmr in DECADES:
        if tail.fmr > fmr >= 1 / n / BEYOND:
            expected = tail.similarity_at(fmr)
            low, high = np.percentile([t.similarity_at(fmr) for t in samples], (2.5, 97.5))
            ends = min(float(low), expected), max(float(high), expected)
            intervals.append((fmr, round(ends[0], 4), round(ends[1], 4)))
    return dataclasses.replace(
        tail,
        start=round(tail.start, 6),
        fmr=round(tail.fmr, 7),
        shape=round(tail.shape, 5),
        scale=round(tail.scale, 6),
        intervals=tuple(intervals),
        check=_check(top, n, share, rng),
    )


def fit_pareto(excess: np.ndarray, weights: np.ndarray) -> list[tuple[float, float]]:
    """Fit shape and scale of the generalised Pareto distribution by maximum likelihood.

    For a fixed t = -shape / scale, the best shape is the mean of log(1 - t * excess), and the
    profile likelihood depends on t alone (Grimshaw 1993). It is maximised over a grid of t that all
    fits share, so one matrix product serves all of them.

    Args:
        excess: float (K,), 0 or more: similarities minus the start.
        weights: float (D, K), weight of each excess in each of D fits.

    Returns:
        (shape, scale) of each fit; NaN if it is impossible.
    """
    if not excess.max(initial=0) > 0:
        return [(np.nan, np.nan)] * len(weights)
    t = _STEPS / excess.mean()
    t = t[t < 1 / excess.max()]
    totals = np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    shape = weights @ np.log1p(-np.outer(excess, t)) / totals
    scale = -shape / t
    possible = (np.abs(shape) < 0.99) & (scale > 0)
    likelihood = np.where(possible, -np.log(np.where(possible, scale, 1)) - shape - 1, -np.inf)
    best = likelihood.argmax(axis=1)
    rows = np.arange(len(weights))
    found = np.stack([shape[rows, best], scale[rows, best]], axis=1)
    found[np.isneginf(likelihood[rows, best])] = np.nan
    return [(float(a), float(b)) for a, b in found]


def _check(top: _Top, n: int, share: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Predict the lowest rate with three pairs from a tenth of the pairs; see `Tail.check`."""
    fmr = 10.0 ** -int(np.log10(n / 3))
    people = len(top.pictures)
    part = round(people * CHECK_SHARE**0.5)
    predicted = []
    for _ in range(CHECKS):
        weights = np.zeros(people, int)
        weights[rng.choice(people, part, replace=False)] = 1
        own = top.of(weights)
        size = int(_impostors(own.pictures[None])[0] * share)
        if 0 < size < len(own.similarity):
            predicted += [t.similarity_at(fmr) for t in own.tails(weights[None], size)]
    if not predicted:
        return ()
    measured = top.similarity[int(n * fmr)]
    found = (float(np.mean(predicted)), float(np.std(predicted)), float(measured))
    return (fmr, *(round(value, 4) for value in found))


def _impostors(pictures: np.ndarray) -> np.ndarray:
    """Number of impostor pairs, float (D,), from the pictures per person, int (D, P)."""
    counts = pictures.astype(float)
    found: np.ndarray = (counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)) / 2
    return found
