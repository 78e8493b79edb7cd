"""LFW, view 2 (10 folds, 6,000 pairs): read the pairs and embed the pictures, the whole chain.

Evaluation only: nothing is ever chosen on these pictures.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from facehub.errors import FaceHubError, NoFaceError
from facehub.pipeline import FaceRecognizer


@dataclass(frozen=True)
class Pair:
    """Two members of the archive and whether they show one person."""

    first: str
    second: str
    same: bool


@dataclass(frozen=True, eq=False)
class LfwFaces:
    """Every picture of the pairs, embedded.

    Attributes:
        pairs: in the order of the folds.
        names: "NAME/NAME_0001.jpg", sorted.
        embeddings: float32 (N, 512), unit rows; NaN where no face was found.
    """

    pairs: list[Pair]
    names: list[str]
    embeddings: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """int (N,), equal for one person."""
        return np.unique([name.split("/")[0] for name in self.names], return_inverse=True)[1]

    def similarities(self) -> tuple[np.ndarray, np.ndarray]:
        """float (P,), minus infinity where a face is missing; and bool (P,), one person or two."""
        row = {name: i for i, name in enumerate(self.names)}
        first = self.embeddings[[row[pair.first] for pair in self.pairs]]
        second = self.embeddings[[row[pair.second] for pair in self.pairs]]
        similarity = np.nan_to_num((first * second).sum(axis=1), nan=-np.inf)
        return similarity, np.array([pair.same for pair in self.pairs])


def embed_lfw(archive: Path, recognizer: FaceRecognizer) -> LfwFaces:
    """Decode, detect, align and embed every picture of the pairs.

    Args:
        archive: zip with `pairs.txt` and `NAME/NAME_0001.jpg`.
        recognizer: the whole chain.

    Raises:
        ValueError: the archive lacks `pairs.txt` or a picture.
        ImageError: a picture cannot be used.
    """
    with zipfile.ZipFile(archive) as file:
        pairs = read_pairs(_read(file, "pairs.txt").decode())
        names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
        pictures = (_read(file, name) for name in names)
        found = tqdm(
            embed_pictures(pictures, recognizer), total=len(names), unit="img", leave=False
        )
        missing = np.full(recognizer.spec.embedding_size, np.nan, np.float32)
        embeddings = np.stack([missing if e is None else e for e in found])
    return LfwFaces(pairs, names, embeddings)


def read_pairs(text: str) -> list[Pair]:
    """Parse LFW's `pairs.txt`, in the order of its folds."""
    pairs = []
    for line in text.splitlines()[1:]:
        match line.split():
            case [name, i, j]:
                pairs.append(Pair(_member(name, i), _member(name, j), True))
            case [name, i, other, j]:
                pairs.append(Pair(_member(name, i), _member(other, j), False))
            case []:
                pass
            case _:
                raise ValueError(f"not a line of pairs.txt: {line!r}")
    return pairs


def embed_pictures(
    pictures: Iterable[bytes], recognizer: FaceRecognizer, batch_size: int = 64
) -> Iterator[np.ndarray | None]:
    """Embed the person each picture is about: LFW puts them in the middle. None: no face found."""
    for found in recognizer.faces_many(pictures, policy="central", batch_size=batch_size):
        if isinstance(found, NoFaceError):
            yield None
        elif isinstance(found, FaceHubError):
            raise found
        else:
            yield found[0].embedding


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError as error:
        raise ValueError(f"{archive.filename} lacks {name}") from error


def _member(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"
