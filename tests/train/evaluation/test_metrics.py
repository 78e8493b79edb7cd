"""Verification metrics, checked against values calculated by hand."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from train.evaluation.metrics import (
    all_pairs,
    best_threshold,
    kfold_accuracy,
    operating_points,
    rate,
    threshold_at_fmr,
)

INF = float("inf")


def pairs(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Similarities and labels from ".9+ .1-": a genuine pair at 0.9, an impostor pair at 0.1."""
    words = text.split()
    return np.array([float(w[:-1]) for w in words]), np.array([w[-1] == "+" for w in words])


def test_all_pairs_gives_cosines_and_labels() -> None:
    degrees = np.radians([0, 10, 61, 75])  # two people, two faces each, at angles in the plane
    embeddings = np.column_stack([np.cos(degrees), np.sin(degrees)]).astype(np.float32)
    similarity, same = all_pairs(embeddings, np.array([7, 7, 3, 3]))
    expected = np.cos(np.radians([10, 61, 75, 51, 65, 14]))
    np.testing.assert_allclose(similarity, expected, atol=1e-6)
    assert same.tolist() == [True, False, False, False, False, True]


def test_all_pairs_of_many_faces_fit_into_memory() -> None:
    """Peak memory: n^2 float32 similarities, and less than half as much for each result."""
    n = 1000
    embeddings, labels = np.zeros((n, 4), np.float32), np.arange(n)
    tracemalloc.start()
    all_pairs(embeddings, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * n * n


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        (".9+ .1-", 0.5),  # halfway
        (".1- .9+", 0.5),  # in any order
        (".9+ .8+ .3- .1-", 0.55),
        (".9+ .6- .5+ .4+ .1-", 0.25),  # one error; above 0.6 there would be two
        (".9+ .6- .5- .4+ .1-", 0.75),  # one error; below there would be two
        (".9+ .8+", 0.8),  # nothing lies below the last pair, so the threshold is its similarity
        (".9+ .5+ .5- .1-", 0.7),  # equal similarities are all accepted or all rejected
        (".9+ -inf-", 0.9),  # there is no midpoint to minus infinity
        (".9+ -inf+ -inf-", 0.9),  # minus infinity is never accepted
    ],
)
def test_best_threshold_by_hand(text: str, threshold: float) -> None:
    assert best_threshold(*pairs(text)) == pytest.approx(threshold)


@pytest.mark.parametrize("text", [".9- .1-", ".9- .8- .5+", "-inf- -inf+"])
def test_best_threshold_may_reject_all_pairs(text: str) -> None:
    """If impostor pairs have the highest similarities, rejecting all makes the fewest errors."""
    similarity, same = pairs(text)
    assert not (similarity >= best_threshold(similarity, same)).any()


def test_best_threshold_equals_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        similarity = rng.integers(0, 12, 30) / 10  # with ties
        same = rng.random(30) < similarity
        best = max(np.mean((similarity >= t) == same) for t in [*similarity, INF])
        threshold = best_threshold(similarity, same)
        assert np.mean((similarity >= threshold) == same) == best


def test_kfold_accuracy_by_hand() -> None:
    """Two folds of four pairs; the threshold of each is chosen on the other.

    The best on the second is (0.8 + 0.62) / 2 = 0.71: the first is all right there. The best on the
    first is (0.9 + 0.3) / 2 = 0.6: the second has one error of four there, the impostor at 0.62.
    """
    similarity, same = pairs(".95+ .9+ .3- .2-   .85+ .8+ .5- .62-")
    result = kfold_accuracy(similarity, same, n_folds=2)
    assert result.thresholds == pytest.approx((0.71, 0.6))
    assert result.mean == pytest.approx((100 + 75) / 2)
    assert result.std == pytest.approx(12.5)
    assert (result.correct.count, result.correct.total) == (7, 8)


def test_kfold_accuracy_counts_pairs_without_a_face() -> None:
    """The genuine pair without a face is an error, the impostor pair without one is not."""
    similarity, same = pairs(".9+ .1-   .9+ -inf+   .9+ -inf-")
    result = kfold_accuracy(similarity, same, n_folds=3)
    assert result.mean == pytest.approx((100 + 50 + 100) / 3)


@pytest.mark.parametrize(
    ("fmr", "above"),
    [
        (0.1, 0.9),  # one of ten may be accepted: all up to 0.9 are rejected
        (0.2, 0.8),
        (0.25, 0.8),  # two and a half are rounded down to two
        (0.5, 0.5),
        (0.9, 0.1),
    ],
)
def test_threshold_at_fmr_by_hand(fmr: float, above: float) -> None:
    impostor = np.random.default_rng(0).permutation(np.arange(1, 11) / 10)
    threshold = threshold_at_fmr(impostor, fmr)
    assert above < threshold < above + 1e-6
    assert np.mean(impostor >= threshold) <= fmr
    assert np.mean(impostor >= above) > fmr  # a lower threshold accepts too many


def test_threshold_at_fmr_with_ties() -> None:
    """One of four may be accepted, but the two highest are equal: neither is accepted."""
    impostor = np.array([0.7, 0.7, 0.2, 0.1], np.float32)
    assert 0.7 < threshold_at_fmr(impostor, 0.25) < 0.7001


def test_threshold_at_fmr_of_one_accepts_all() -> None:
    assert threshold_at_fmr(np.array([0.3, 0.1, 0.2]), 1) == 0.1


@pytest.mark.parametrize(("n", "fmr"), [(9, 0.1), (999, 1e-3), (0, 0.5), (10, 0.0)])
def test_threshold_at_fmr_needs_enough_pairs(n: int, fmr: float) -> None:
    with pytest.raises(ValueError, match=f"{n} impostor pairs are too few to measure"):
        threshold_at_fmr(np.zeros(n), fmr)


@pytest.mark.parametrize("fmr", [float("nan"), INF, -0.1, 1.1])
def test_threshold_at_invalid_fmr_is_refused(fmr: float) -> None:
    with pytest.raises(ValueError, match="a number from 0 to 1, not"):
        threshold_at_fmr(np.zeros(1000), fmr)


def test_rate_by_hand() -> None:
    # Wilson for 10 of 100: (0.1 + z^2/200 -+ z sqrt(0.09/100 + z^2/40000)) / (1 + z^2/100)
    found = rate(10, 100)
    assert (found.value, found.count, found.total) == (0.1, 10, 100)
    assert found.low == pytest.approx(0.0552, abs=1e-4)
    assert found.high == pytest.approx(0.1744, abs=1e-4)
    assert rate(0, 50).low == 0
    assert rate(50, 50).high == pytest.approx(1)


def test_operating_points_leave_out_rates_that_too_few_pairs_can_show() -> None:
    impostor = np.linspace(0, 0.99, 100)
    genuine = np.array([0.2, 0.95, 0.985, 1.0])
    (point,) = operating_points(genuine, impostor, (0.01, 0.001))
    # One of 100 impostors may pass: the threshold lies just above the second highest, 0.98.
    assert point.fmr == 0.01
    assert point.threshold == pytest.approx(0.98)
    assert (point.fnmr.count, point.fnmr.total) == (2, 4)


def test_operating_points_of_nan_reject_every_genuine_pair() -> None:
    """Embeddings of NaN, as from weights that diverged, reject every genuine pair."""
    nan = np.full(100, np.nan, np.float32)
    (point,) = operating_points(nan, nan, (0.01,))
    assert point.fnmr.value == 1


def test_operating_points_equal_scikit_learn() -> None:
    """Compared on 200 random sets, half of them with many ties."""
    from sklearn.metrics import roc_curve

    rng = np.random.default_rng(0)
    for number in range(200):
        counts = rng.integers(50, 400, 2)
        genuine, impostor = (
            rng.normal(mean, 0.2, count).astype(np.float32)
            for mean, count in zip((0.5, 0.1), counts, strict=True)
        )
        if number % 2:
            genuine, impostor = genuine.round(1), impostor.round(1)
        scores = np.concatenate([genuine, impostor])
        is_genuine = np.repeat([1, 0], counts)
        fpr, tpr, _ = roc_curve(is_genuine, scores, drop_intermediate=False)
        for point in operating_points(genuine, impostor, (0.5, 0.1, 0.02, 0.01)):
            allowed = int(len(impostor) * point.fmr)  # compares counts, as rates may be rounded
            best = tpr[np.rint(fpr * len(impostor)) <= allowed].max()
            assert 1 - point.fnmr.value == pytest.approx(best, abs=1e-12)
