"""Labelled pairs of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

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
        dataset: name: "LFW", "cfp_fp".
        pairs: fold after fold, see `check_pairs`.
        read: returns the encoded picture of a name; raises ImageError.
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
        """bool (P,), whether each pair shows one person."""
        return np.array([pair.same for pair in self.pairs])

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """int (P,) twice: indices of the first and the second pictures in `names`."""
        row = {name: i for i, name in enumerate(self.names)}
        first = np.array([row[pair.first] for pair in self.pairs])
        return first, np.array([row[pair.second] for pair in self.pairs])

    @cached_property
    def labels(self) -> np.ndarray | None:
        """int (N,), equal for one person, from the folders; None if a pair contradicts."""
        labels = np.unique([identity_of(name) for name in self.names], return_inverse=True)[1]
        first, second = self.rows
        agrees = bool(((labels[first] == labels[second]) == self.same).all())
        return labels if agrees else None

    @cached_property
    def repeated(self) -> tuple[int, int]:
        """(number of repeated pairs, in either order; number of them with another label)."""
        known: dict[frozenset[str], bool] = {}
        contradicting = 0
        for pair in self.pairs:
            same = known.setdefault(frozenset((pair.first, pair.second)), pair.same)
            contradicting += same != pair.same
        again = len(self.pairs) - len(known)
        return again, contradicting

    def similarities(self, embeddings: np.ndarray) -> np.ndarray:
        """Cosine similarity of each pair.

        Args:
            embeddings: float32 (N, D), L2-normalised rows in the order of `names`; NaN without a
                face.

        Returns:
            float (P,); minus infinity if a face is missing.
        """
        first, second = self.rows
        products = (embeddings[first] * embeddings[second]).sum(axis=1)
        return np.asarray(np.nan_to_num(products, nan=-np.inf))


def check_pairs(pairs: list[Pair], where: str) -> list[Pair]:
    """Check that there are genuine and impostor pairs; return them.

    Raises:
        ValueError: one kind is missing.
    """
    if {pair.same for pair in pairs} != {True, False}:
        raise ValueError(f"{where} needs pairs of one person and pairs of two people")
    return pairs
