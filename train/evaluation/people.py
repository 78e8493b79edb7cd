"""Confidence intervals of rates over all pairs of pictures: bootstrap by person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from train.evaluation.metrics import Rate
from train.evaluation.report import rates_at

DRAWS = 1000


def rates_over_people(
    similarity: np.ndarray, same: np.ndarray, labels: np.ndarray, threshold: float | None
) -> tuple[Rate | None, Rate | None]:
    """Measure FMR and FNMR, with intervals that account for pairs that share a person.

    Wilson's interval assumes independent pairs, and is far too narrow if one picture is in
    thousands of them. It is widened to the 2.5th and 97.5th percentile over samples of the people,
    with replacement (the subset bootstrap of Bolle et al. 2004, by person).

    Args:
        similarity, same: of all pairs, in the order of `all_pairs`.
        labels: int (N,), equal for one person.
        threshold: see `rates_at`.
    """
    fmr, fnmr = rates_at(similarity, same, threshold)
    if threshold is None:
        return fmr, fnmr
    _, person, count = np.unique(labels, return_inverse=True, return_counts=True)
    first, second = pair_rows(np.flatnonzero((similarity >= threshold) != same), len(labels))
    first, second = person[first], person[second]
    own = first == second
    rejected = np.bincount(first[own], minlength=len(count))
    first, second = first[~own], second[~own]
    genuine = count * (count - 1) // 2
    rng = np.random.default_rng(0)
    found = np.empty((DRAWS, 2))
    for draw in found:
        weight = rng.multinomial(len(count), np.full(len(count), 1 / len(count)))
        pictures = weight * count
        impostor = (pictures.sum() ** 2 - (pictures**2).sum()) / 2
        n_genuine = (weight * genuine).sum()
        draw[0] = (weight[first] * weight[second]).sum() / impostor if impostor else np.nan
        draw[1] = (weight * rejected).sum() / n_genuine if n_genuine else np.nan
    return _widened(fmr, found[:, 0]), _widened(fnmr, found[:, 1])


def _widened(found: Rate | None, draws: np.ndarray) -> Rate | None:
    if found is None or np.isnan(draws).all():
        return found
    low, high = np.nanpercentile(draws, (2.5, 97.5))
    return replace(found, low=min(found.low, float(low)), high=max(found.high, float(high)))


def pair_rows(places: np.ndarray, n_pictures: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the two pictures of pairs.

    Args:
        places: int (K,), indices of pairs in the order of `all_pairs`.
        n_pictures: N.

    Returns:
        int (K,) twice, from 0 to N - 1.
    """
    starts = np.concatenate([[0], np.cumsum(np.arange(n_pictures - 1, 0, -1))])
    first = np.searchsorted(starts, places, side="right") - 1
    return first, places - starts[first] + first + 1
