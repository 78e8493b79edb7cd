"""Agreement of groups with people, checked by hand."""

import numpy as np
import pytest

from train.evaluation.clusters import Agreement, bcubed, pairwise


def test_pairwise_and_bcubed_by_hand() -> None:
    people = np.array([5, 5, 5, 5, 7, 7])
    groups = np.array([0, 0, 0, 1, 1, 2])
    assert pairwise(people, groups) == Agreement(3 / 4, 3 / 7)  # 6 + 1 pairs belong together
    found = bcubed(people, groups)
    assert found.precision == pytest.approx((3 + 1 / 2 + 1 / 2 + 1) / 6)
    assert found.recall == pytest.approx((3 * 3 / 4 + 1 / 4 + 1 / 2 + 1 / 2) / 6)
    assert found.f == pytest.approx(2 / (1 / found.precision + 1 / found.recall))


def test_agreement_of_perfect_and_trivial_groups() -> None:
    people = np.array([0, 0, 1, 1, 2])
    for measure in (pairwise, bcubed):
        assert measure(people, people + 10) == Agreement(1, 1)
        assert measure(people, np.zeros(5)).recall == 1
        assert measure(people, np.arange(5)).precision == 1
    assert pairwise(people, np.arange(5)) == Agreement(1, 0)
    assert pairwise(people, np.arange(5)).f == 0
    assert pairwise(people, np.zeros(5)).precision == pytest.approx(2 / 10)
    assert pairwise(np.arange(3), np.arange(3)) == Agreement(1, 1)


def test_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="a person and a group"):
        pairwise(np.zeros(2), np.zeros(3))
