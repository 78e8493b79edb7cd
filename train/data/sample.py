"""A random sample of a data set's training faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facehub.io.sources import identity_of, open_source, read_picture
from train.data.heldout import is_heldout
from train.data.pack import PackedFaces, open_pack


def sample_training(faces: Path | PackedFaces, count: int, seed: int = 0) -> np.ndarray:
    """Read a random sample of the faces that are not held out.

    Args:
        faces: packed data set, or aligned faces, see `open_source`.
        count: number of faces; fewer if there are not enough.
        seed: random seed.

    Returns:
        uint8 (M, H, W, 3), RGB, in the order of the data set.

    Raises:
        ArchiveError, ImageError: the faces cannot be read.
        ValueError: all identities are held out.
    """
    if isinstance(faces, Path) and (faces / "crops.npy").is_file():
        faces = open_pack(faces)
    if isinstance(faces, PackedFaces):
        chosen = _choose(np.flatnonzero(~faces.heldout), count, seed)
        return np.asarray(faces.crops[chosen])
    pictures = open_source(faces)
    names = [name for name in pictures.names if not is_heldout(identity_of(name))]
    chosen = _choose(np.arange(len(names)), count, seed)
    return np.stack([read_picture(pictures, names[i]) for i in chosen])


def _choose(candidates: np.ndarray, count: int, seed: int) -> np.ndarray:
    if not len(candidates):
        raise ValueError("all identities of these faces are held out of training")
    size = min(count, len(candidates))
    return np.sort(np.random.default_rng(seed).choice(candidates, size, replace=False))
