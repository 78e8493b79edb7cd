"""Pack an aligned data set into one memory-mapped array for fast reading."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from facehub.errors import ImageError
from facehub.io.files import write_atomically
from facehub.io.sources import empty_identities, identity_of, open_source, read_picture
from facehub.template import DEFAULT_TEMPLATE
from train.data.crops import centre_columns
from train.data.heldout import is_heldout
from train.data.readahead import read_ahead

INDEX = "index.json"


@dataclass(frozen=True, eq=False)
class PackedFaces:
    """A packed data set, a `FaceSet`.

    Attributes:
        crops: uint8 (N, 112, 96, 3), RGB, memory-mapped, grouped by identity.
        names: (N,) "IDENTITY/IMAGE.webp".
        labels: int64 (N,), number of the identity, in the order of names.
        heldout: bool (N,), whether the identity is held out of training.
    """

    crops: np.ndarray
    names: np.ndarray
    labels: np.ndarray
    heldout: np.ndarray

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """See `FaceSet.read`."""
        if out is None:
            return np.asarray(self.crops[rows])
        np.take(self.crops, rows, axis=0, out=out, mode="clip")  # mode "raise" would copy twice
        return out

    def prefetch(self, rows: np.ndarray) -> None:
        """See `FaceSet.prefetch`."""
        read_ahead(self.crops, rows)


def pack(source: Path, target: Path, *, centre_crop: bool = False) -> dict[str, int]:
    """Decode every picture of a data set into `target`.

    Args:
        source: aligned faces, 96 x 112, see `open_source`.
        target: folder to create: `crops.npy`, and `index.json` with names and skipped pictures.
        centre_crop: whether to cut the centre out of wider crops. For frontal faces, the eyes of
            ArcFace's 112 x 112 crops are where facehub's are, 8 columns further right.

    Returns:
        Counts: pictures, identities, unreadable, wrong_size, ignored (by name; and empty folders),
        empty (identities without a picture), single (identities of one).

    Raises:
        ArchiveError: the source is damaged, or holds no picture.
        ValueError: none of its pictures can be packed.
    """
    pictures = open_source(source)
    t = DEFAULT_TEMPLATE
    target.mkdir(parents=True, exist_ok=True)
    temporary = target / "crops.tmp.npy"
    crops = np.lib.format.open_memmap(
        temporary, "w+", np.uint8, (len(pictures.names), t.height, t.width, 3)
    )
    names: list[str] = []
    left_out: dict[str, str] = {}
    wrong_size = 0
    for name in tqdm(pictures.names, unit="img", leave=False):
        try:
            crop = read_picture(pictures, name)
        except ImageError as error:
            left_out[name] = str(error)
            continue
        if centre_crop:
            crop = centre_columns(crop, t.width)
        if crop.shape != (t.height, t.width, 3):
            left_out[name] = f"{crop.shape[1]} x {crop.shape[0]} pixels; align the pictures first"
            wrong_size += 1
            continue
        crops[len(names)] = crop
        names.append(name)
    crops.flush()
    if not names:
        temporary.unlink()
        name, reason = next(iter(left_out.items()))
        raise ValueError(f"{source} holds no picture to pack ({name}: {reason})")
    empty = empty_identities(pictures, names)
    (target / INDEX).unlink(missing_ok=True)  # if killed here: no pack rather than wrong names
    temporary.replace(target / "crops.npy")
    index = {"names": names, "left_out": {**pictures.ignored, **empty, **left_out}}
    write_atomically(target / INDEX, json.dumps(index).encode())
    _, sizes = np.unique([identity_of(name) for name in names], return_counts=True)
    return {
        "pictures": len(names),
        "identities": len(sizes),
        "unreadable": len(left_out) - wrong_size,
        "wrong_size": wrong_size,
        "ignored": len(pictures.ignored),
        "empty": len(empty),
        "single": int((sizes == 1).sum()),
    }


def read_left_out(folder: Path) -> dict[str, str]:
    """What `pack` left out, with the reasons; "IDENTITY/" for one without a picture."""
    left_out: dict[str, str] = json.loads((folder / INDEX).read_text())["left_out"]
    return left_out


def open_pack(folder: Path) -> PackedFaces:
    """Open a packed data set.

    Raises:
        ValueError: it is missing or damaged.
    """
    try:
        names = json.loads((folder / INDEX).read_text())["names"]
        crops = np.load(folder / "crops.npy", mmap_mode="r")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{folder} is not a packed data set; make one with `pack`") from error
    if len(crops) < len(names):
        raise ValueError(f"{folder} is damaged: {len(crops)} pictures for {len(names)} names")
    identities = [identity_of(name) for name in names]
    _, labels = np.unique(identities, return_inverse=True)
    heldout = np.array([is_heldout(identity) for identity in identities])
    return PackedFaces(crops[: len(names)], np.array(names), labels.astype(np.int64), heldout)
