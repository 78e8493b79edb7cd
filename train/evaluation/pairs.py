"""Labelled pairs of pictures, and the text files that list them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from facehub.io.sources import identity_of


@dataclass(frozen=True)
class Pair:
    """Two pictures, by name, and whether they show one person."""

    first: str
    second: str
    same: bool


@dataclass(frozen=True, eq=False)
class PairSet:
    """Pictures and labelled pairs of them.

    Attributes:
        dataset: what to call it: "LFW", "cfp_fp".
        pairs: fold after fold, see `check_pairs`.
        read: the encoded picture of a name; raises ImageError.
        aligned: whether the pictures are aligned crops, 112 pixels high.
    """

    dataset: str
    pairs: list[Pair]
    read: Callable[[str], bytes]
    aligned: bool = False

    @cached_property
    def names(self) -> list[str]:
        """Every picture once, sorted."""
        return sorted({name for pair in self.pairs for name in (pair.first, pair.second)})

    @cached_property
    def same(self) -> np.ndarray:
        """bool (P,), one person or two."""
        return np.array([pair.same for pair in self.pairs])

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """int (P,) twice: where the first and the second picture of each pair are in `names`."""
        row = {name: i for i, name in enumerate(self.names)}
        first = np.array([row[pair.first] for pair in self.pairs])
        return first, np.array([row[pair.second] for pair in self.pairs])

    @cached_property
    def labels(self) -> np.ndarray | None:
        """int (N,), equal for one person: the pictures' folders. None where a pair contradicts."""
        labels = np.unique([identity_of(name) for name in self.names], return_inverse=True)[1]
        first, second = self.rows
        agrees = bool(((labels[first] == labels[second]) == self.same).all())
        return labels if agrees else None

    def similarities(self, embeddings: np.ndarray) -> np.ndarray:
        """Cosine similarity of each pair.

        Args:
            embeddings: float32 (N, D), unit rows in the order of `names`; NaN without a face.

        Returns:
            float (P,); minus infinity where a face is missing.
        """
        first, second = self.rows
        products = (embeddings[first] * embeddings[second]).sum(axis=1)
        return np.asarray(np.nan_to_num(products, nan=-np.inf))


def check_pairs(pairs: list[Pair], where: str) -> list[Pair]:
    """The pairs, if some are of one person and some of two people.

    Raises:
        ValueError: they are not.
    """
    if {pair.same for pair in pairs} != {True, False}:
        raise ValueError(f"{where} needs pairs of one person and pairs of two people")
    return pairs


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without a byte order mark.

    Raises:
        ValueError: it is not text.
        OSError: it cannot be read.
    """
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file") from error


def is_lfw(text: str) -> bool:
    """Whether a pairs file has LFW's form: it begins with the number of folds or pairs."""
    head = text.split("\n", 1)[0].split()
    return 1 <= len(head) <= 2 and all(word.isdecimal() for word in head)


def parse_pairs(text: str, where: str) -> list[Pair]:
    """Parse LFW's `pairs.txt`, or lines of `FIRST SECOND 1` for one person and 0 for two.

    Columns of the second form are separated by tabs, commas or white space.

    Args:
        text: content of the file.
        where: the file, for messages.

    Raises:
        ValueError: a line is of neither form.
    """
    lines = text.splitlines()
    if is_lfw(text):
        numbered = enumerate(lines[1:], 2)
        return [_lfw_pair(line, f"{where}, line {i}") for i, line in numbered if line.strip()]
    return [_pair(line, f"{where}, line {i}") for i, line in enumerate(lines, 1) if line.strip()]


def _lfw_pair(line: str, where: str) -> Pair:
    match line.split():
        case [name, i, j] if i.isdecimal() and j.isdecimal():
            return Pair(_lfw_name(name, i), _lfw_name(name, j), True)
        case [name, i, other, j] if i.isdecimal() and j.isdecimal():
            return Pair(_lfw_name(name, i), _lfw_name(other, j), False)
    raise ValueError(f"{where}: not a pair of LFW's form: {line!r}")


def _lfw_name(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"


def _pair(line: str, where: str) -> Pair:
    separator = next((mark for mark in "\t," if mark in line), None)
    match [word.strip() for word in line.split(separator)]:
        case [first, second, ("0" | "1") as same] if first and second:
            return Pair(_posix(first), _posix(second), same == "1")
    raise ValueError(f"{where}: not two pictures and 0 or 1: {line!r}")


def _posix(name: str) -> str:
    """The name as sources have it: "./a\\b.jpg" is "a/b.jpg"."""
    return PurePosixPath(name.replace("\\", "/")).as_posix()
