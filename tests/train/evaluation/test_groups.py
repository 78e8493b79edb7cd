"""Error rates by group, checked against counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from train.evaluation import groups as module
from train.evaluation.attributes import Attributes
from train.evaluation.groups import group_lines, measure_groups, within_all, within_pairs
from train.evaluation.metrics import Rate, rate

NAMES = ["A/1", "A/2", "B/1", "B/2", "C/1", "C/2"]
LABELS = np.array([0, 0, 1, 1, 2, 2])
# On a circle: A and B lie close to each other, A's pictures 60 degrees apart. C/2 has no face.
ANGLES = np.radians([0, 60, 10, 10, 180, 0])
EMBEDDINGS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
EMBEDDINGS[5] = np.nan
ATTRIBUTES = Attributes(
    "made_up.csv",
    ("glasses", "tone"),
    {
        "A/1": ("yes", "I"),
        "A/2": ("yes", "I"),
        "B/1": ("yes", "I"),
        "B/2": ("no", "II"),
        "C/1": ("", "II"),
    },
)


@pytest.fixture(autouse=True)
def _no_least_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_PAIRS", 1)
    monkeypatch.setattr(module, "MIN_PEOPLE", 1)


def counted(found: Rate | None) -> tuple[int, int] | None:
    return None if found is None else (found.count, found.total)


def test_groups_over_all_pairs() -> None:
    compare = within_all(EMBEDDINGS, LABELS)
    found = measure_groups(ATTRIBUTES, NAMES, 0.8, compare, LABELS)
    assert (found.attributes, found.all_against_all, found.unnamed) == ("made_up.csv", True, 1)
    sizes = [(g.column, g.value, g.pictures, g.people, g.impostor, g.genuine) for g in found.groups]
    assert sizes == [
        ("", "", 5, 3, 8, 2),
        ("glasses", "no", 1, 1, 0, 0),
        ("glasses", "yes", 3, 2, 2, 1),
        ("tone", "I", 3, 2, 2, 1),
        ("tone", "II", 2, 2, 1, 0),
    ]
    # A1 is similar to B1 and B2; A2, 50 degrees away, is not.
    everyone, alone, glasses, _, second = found.groups
    assert (counted(everyone.fmr), counted(everyone.fnmr)) == ((2, 8), (1, 2))
    assert (alone.fmr, alone.fnmr) == (None, None)
    assert (counted(glasses.fmr), counted(glasses.fnmr)) == ((1, 2), (1, 1))
    assert (counted(second.fmr), second.fnmr) == ((0, 1), None)


def test_groups_over_the_pairs_of_a_protocol() -> None:
    """A1-B1 is accepted, A1-A2 is rejected, A1-B2 is in no group, A2-C2 lacks a face."""
    rows = (np.array([0, 0, 0, 1]), np.array([2, 1, 3, 5]))
    similarity = np.array([0.98, 0.5, 0.98, -np.inf])
    same = np.array([False, True, False, False])
    compare = within_pairs(similarity, same, rows)
    found = measure_groups(ATTRIBUTES, NAMES, 0.8, compare, None)
    assert not found.all_against_all
    everyone, no, yes = found.groups[:3]
    assert (everyone.people, everyone.fmr, everyone.fnmr) == (None, rate(2, 2), rate(1, 1))
    assert (no.fmr, no.fnmr) == (None, None)
    assert (yes.fmr, yes.fnmr) == (rate(1, 1), rate(1, 1))


def test_missing_face_counts_as_an_error() -> None:
    attributes = Attributes("a.csv", ("x",), dict.fromkeys(NAMES, ("y",)))
    compare = within_all(EMBEDDINGS, LABELS)
    group = measure_groups(attributes, NAMES, 0.8, compare, LABELS).groups[1]
    assert (counted(group.fmr), counted(group.fnmr)) == ((2, 12), (2, 3))


def test_rates_of_too_small_groups_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    compare = within_all(EMBEDDINGS, LABELS)
    monkeypatch.setattr(module, "MIN_PAIRS", 2)
    found = measure_groups(ATTRIBUTES, NAMES, 0.8, compare, LABELS)
    yes = found.groups[2]
    assert (counted(yes.fmr), yes.fnmr) == ((1, 2), None)
    # Wilson for 1 of 2: (1/2 + z^2/4) / (1 + z^2/2) = 1/2, half as wide as 2 z / sqrt(8 + 4 z^2).
    assert group_lines(found)[3] == (
        "  glasses: yes      3 pictures, 2 people; FMR 0.5000 [0.0945, 0.9055] (2 pairs), "
        "FNMR too few pairs (1 pairs)"
    )
    monkeypatch.setattr(module, "MIN_PEOPLE", 3)
    found = measure_groups(ATTRIBUTES, NAMES, 0.8, compare, LABELS)
    assert counted(found.groups[0].fmr) == (2, 8)
    assert found.groups[2].fmr is None


def test_groups_without_a_threshold_are_refused() -> None:
    with pytest.raises(ValueError, match="need a threshold"):
        measure_groups(ATTRIBUTES, NAMES, None, within_all(EMBEDDINGS, LABELS), LABELS)
