"""Open-set identification (1:N): find enrolled people, reject strangers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.evaluation.metrics import threshold_at_fmr


@dataclass(frozen=True)
class OpenSet:
    """Identification with one enrolled picture per person; means over random galleries.

    Attributes:
        gallery_size: number of people enrolled.
        draws: number of random galleries.
        rank1: share of mated probes whose person ranks first, at any similarity.
        rank1_std: standard deviation over the galleries.
        fpir: false positive identification rate that sets the threshold.
        fnir: share of mated probes whose person does not rank first or is below the threshold.
        fnir_std: standard deviation over the galleries.
        threshold: cosine similarity.
        mated_probes: mean number of mated probes.
        stranger_probes: mean number of non-mated probes.
    """

    gallery_size: int
    draws: int
    rank1: float
    rank1_std: float
    fpir: float
    fnir: float
    fnir_std: float
    threshold: float
    mated_probes: float
    stranger_probes: float


def open_set(
    embeddings: np.ndarray,
    labels: np.ndarray,
    gallery_size: int,
    *,
    fpir: float = 0.01,
    draws: int = 10,
    seed: int = 0,
) -> OpenSet | None:
    """Search random galleries.

    Args:
        embeddings: float32 (N, 512), L2-normalised rows; NaN if no face was found: such a picture
            is never enrolled, and an error as a mated probe.
        labels: int (N,), equal for one person.
        gallery_size: number of people to enrol, from those with two or more pictures.
        fpir: false positive identification rate.
        draws: number of galleries.
        seed: random seed.

    Returns:
        None if there are too few people, or too few strangers for the rate.
    """
    rng = np.random.default_rng(seed)
    found = np.isfinite(embeddings[:, 0])
    candidates = np.array([p for p in np.unique(labels) if (found & (labels == p)).sum() >= 2])
    if len(candidates) < gallery_size:
        return None
    results = []
    for _ in range(draws):
        people = rng.choice(candidates, gallery_size, replace=False)
        enrolled = np.array([rng.choice(np.flatnonzero(found & (labels == p))) for p in people])
        mated = np.setdiff1d(np.flatnonzero(np.isin(labels, people)), enrolled)
        strangers = np.flatnonzero(found & ~np.isin(labels, people))
        if len(strangers) * fpir < 1:
            return None
        gallery = embeddings[enrolled].T
        threshold = threshold_at_fmr((embeddings[strangers] @ gallery).max(axis=1), fpir)
        scores = np.nan_to_num(embeddings[mated] @ gallery, nan=-np.inf)
        first = (people[scores.argmax(axis=1)] == labels[mated]) & found[mated]
        accepted = first & (scores.max(axis=1) >= threshold)
        results.append((first.mean(), 1 - accepted.mean(), threshold, len(mated), len(strangers)))
    rank1, fnir, threshold, n_mated, n_strangers = (float(v) for v in np.mean(results, axis=0))
    rank1_std, fnir_std = (float(v) for v in np.std(results, axis=0)[:2])
    return OpenSet(
        gallery_size=gallery_size,
        draws=draws,
        rank1=rank1,
        rank1_std=rank1_std,
        fpir=fpir,
        fnir=fnir,
        fnir_std=fnir_std,
        threshold=threshold,
        mated_probes=n_mated,
        stranger_probes=n_strangers,
    )
