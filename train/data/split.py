"""What a run learns from, and what it is scored on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from train.data.pack import PackedFaces

MIN_IMPOSTORS = 1000  # held-out pairs of different people that a score needs
MAX_SCORED = 8000  # held-out faces an epoch is scored on: 32 million pairs, in some 500 MB


@dataclass(frozen=True, eq=False)
class Split:
    """Faces of a packed data set, by their use.

    Attributes:
        training: int (N,), positions of the faces to learn from.
        labels: int64 (N,), their identities, numbered from 0.
        n_identities: how many there are.
        heldout: int (M,), positions of the faces that are not learned from.
        scored: int (K,), those of them that every epoch is scored on.
    """

    training: np.ndarray
    labels: np.ndarray
    n_identities: int
    heldout: np.ndarray
    scored: np.ndarray


def split(faces: PackedFaces, data: str, *, heldout: bool) -> Split:
    """Divide a data set.

    Of more than `MAX_SCORED` held-out faces, those with the lowest hash of their name are scored.

    Args:
        faces: packed data set.
        data: its name, for messages.
        heldout: whether to keep its held-out identities out.

    Raises:
        ValueError: too few held-out faces to score on.
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
    """Of "faces/00001/1.webp" only the last two parts count, as for `is_heldout`."""
    return zlib.crc32("/".join(name.split("/")[-2:]).encode())


def _check(labels: np.ndarray, data: str) -> None:
    sizes = np.unique(labels, return_counts=True)[1]
    if sizes.sum() ** 2 - (sizes**2).sum() < 2 * MIN_IMPOSTORS:
        raise ValueError(f"{data} has too few held-out faces to choose a checkpoint by")
    if sizes.max() < 2:
        raise ValueError(f"{data} has no held-out identity with two faces")
