"""Sets of pairs: similarities, identities and repeated pairs."""

from __future__ import annotations

import numpy as np
import pytest

from train.evaluation.pairs import Pair, PairSet


def test_similarities_of_pairs_without_a_face_are_minus_infinity() -> None:
    names = ["A/A_0001.jpg", "A/A_0002.jpg", "B/B_0001.jpg"]
    found = PairSet("x", [Pair(names[1], names[0], True), Pair(names[0], names[2], False)], bytes)
    assert found.names == names
    embeddings = np.array([[1, 0], [0.6, 0.8], [np.nan, np.nan]], np.float32)
    assert found.similarities(embeddings).tolist() == [pytest.approx(0.6), -np.inf]
    assert found.same.tolist() == [True, False]
    assert found.labels is not None
    assert found.labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "pair", [Pair("A/1", "A/2", False), Pair("A/1", "B/1", True)], ids=["too few", "too many"]
)
def test_folders_that_contradict_the_pairs_give_no_labels(pair: Pair) -> None:
    pairs = [Pair("A/1", "A/3", True), Pair("A/1", "C/1", False), pair]
    assert PairSet("x", pairs, bytes).labels is None


def test_repeated_pairs_and_contradictions_are_counted() -> None:
    """A pair counts in either order; one of the three repetitions has the other label."""
    first, second = Pair("A/1", "A/2", True), Pair("A/1", "B/1", False)
    again = [first, Pair("B/1", "A/1", False), Pair("A/2", "A/1", False)]
    assert PairSet("x", [first, second], bytes).repeated == (0, 0)
    assert PairSet("x", [first, second, *again], bytes).repeated == (3, 1)
