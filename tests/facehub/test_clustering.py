"""Clustering, compared with scikit-learn and with hand-worked points on a circle."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from facehub import clustering, default_recognizer
from facehub.clustering import STRANGER_RATE, GroupingRule, cluster
from facehub.errors import AlbumError

HALF = GroupingRule(0.5, 0.5)


def mixture(people: int, each: int, noise: float, seed: int = 0, size: int = 32) -> np.ndarray:
    """Unit rows around `people` random directions; the rows of one person are adjacent."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(people, size)), each, axis=0)
    rows = centres + noise * rng.normal(size=centres.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def at(*degrees: float) -> np.ndarray:
    """Points on the unit circle; the similarity of two is the cosine of their difference."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.mark.parametrize("noise", [0.5, 0.9, 1.3])
@pytest.mark.parametrize("limit", [0.2, 0.4, 0.6])
def test_cluster_gives_the_groups_of_scikit_learn(noise: float, limit: float) -> None:
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import adjusted_rand_score

    rows = mixture(12, 9, noise)
    theirs = AgglomerativeClustering(
        n_clusters=None, distance_threshold=1 - limit, metric="cosine", linkage="average"
    ).fit_predict(rows.astype(np.float64))
    ours = cluster(rows, GroupingRule(limit, limit), neighbours=len(rows))
    assert 1 < len(set(theirs)) < len(rows)
    assert adjusted_rand_score(theirs, ours) == 1


def test_groups_are_numbered_by_their_first_faces() -> None:
    assert cluster(at(180, 0, 90, 10, 185), HALF).tolist() == [0, 1, 2, 1, 0]
    assert cluster(at(0), HALF).tolist() == [0]
    assert cluster(np.empty((0, 512), np.float32), HALF).tolist() == []


def test_two_single_faces_need_a_higher_similarity_than_a_face_and_a_group() -> None:
    rule = GroupingRule(pair=0.95, group=0.8)  # 18 and 37 degrees
    assert cluster(at(0, 30), rule).tolist() == [0, 1]
    assert cluster(at(0, 5, 32), rule).tolist() == [0, 0, 1]  # needs 0.875, is 0.87
    assert cluster(at(0, 5, 28), rule).tolist() == [0, 0, 0]  # is 0.90
    assert cluster(at(0, 5, 10, 15, 45), rule).tolist() == [0, 0, 0, 0, 1]  # needs 0.84, is 0.79
    assert cluster(at(0, 5, 10, 15, 38), rule).tolist() == [0, 0, 0, 0, 0]  # is 0.86


def test_faces_of_one_picture_are_never_one_person() -> None:
    assert cluster(at(0, 0, 1), HALF, [7, 7, 8]).tolist() == [
        0,
        1,
        0,
    ]  # twins, and one of them again
    assert cluster(at(0, 10, 20), HALF, [1, 2, 1]).tolist() == [0, 0, 1]  # nor through a third face
    rows = mixture(4, 40, 0.9, seed=1)
    for seed in range(5):
        pictures = np.random.default_rng(seed).integers(0, 60, len(rows))
        labels = cluster(rows, GroupingRule(0.2, 0.1), pictures)
        assert len(set(zip(labels.tolist(), pictures.tolist(), strict=True))) == len(rows)
        assert len(set(labels.tolist())) < len(rows) / 4  # faces are still grouped


def test_two_groups_with_faces_of_one_picture_stay_apart() -> None:
    """Each group has three faces, and picture 0 has a face in both."""
    rows = at(0, 1, 2, 30, 31, 32)
    assert cluster(rows, HALF).max() == 0
    assert cluster(rows, HALF, [0, 1, 2, 3, 4, 0]).tolist() == [0, 0, 0, 1, 1, 1]


def test_groups_do_not_depend_on_the_order_of_the_faces() -> None:
    from sklearn.metrics import adjusted_rand_score

    rows = mixture(10, 8, 0.9, seed=2)
    pictures = np.random.default_rng(0).integers(0, 50, len(rows))
    labels = cluster(rows, HALF, pictures)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(rows))
        again = cluster(rows[order], HALF, pictures[order])
        assert adjusted_rand_score(labels[order], again) == 1


@pytest.mark.parametrize("neighbours", [1, 3])
def test_short_lists_of_neighbours_lose_no_group(neighbours: int) -> None:
    """Nearly equal photos fill each other's lists of neighbours; groups are still compared."""
    rng = np.random.default_rng(3)
    bursts = np.repeat(mixture(1, 6, 0.5, seed=3), 10, axis=0)
    rows = bursts + 0.001 * rng.normal(size=bursts.shape)
    rows = np.concatenate([rows, mixture(5, 1, 1.0, seed=4)])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    labels = cluster(rows, HALF, neighbours=neighbours)
    assert labels.tolist() == [0] * 60 + [1, 2, 3, 4, 5]


def test_groups_do_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixture(10, 10, 0.9, seed=5)
    whole = cluster(rows, HALF)
    monkeypatch.setattr(clustering, "_CHUNK", 1)  # a row at a time
    assert (cluster(rows, HALF) == whole).all()


def test_memory_stays_below_a_matrix_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "_CHUNK", 2**16)
    rows = mixture(1200, 2, 0.3, size=16)
    tracemalloc.start()
    labels = cluster(rows, GroupingRule(0.8, 0.8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 900 < labels.max() < 1500
    assert peak < 4 * len(rows) ** 2 / 4  # a quarter of a float32 matrix of all pairs


def test_invalid_embeddings_pictures_and_rules_are_refused() -> None:
    with pytest.raises(ValueError, match="L2-normalised"):
        cluster(2 * at(0, 1), HALF)
    with pytest.raises(ValueError, match="L2-normalised"):
        cluster(np.full((2, 2), np.nan), HALF)
    with pytest.raises(ValueError, match="shape"):
        cluster(np.ones(4), HALF)
    with pytest.raises(ValueError, match="number of its picture"):
        cluster(at(0, 1), HALF, [1])
    with pytest.raises(ValueError, match="at most pair"):
        GroupingRule(0.3, 0.4)


@pytest.mark.models
def test_grouping_rule_comes_from_the_calibration() -> None:
    spec = default_recognizer().spec
    few, many = (GroupingRule.for_faces(spec, count) for count in (10, 10_000))
    assert few == GroupingRule(spec.threshold, spec.threshold)
    assert many.group == spec.threshold
    assert many.pair == spec.threshold_for(9_999, STRANGER_RATE) > spec.threshold + 0.1
    assert GroupingRule.for_faces(spec, 10_000, threshold=0.6) == GroupingRule(0.6, 0.6)
    assert GroupingRule.for_faces(spec, 0) == few
    with pytest.raises(AlbumError, match="not calibrated"):
        GroupingRule.for_faces(replace(spec, threshold=None), 10)
