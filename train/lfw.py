"""Evaluate weights on LFW, view 2 (10 folds, 6,000 pairs), through the whole chain.

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

from facehub.alignment import align_faces
from facehub.encoder import FaceEncoder
from facehub.images import load_image
from train.metrics import KFoldAccuracy, error_rates, kfold_accuracy, threshold_at_fmr


@dataclass(frozen=True)
class Pair:
    """Two members of the archive and whether they show one person."""

    first: str
    second: str
    same: bool


@dataclass(frozen=True)
class LfwReport:
    """What the weights reach on LFW.

    Attributes:
        accuracy: 10-fold, in per cent.
        n_pictures: different pictures in the pairs.
        no_face: pictures in which no face was found; their genuine pairs count as errors.
        threshold: the weights' own, at which the rates hold.
        fmr: share of impostor pairs accepted.
        fnmr: share of genuine pairs rejected, those without a face included.
        tar: share of genuine pairs accepted at the key's false match rate.
    """

    accuracy: KFoldAccuracy
    n_pictures: int
    no_face: int
    threshold: float
    fmr: float
    fnmr: float
    tar: dict[str, float]


def evaluate(archive: Path, encoder: FaceEncoder, *, flip: bool = False) -> LfwReport:
    """Decode, detect, align and encode every picture of the pairs, then score the pairs.

    Args:
        archive: zip with `pairs.txt` and `NAME/NAME_0001.jpg`.
        encoder: weights.
        flip: add the embedding of the mirrored face.

    Raises:
        ValueError: the archive lacks `pairs.txt` or a picture.
    """
    with zipfile.ZipFile(archive) as file:
        pairs = read_pairs(_read(file, "pairs.txt").decode())
        names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
        pictures = (_read(file, name) for name in names)
        embeddings = list(
            tqdm(embed_pictures(pictures, encoder, flip), total=len(names), unit="img", leave=False)
        )
    by_name = dict(zip(names, embeddings, strict=True))
    similarity = np.array([_similarity(by_name[p.first], by_name[p.second]) for p in pairs])
    same = np.array([pair.same for pair in pairs])
    threshold = encoder.config.threshold
    fmr, fnmr = error_rates(similarity, same, threshold)
    tar = {}
    for target in (1e-2, 1e-3):
        tar[f"{target:g}"] = (
            1 - error_rates(similarity, same, threshold_at_fmr(similarity[~same], target))[1]
        )
    no_face = sum(e is None for e in embeddings)
    return LfwReport(
        kfold_accuracy(similarity, same), len(names), no_face, threshold, fmr, fnmr, tar
    )


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
    pictures: Iterable[bytes], encoder: FaceEncoder, flip: bool = False, batch_size: int = 64
) -> Iterator[np.ndarray | None]:
    """Embed the person each picture is about: LFW puts them in the middle. None: no face found."""

    def central_crop(data: bytes) -> np.ndarray | None:
        image = load_image(data)
        middle = np.array(image.shape[1::-1]) / 2
        faces = align_faces(image, template=encoder.config.template)
        if not faces:
            return None
        return min(faces, key=lambda f: np.linalg.norm(f.pupils.mean(axis=0) - middle)).crop

    source = iter(pictures)
    with ThreadPoolExecutor() as pool:
        while batch := list(itertools.islice(source, batch_size)):
            crops = list(pool.map(central_crop, batch))
            found = [crop for crop in crops if crop is not None]
            rows = iter(encoder.embed(np.stack(found), flip=flip)) if found else iter(())
            yield from (None if crop is None else next(rows) for crop in crops)


def _similarity(a: np.ndarray | None, b: np.ndarray | None) -> float:
    return -np.inf if a is None or b is None else float(a @ b)


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError as error:
        raise ValueError(f"{archive.filename} lacks {name}") from error


def _member(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"
