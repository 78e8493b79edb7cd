"""Find mislabelled pictures."""

from __future__ import annotations

import numpy as np

MIN_PICTURES = 3  # fewest pictures of the other person
MOST = 0.05  # a larger share of mislabelled pictures means that the network is at fault


def mislabelled(embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Find pictures that probably show another labelled person.

    The mean similarity of such a picture to another person's pictures is at least that of the
    median genuine pair. Each one distorts a calibration's highest scores, in as many pairs as the
    other person has pictures. The worst picture is removed first, and the others are judged
    without it. Lookalikes are kept: few reach this mean similarity over several pictures.

    Args:
        embeddings: float32 (N, D), L2-normalised rows.
        labels: int (N,), equal for one person.

    Returns:
        bool (N,); all False if more than a share `MOST` would be True.
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
    means[:, count < MIN_PICTURES] = -np.inf
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
            embeddings[others] @ sums[own] / count[own] if count[own] >= MIN_PICTURES else -np.inf
        )
    return claimed


def _pairs(embeddings: np.ndarray) -> np.ndarray:
    found: np.ndarray = (embeddings @ embeddings.T)[np.triu_indices(len(embeddings), 1)]
    return found
