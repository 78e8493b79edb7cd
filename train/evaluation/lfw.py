"""LFW, view 2 (10 folds, 6,000 pairs): read the pairs and embed the pictures, the whole chain.

Evaluation only: nothing is ever chosen on these pictures.
"""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from facehub.align import align_faces, central_face
from facehub.encoder import FaceEncoder
from facehub.io.images import load_image


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


def embed_lfw(archive: Path, encoder: FaceEncoder) -> LfwFaces:
    """Decode, detect, align and encode every picture of the pairs.

    Args:
        archive: zip with `pairs.txt` and `NAME/NAME_0001.jpg`.
        encoder: weights.

    Raises:
        ValueError: the archive lacks `pairs.txt` or a picture.
    """
    with zipfile.ZipFile(archive) as file:
        pairs = read_pairs(_read(file, "pairs.txt").decode())
        names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
        pictures = (_read(file, name) for name in names)
        found = tqdm(embed_pictures(pictures, encoder), total=len(names), unit="img", leave=False)
        missing = np.full(encoder.spec.embedding_size, np.nan, np.float32)
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
    pictures: Iterable[bytes], encoder: FaceEncoder, batch_size: int = 64
) -> Iterator[np.ndarray | None]:
    """Embed the person each picture is about: LFW puts them in the middle. None: no face found."""

    def central_crop(data: bytes) -> np.ndarray | None:
        image = load_image(data)
        faces = align_faces(image, template=encoder.spec.template)
        return central_face(faces, image.shape).crop if faces else None

    source = iter(pictures)
    with ThreadPoolExecutor() as pool:
        while batch := list(itertools.islice(source, batch_size)):
            crops = list(pool.map(central_crop, batch))
            found = [crop for crop in crops if crop is not None]
            rows = iter(encoder.embed(np.stack(found))) if found else iter(())
            yield from (None if crop is None else next(rows) for crop in crops)


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError as error:
        raise ValueError(f"{archive.filename} lacks {name}") from error


def _member(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"
