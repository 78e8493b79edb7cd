"""Pictures under the wrong name are found; lookalikes and useless networks are left alone."""

from __future__ import annotations

import numpy as np

from train.evaluation.labels import mislabelled


def faces(people: int = 30, pictures: int = 5, spread: float = 0.12) -> np.ndarray:
    """Unit rows, person after person; pictures of one person have a similarity of about 0.5."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(people, 64))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = np.repeat(centres, pictures, axis=0)
    rows = rows + spread * rng.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


LABELS = np.repeat(np.arange(30), 5)


def test_nothing_to_find() -> None:
    assert not mislabelled(faces(), LABELS).any()


def test_a_picture_under_another_s_name() -> None:
    embeddings = faces(pictures=6)
    labels = np.repeat(np.arange(30), 6)
    labels[7] = 4  # the second person's
    assert np.flatnonzero(mislabelled(embeddings, labels)).tolist() == [7]


def test_a_person_under_two_names() -> None:
    """One of them goes, picture by picture, until too few are left to claim the other's."""
    embeddings = faces(pictures=10)
    labels = np.repeat(np.arange(30), 10)
    labels[:5] = 30
    found = np.flatnonzero(mislabelled(embeddings, labels))
    assert 0 < len(found) <= 6
    assert found.max() < 10


def test_a_lookalike_stays() -> None:
    """Half way to another person: nearer than strangers are, not as near as the person's own."""
    embeddings = faces(spread=0.08)
    row = 0.6 * embeddings[0] + 0.6 * embeddings[60:65].mean(axis=0)
    embeddings[0] = row / np.linalg.norm(row)
    assert not mislabelled(embeddings, LABELS)[0]


def test_one_picture_claims_nobody() -> None:
    """Two people who share a picture, one of them with nothing else."""
    embeddings, labels = faces(), LABELS.copy()
    embeddings = np.concatenate([embeddings, embeddings[:1]])
    labels = np.append(labels, 30)
    found = mislabelled(embeddings, labels)
    assert not found[:5].any()
    assert found[-1]  # it is the five pictures that claim the one


def test_a_network_that_knows_nobody_is_no_judge() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(150, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert not mislabelled(rows, LABELS).any()


def test_nobody_has_two_pictures() -> None:
    assert not mislabelled(faces()[::5], np.arange(30)).any()
