"""Verification metrics from similarities of labelled pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class KFoldAccuracy:
    """Accuracy over folds, in per cent.

    Attributes:
        mean: over the folds.
        std: over the folds.
        thresholds: chosen for each fold on the other folds.
        correct: share of correct decisions over all folds.
    """

    mean: float
    std: float
    thresholds: tuple[float, ...]
    correct: Rate


@dataclass(frozen=True)
class Rate:
    """A measured proportion with its 95 % Wilson interval, which assumes independent trials.

    Attributes:
        value: count / total.
        low, high: ends of the interval.
        count: number of events.
        total: number of trials.
    """

    value: float
    low: float
    high: float
    count: int
    total: int


@dataclass(frozen=True)
class OperatingPoint:
    """FNMR @ FMR.

    Attributes:
        fmr: highest acceptable false match rate.
        threshold: cosine similarity.
        fnmr: share of genuine pairs below it.
    """

    fmr: float
    threshold: float
    fnmr: Rate


def all_pairs(embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare every pair of pictures once: similarity, float32 (P,), and same, bool (P,)."""
    upper = ~np.tri(len(embeddings), dtype=bool)  # a 16th of the memory of `np.triu_indices`
    return (embeddings @ embeddings.T)[upper], (labels[:, None] == labels)[upper]


def rate(count: int, total: int) -> Rate:
    """Compute a proportion and its interval (Wilson 1927)."""
    z, p = 1.959964, count / total
    centre = p + z * z / (2 * total)
    spread = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return Rate(p, max(0.0, low), min(1.0, high), int(count), int(total))


def operating_points(
    genuine: np.ndarray, impostor: np.ndarray, fmrs: tuple[float, ...]
) -> tuple[OperatingPoint, ...]:
    """Compute FNMR @ FMR; rates that need more impostor pairs are omitted."""
    points = []
    for fmr in fmrs:
        if len(impostor) * fmr >= 1:
            threshold = threshold_at_fmr(impostor, fmr)
            accepted = int((genuine >= threshold).sum())  # NaN compares False
            rejected = len(genuine) - accepted
            points.append(OperatingPoint(fmr, threshold, rate(rejected, len(genuine))))
    return tuple(points)


def kfold_accuracy(similarity: np.ndarray, same: np.ndarray, n_folds: int = 10) -> KFoldAccuracy:
    """Accuracy by the LFW protocol: the threshold of each fold is the best on the other folds.

    Args:
        similarity: float (P,), fold after fold, of equal size. Minus infinity for a pair that could
            not be compared, which counts as "different".
        same: bool (P,).
        n_folds: number of folds.
    """
    folds = np.array_split(np.arange(len(similarity)), n_folds)
    accuracy, thresholds, correct = [], [], 0
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(similarity)), fold)
        threshold = best_threshold(similarity[rest], same[rest])
        thresholds.append(threshold)
        right = (similarity[fold] >= threshold) == same[fold]
        accuracy.append(100 * np.mean(right))
        correct += int(right.sum())
    return KFoldAccuracy(
        float(np.mean(accuracy)),
        float(np.std(accuracy)),
        tuple(thresholds),
        rate(correct, len(similarity)),
    )


def best_threshold(similarity: np.ndarray, same: np.ndarray) -> float:
    """The threshold with the most correct decisions (similarity >= threshold means same)."""
    order = np.argsort(-similarity, kind="stable")
    ranked = similarity[order]
    gain = np.cumsum(np.where(same[order], 1, -1))
    # A threshold cannot split equal similarities, so only the last of a run is a candidate. Minus
    # infinity is never accepted.
    candidate = np.append(ranked[1:] != ranked[:-1], True) & np.isfinite(ranked)
    gain = np.where(candidate, gain, -len(gain) - 1)
    best = int(np.argmax(gain))
    if gain[best] < 0:  # accepting none is better
        return float(np.nextafter(ranked[0], np.inf))
    here = ranked[best]
    below = ranked[best + 1] if best + 1 < len(order) else here
    return float((here + below) / 2) if np.isfinite(below) else float(here)


def threshold_at_fmr(impostor: np.ndarray, fmr: float) -> float:
    """The lowest threshold whose false match rate does not exceed `fmr`.

    Args:
        impostor: float (P,), similarities of pairs of different people.
        fmr: target, 0 to 1.

    Raises:
        ValueError: the rate is out of range, or there are fewer than 1 / fmr impostor pairs.
    """
    if not 0 <= fmr <= 1:
        raise ValueError(f"a false match rate is a number from 0 to 1, not {fmr:g}")
    if len(impostor) * fmr < 1:
        raise ValueError(
            f"{len(impostor)} impostor pairs are too few to measure a false match rate of {fmr:g}"
        )
    allowed = int(len(impostor) * fmr)
    if allowed >= len(impostor):
        return float(impostor.min())
    place = len(impostor) - 1 - allowed
    highest_rejected = np.partition(impostor, place)[place]
    return float(np.nextafter(highest_rejected, np.float32(np.inf), dtype=np.float32))
