"""Split a data set into training and held-out faces."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from train.data.pack import PackedFaces

MIN_IMPOSTORS = 1000  # smallest number of held-out impostor pairs for a score
MAX_SCORED = 8000  # held-out faces scored per epoch: 32 million pairs, about 500 MB


@dataclass(frozen=True, eq=False)
class Split:
    """Faces of a packed data set, by their use.

    Attributes:
        training: int (N,), rows of the training faces.
        labels: int64 (N,), their classes, numbered from 0.
        n_identities: number of classes.
        heldout: int (M,), rows of the held-out faces.
        scored: int (K,), rows of the held-out faces that score every epoch.
    """

    training: np.ndarray
    labels: np.ndarray
    n_identities: int
    heldout: np.ndarray
    scored: np.ndarray


def split(faces: PackedFaces, data: str, *, heldout: bool) -> Split:
    """Split a data set.

    If there are more than `MAX_SCORED` held-out faces, those with the lowest hash of their name are
    scored.

    Args:
        faces: packed data set.
        data: its name, for messages.
        heldout: whether to hold identities out of training.

    Raises:
        ValueError: there are too few held-out faces for a score.
    """
    kept_out = faces.heldout if heldout else np.zeros(len(faces.labels), bool)
    training, rest = np.flatnonzero(~kept_out), np.flatnonzero(kept_out)
    identities, labels = np.unique(faces.labels[training], return_inverse=True)
    scored = rest
    if len(rest) > MAX_SCORED:
        hashes = np.array([_hash(str(name)) for name in faces.names[rest]])
        scored = rest[np.sort(np.argsort(hashes, kind="stable")[:MAX_SCORED])]
    if heldout:
        _check(faces.labels[scored], data)
    return Split(training, labels, len(identities), rest, scored)


def _hash(name: str) -> int:
    """Hash the last two parts of "faces/00001/1.webp", as for `is_heldout`."""
    return zlib.crc32("/".join(name.split("/")[-2:]).encode())


def _check(labels: np.ndarray, data: str) -> None:
    sizes = np.unique(labels, return_counts=True)[1]
    if sizes.sum() ** 2 - (sizes**2).sum() < 2 * MIN_IMPOSTORS:
        raise ValueError(f"{data} has too few held-out faces to choose a checkpoint")
    if sizes.max() < 2:
        raise ValueError(f"{data} has no held-out identity with two faces")
