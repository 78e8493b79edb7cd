"""The fit of the tail, on artificial scores and artificial people."""

from __future__ import annotations

import numpy as np
import pytest

from train.evaluation.metrics import all_pairs
from train.evaluation.tail import fit_pareto, fit_tail


@pytest.mark.parametrize("shape", [-0.2, -0.02, 0.1, 0.3])
def test_fit_equals_scipy(shape: float) -> None:
    """SciPy finds the maximum differently; the results agree within the step of our grid."""
    stats = pytest.importorskip("scipy.stats")
    excess = stats.genpareto.rvs(shape, scale=0.04, size=3000, random_state=1)
    expected, _, scale = stats.genpareto.fit(excess, floc=0)
    ((found, found_scale),) = fit_pareto(excess, np.ones((1, 3000)))
    assert found == pytest.approx(expected, abs=0.01)
    assert found_scale == pytest.approx(scale, rel=0.01)


def test_weight_counts_as_copies_of_a_score() -> None:
    rng = np.random.default_rng(0)
    excess = rng.exponential(0.04, 500)
    weights = rng.integers(0, 4, 500)
    (weighted,) = fit_pareto(excess, weights[None].astype(float))
    (repeated,) = fit_pareto(np.repeat(excess, weights), np.ones((1, weights.sum())))
    assert weighted == pytest.approx(repeated, rel=0.3, abs=0.01)
    assert fit_pareto(excess, np.zeros((1, 500)))[0] == pytest.approx((np.nan, np.nan), nan_ok=True)


def test_equal_scores_have_no_tail() -> None:
    assert np.isnan(fit_pareto(np.zeros(10), np.ones((1, 10)))).all()


def faces(people: int, pictures: int, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(people, size))
    rows = np.repeat(centres, pictures, axis=0) + 0.5 * rng.normal(size=(people * pictures, size))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), np.repeat(np.arange(people), pictures)


def test_tail_of_some_people_predicts_the_scores_of_all() -> None:
    """The tail is fitted to 400,000 pairs and compared with the highest of all 4.5 million."""
    embeddings, labels = faces(600, 5)
    similarity, same = all_pairs(embeddings, labels)
    impostor = np.sort(similarity[~same])[::-1]
    mine = labels < 180
    tail = fit_tail(*all_pairs(embeddings[mine], labels[mine]), labels[mine])
    assert tail is not None
    assert tail.pairs == pytest.approx(400, rel=0.01)
    for fmr in (1e-4, 1e-5, 1e-6):
        found = float(impostor[int(fmr * len(impostor))])
        low, high = tail.interval_at(fmr)
        assert low <= found <= high
        assert low < tail.similarity_at(fmr) < high
        assert high - low < 0.3
    rate, predicted, deviation, measured = tail.check
    assert rate == pytest.approx(1e-5)
    assert measured == pytest.approx(predicted, abs=4 * deviation)


def test_intervals_do_not_shrink_with_copies_of_pictures() -> None:
    """With each picture three times, there are nine times the pairs but no more information."""
    embeddings, labels = faces(120, 5)
    once = fit_tail(*all_pairs(embeddings, labels), labels)
    copies = np.repeat(embeddings, 3, axis=0), np.repeat(labels, 3)
    often = fit_tail(*all_pairs(*copies), copies[1])
    assert once is not None
    assert often is not None
    assert often.pairs > 8 * once.pairs
    widths = [high - low for low, high in (t.interval_at(1e-5) for t in (once, often))]
    assert widths[1] > 0.7 * widths[0]


def test_too_few_pairs_have_no_tail() -> None:
    embeddings, labels = faces(60, 5)
    assert fit_tail(*all_pairs(embeddings, labels), labels) is None


def test_constant_embeddings_have_no_tail() -> None:
    labels = np.repeat(np.arange(120), 5)
    same = np.ones((600, 4), np.float32) / 2
    assert fit_tail(*all_pairs(same, labels), labels) is None
