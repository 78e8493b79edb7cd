"""FMR and FNMR at the threshold for groups of people: gender, age, eyeglasses, skin tone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from train.evaluation.attributes import Attributes
from train.evaluation.metrics import Rate
from train.evaluation.people import rates_over_people
from train.evaluation.report import compare_all, interval, rates_at

MIN_PAIRS = 100  # fewest pairs for which a rate is reported
MIN_PEOPLE = 10

Compare = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class GroupRates:
    """Error rates of a group of pictures, compared only with each other.

    Attributes:
        column: attribute; "" for all pictures with attributes.
        value: value of the attribute.
        pictures: number of pictures.
        people: number of people; None if unknown.
        impostor: number of impostor pairs within the group.
        genuine: number of genuine pairs within the group.
        fmr: share of impostor pairs accepted; None below `MIN_PAIRS` or `MIN_PEOPLE`.
        fnmr: share of genuine pairs rejected, or None.
    """

    column: str
    value: str
    pictures: int
    people: int | None
    impostor: int
    genuine: int
    fmr: Rate | None
    fnmr: Rate | None


@dataclass(frozen=True)
class Groups:
    """Error rates by group.

    Intervals are Wilson's; for all against all, they are widened by `rates_over_people`.

    Attributes:
        attributes: name of the file.
        all_against_all: whether all pairs within a group count, or only the protocol's.
        threshold: threshold of the rates.
        unnamed: number of pictures that the file does not name.
        groups: all pictures first, then by column.
    """

    attributes: str
    all_against_all: bool
    threshold: float
    unnamed: int
    groups: tuple[GroupRates, ...]


def measure_groups(
    attributes: Attributes,
    names: Sequence[str],
    threshold: float | None,
    compare: Compare,
    labels: np.ndarray | None,
) -> Groups:
    """Measure error rates by group.

    Args:
        attributes: of the pictures or the people.
        names: (N,), names of the pictures.
        threshold: the weights' threshold.
        compare: returns similarity and same of the pairs within a bool (N,) mask: `within_all` or
            `within_pairs`.
        labels: int (N,), equal for one person; None if unknown, with `within_pairs`.

    Raises:
        ValueError: there is no threshold, or the attributes do not belong to the pictures.
    """
    if threshold is None:
        raise ValueError("rates by group need a threshold: `calibrate` first")
    values = attributes.of(names)
    named = np.array([value is not None for value in values])

    def measure(column: str, value: str, mask: np.ndarray) -> GroupRates:
        similarity, same = compare(mask)
        n_genuine = int(same.sum())
        n_impostor = len(same) - n_genuine
        people = None if labels is None else len(np.unique(labels[mask]))
        enough = people is None or people >= MIN_PEOPLE
        if labels is None:
            fmr, fnmr = rates_at(similarity, same, threshold)
        else:
            fmr, fnmr = rates_over_people(similarity, same, labels[mask], threshold)
        return GroupRates(
            column=column,
            value=value,
            pictures=int(mask.sum()),
            people=people,
            impostor=n_impostor,
            genuine=n_genuine,
            fmr=fmr if enough and n_impostor >= MIN_PAIRS else None,
            fnmr=fnmr if enough and n_genuine >= MIN_PAIRS else None,
        )

    groups = [measure("", "", named)]
    for place, column in enumerate(attributes.columns):
        of_column = np.array(["" if value is None else value[place] for value in values])
        for value in sorted(set(of_column.tolist()) - {""}):
            groups.append(measure(column, value, of_column == value))
    all_against_all = labels is not None
    unnamed = int((~named).sum())
    return Groups(attributes.file, all_against_all, threshold, unnamed, tuple(groups))


def within_all(embeddings: np.ndarray, labels: np.ndarray) -> Compare:
    """Compare all pictures of a group with each other.

    Args:
        embeddings: float32 (N, D), L2-normalised rows; NaN if no face was found.
        labels: int (N,), equal for one person.
    """

    def compare(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return compare_all(embeddings[mask], labels[mask])

    return compare


def within_pairs(
    similarity: np.ndarray, same: np.ndarray, rows: tuple[np.ndarray, np.ndarray]
) -> Compare:
    """Select the pairs of a protocol that are within a group.

    Args:
        similarity: float (P,).
        same: bool (P,).
        rows: int (P,) twice, indices of each pair's pictures.
    """

    def compare(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inside = mask[rows[0]] & mask[rows[1]]
        return similarity[inside], same[inside]

    return compare


def group_lines(found: Groups) -> list[str]:
    """Format the groups as text."""
    pairs = "all pairs within a group" if found.all_against_all else "the protocol's pairs"
    lines = [
        f"groups              {found.attributes}, {pairs}, at threshold {found.threshold:.3f}; "
        f"{found.unnamed} pictures are not named there"
    ]
    for group in found.groups:
        name = f"{group.column}: {group.value}" if group.column else "all of these"
        size = f"{group.pictures:,} pictures"
        if group.people is not None:
            size += f", {group.people:,} people"
        fmr = interval(group.fmr) if group.fmr else "too few pairs"
        fnmr = interval(group.fnmr) if group.fnmr else "too few pairs"
        lines.append(
            f"  {name:<18}{size}; FMR {fmr} ({group.impostor:,} pairs), "
            f"FNMR {fnmr} ({group.genuine:,} pairs)"
        )
    return lines
