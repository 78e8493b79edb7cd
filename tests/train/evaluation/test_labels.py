"""Mislabelled pictures are found; lookalikes are kept, and useless networks find none."""

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


def test_correct_labels_give_no_mislabelled_picture() -> None:
    assert not mislabelled(faces(), LABELS).any()


def test_picture_with_the_label_of_another_person_is_found() -> None:
    embeddings = faces(pictures=6)
    labels = np.repeat(np.arange(30), 6)
    labels[7] = 4  # it shows the person with label 1
    assert np.flatnonzero(mislabelled(embeddings, labels)).tolist() == [7]


def test_person_under_two_names_is_found_under_one_of_them() -> None:
    """Pictures of one name are removed until too few are left to match the other name."""
    embeddings = faces(pictures=10)
    labels = np.repeat(np.arange(30), 10)
    labels[:5] = 30
    found = np.flatnonzero(mislabelled(embeddings, labels))
    assert 0 < len(found) <= 6
    assert found.max() < 10


def test_lookalike_is_kept() -> None:
    """It is closer to another person than strangers are, but less close than her own pictures."""
    embeddings = faces(spread=0.08)
    row = 0.6 * embeddings[0] + 0.6 * embeddings[60:65].mean(axis=0)
    embeddings[0] = row / np.linalg.norm(row)
    assert not mislabelled(embeddings, LABELS)[0]


def test_single_picture_does_not_make_another_person_mislabelled() -> None:
    """Two people share a picture, and one of them has no other."""
    embeddings, labels = faces(), LABELS.copy()
    embeddings = np.concatenate([embeddings, embeddings[:1]])
    labels = np.append(labels, 30)
    found = mislabelled(embeddings, labels)
    assert not found[:5].any()
    assert found[-1]  # the five pictures match the single one


def test_network_without_skill_finds_no_mislabelled_picture() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(150, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert not mislabelled(rows, LABELS).any()


def test_people_with_one_picture_each_give_no_mislabelled_picture() -> None:
    assert not mislabelled(faces()[::5], np.arange(30)).any()
