"""How well groups of faces agree with the people they show: pairwise F1 and BCubed F."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """Precision, recall and their harmonic mean, each from 0 to 1.

    Attributes:
        precision: of what was put together, the share that belongs together.
        recall: of what belongs together, the share that was put together.
    """

    precision: float
    recall: float

    @property
    def f(self) -> float:
        """The harmonic mean; 0 where both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def pairwise(people: np.ndarray, groups: np.ndarray) -> Agreement:
    """Agreement counted in pairs of faces; large groups weigh most.

    Args:
        people: int (N,), whom each face shows.
        groups: int (N,), the group that each face was put into.

    Returns:
        Precision is 1 where no pair was put together, recall where none belongs together.
    """
    cells, of_people, of_groups = _contingency(people, groups)[:3]
    right, theirs, ours = (float((n * (n - 1)).sum()) for n in (cells, of_people, of_groups))
    return Agreement(right / ours if ours else 1.0, right / theirs if theirs else 1.0)


def bcubed(people: np.ndarray, groups: np.ndarray) -> Agreement:
    """Agreement averaged over faces (Bagga and Baldwin, 1998); every face weighs the same.

    Args:
        people: int (N,), N at least 1, whom each face shows.
        groups: int (N,), the group that each face was put into.
    """
    cells, of_people, of_groups, person, group = _contingency(people, groups)
    return Agreement(
        float((cells**2 / of_groups[group]).sum() / len(people)),
        float((cells**2 / of_people[person]).sum() / len(people)),
    )


def _contingency(people: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, ...]:
    """Faces of each person in each group where there are any, of each person, of each group;
    and the person and the group of each of the first."""
    if len(people) != len(groups):
        raise ValueError("every face needs a person and a group")
    person, of_people = np.unique(people, return_inverse=True, return_counts=True)[1:]
    group, of_groups = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    both, cells = np.unique(np.stack([person, group]), axis=1, return_counts=True)
    return cells, of_people, of_groups, both[0], both[1]
