"""Clustering metrics: pairwise F1 and BCubed F."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """Precision, recall and their harmonic mean, each from 0 to 1.

    Attributes:
        precision: share of what is grouped together that belongs together.
        recall: share of what belongs together that is grouped together.
    """

    precision: float
    recall: float

    @property
    def f(self) -> float:
        """The harmonic mean; 0 if both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def pairwise(people: np.ndarray, groups: np.ndarray) -> Agreement:
    """Pairwise precision and recall; large groups have most weight.

    Args:
        people: int (N,), person of each face.
        groups: int (N,), group of each face.

    Returns:
        Precision is 1 if no pair is grouped together, recall is 1 if no pair belongs together.
    """
    cells, of_people, of_groups = _contingency(people, groups)[:3]
    right, theirs, ours = (float((n * (n - 1)).sum()) for n in (cells, of_people, of_groups))
    return Agreement(right / ours if ours else 1.0, right / theirs if theirs else 1.0)


def bcubed(people: np.ndarray, groups: np.ndarray) -> Agreement:
    """BCubed precision and recall (Bagga and Baldwin, 1998): means over faces.

    Args:
        people: int (N,), N at least 1, person of each face.
        groups: int (N,), group of each face.
    """
    cells, of_people, of_groups, person, group = _contingency(people, groups)
    return Agreement(
        float((cells**2 / of_groups[group]).sum() / len(people)),
        float((cells**2 / of_people[person]).sum() / len(people)),
    )


def _contingency(people: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, ...]:
    """Contingency table: sizes of the non-empty cells, of the people, of the groups; and the
    person and the group of each cell."""
    if len(people) != len(groups):
        raise ValueError("every face needs a person and a group")
    person, of_people = np.unique(people, return_inverse=True, return_counts=True)[1:]
    group, of_groups = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    both, cells = np.unique(np.stack([person, group]), axis=1, return_counts=True)
    return cells, of_people, of_groups, both[0], both[1]
