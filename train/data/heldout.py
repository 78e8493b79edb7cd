"""Held-out identities of an aligned data set, for choosing checkpoints and thresholds."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from facehub.io.sources import Source, identity_of, open_source, read_picture

HELDOUT_SHARE = 20  # one identity in 20


def is_heldout(identity: str) -> bool:
    """Whether an identity is held out of training: determined permanently by a hash of its name.

    Only the last part of "faces/00001" counts, so a parent folder makes no difference.
    """
    return zlib.crc32(identity.rpartition("/")[2].encode()) % HELDOUT_SHARE == 0


def heldout_names(pictures: Source, *, everyone: bool = False) -> list[str]:
    """The pictures that `read_heldout` reads, in its order."""
    return [name for name in pictures.names if everyone or is_heldout(identity_of(name))]


def read_heldout(faces: Path, *, everyone: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Read the held-out faces of a data set.

    Args:
        faces: aligned faces of one size, see `open_source`.
        everyone: whether all identities count as held out: for a network not trained on them.

    Returns:
        crops, uint8 (N, H, W, 3), RGB; labels, int (N,), one number per identity.

    Raises:
        ArchiveError, ImageError: the faces cannot be read.
        ValueError: no identity is held out.
    """
    crops, labels = [], []
    numbers: dict[str, int] = {}
    pictures = open_source(faces)
    for name in heldout_names(pictures, everyone=everyone):
        crops.append(read_picture(pictures, name))
        labels.append(numbers.setdefault(identity_of(name), len(numbers)))
    if not crops:
        raise ValueError(f"{faces} has no held-out identity")
    return np.stack(crops), np.array(labels)
