"""Confidence intervals from samples of people."""

from __future__ import annotations

import numpy as np
import pytest

from train.evaluation.metrics import all_pairs, rate
from train.evaluation.people import DRAWS, pair_rows, rates_over_people
from train.evaluation.report import rates_at


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_pair_rows_equal_triu_indices(n: int) -> None:
    expected = np.triu_indices(n, 1)
    first, second = pair_rows(np.arange(len(expected[0])), n)
    assert (first == expected[0]).all()
    assert (second == expected[1]).all()


def faces(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """20 people with one to five pictures, some easier than others; two look alike."""
    labels = np.repeat(np.arange(20), rng.integers(1, 6, 20))
    rows = rng.normal(size=(20, 8))
    rows[1] = rows[0]
    spread = rng.uniform(0.1, 1, 20)
    pictures = rows[labels] + spread[labels, None] * rng.normal(size=(len(labels), 8))
    return pictures / np.linalg.norm(pictures, axis=1, keepdims=True), labels


def test_intervals_equal_a_bootstrap_over_people() -> None:
    """Each draw repeats whole people; no person is compared with a copy of the same person."""
    rng = np.random.default_rng(5)
    embeddings, labels = faces(rng)
    similarity, same = all_pairs(embeddings, labels)
    fmr, fnmr = rates_over_people(similarity, same, labels, 0.7)
    assert fmr is not None
    assert fnmr is not None

    rng = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        weight = rng.multinomial(20, np.full(20, 1 / 20))
        copies = [(p, c) for p in range(20) for c in range(weight[p])]
        rows = np.concatenate([np.flatnonzero(labels == p) for p, _ in copies])
        copy = np.concatenate([np.full((labels == p).sum(), i) for i, (p, _) in enumerate(copies)])
        found, one = all_pairs(embeddings[rows], labels[rows])
        _, one_copy = all_pairs(embeddings[rows], copy)
        draws.append(((found[~one] >= 0.7).mean(), (found[one_copy] < 0.7).mean()))
    for known, (low, high), plain in zip(
        (fmr, fnmr),
        np.percentile(draws, (2.5, 97.5), axis=0).T,
        rates_at(similarity, same, 0.7),
        strict=True,
    ):
        assert plain is not None
        assert known.value == plain.value
        assert known.low == pytest.approx(min(low, plain.low))
        assert known.high == pytest.approx(max(high, plain.high))
        assert known.high - known.low > 1.3 * (plain.high - plain.low)


def test_rates_without_errors_keep_the_interval_of_wilson() -> None:
    labels = np.repeat(np.arange(30), 2)
    embeddings = np.eye(30)[labels]
    fmr, fnmr = rates_over_people(*all_pairs(embeddings, labels), labels, 0.5)
    assert (fmr, fnmr) == (rate(0, 30 * 29 * 2), rate(0, 30))


def test_rates_without_a_threshold_are_none() -> None:
    labels = np.array([0, 0, 1])
    assert rates_over_people(*all_pairs(np.eye(3), labels), labels, None) == (None, None)
