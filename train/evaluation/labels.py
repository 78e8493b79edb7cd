"""Pictures that carry the wrong person's name."""

from __future__ import annotations

import numpy as np

CLAIMANTS = 3  # pictures without which a person claims no other's
MOST = 0.05  # share of pictures beyond which the network is in doubt, not the labels


def claimed_by_others(embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Find pictures that probably show another person than their label says.

    Such a picture is as similar to another person's pictures, on average, as the median pair of
    one person's. One of them spoils a calibration's highest scores: it is in as many pairs as the
    other person has pictures. The worst is taken first, and the others are judged without it.
    Lookalikes stay: few are so similar on average over several pictures.

    Args:
        embeddings: float32 (N, D), unit rows.
        labels: int (N,), equal for one person.

    Returns:
        bool (N,); none where more than a twentieth would be.
    """
    n = len(labels)
    claimed = np.zeros(n, bool)
    _, person, count = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(count), embeddings.shape[1]), np.float32)
    np.add.at(sums, person, embeddings)
    genuine = [_pairs(embeddings[person == p]) for p in np.flatnonzero(count > 1)]
    if not genuine:
        return claimed
    limit = np.median(np.concatenate(genuine))
    means = embeddings @ sums.T / count
    means[:, count < CLAIMANTS] = -np.inf
    means[np.arange(n), person] = -np.inf
    while means.max() >= limit:
        picture = int(means.max(axis=1).argmax())
        claimed[picture] = True
        if claimed.sum() > MOST * n:
            return np.zeros(n, bool)
        means[picture] = -np.inf
        own = person[picture]
        sums[own] -= embeddings[picture]
        count[own] -= 1
        others = (person != own) & ~claimed
        means[others, own] = (
            embeddings[others] @ sums[own] / count[own] if count[own] >= CLAIMANTS else -np.inf
        )
    return claimed


def _pairs(embeddings: np.ndarray) -> np.ndarray:
    found: np.ndarray = (embeddings @ embeddings.T)[np.triu_indices(len(embeddings), 1)]
    return found
