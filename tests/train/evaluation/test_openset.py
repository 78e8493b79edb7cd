"""Open-set identification on embeddings constructed by hand."""

import numpy as np
import pytest

from train.evaluation.openset import open_set


def people(n: int, pictures: int, angle: float = 0.0, size: int = 300) -> np.ndarray:
    """`pictures` embeddings for each of `n` people on axes of their own, `angle` away from them."""
    rows = []
    for person in range(n):
        for picture in range(pictures):
            row = np.zeros(size, np.float32)
            row[person] = np.cos(angle * picture)
            row[n + person] = np.sin(angle * picture)
            rows.append(row)
    return np.array(rows)


def test_perfect_embeddings_have_rank1_of_1_and_no_errors() -> None:
    # 20 of 50 people are enrolled. The 60 pictures of the others all have similarity 0.
    found = open_set(people(50, 2, 0.5), np.repeat(np.arange(50), 2), 20, fpir=0.05, draws=3)
    assert found is not None
    assert (found.rank1, found.fnir) == (1, 0)
    assert 0 < found.threshold < np.cos(0.5)
    assert (found.mated_probes, found.stranger_probes) == (20, 60)


def test_missing_face_counts_as_an_error_and_is_never_enrolled() -> None:
    embeddings, labels = people(50, 3, 0.5), np.repeat(np.arange(50), 3)
    embeddings[2::3] = np.nan
    found = open_set(embeddings, labels, 20, fpir=0.05, draws=3)
    assert found is not None
    # Each person has one probe with a face and one without.
    assert found.rank1 == pytest.approx(0.5)
    assert found.fnir == pytest.approx(0.5)
    assert found.stranger_probes == 60
    assert (found.rank1_std, found.fnir_std) == (0, 0)  # the same in every draw


def test_standard_deviations_are_positive_if_galleries_differ() -> None:
    """Half of the people have a picture without a face; each gallery draws a different number."""
    embeddings, labels = people(50, 2, 0.5), np.repeat(np.arange(50), 2)
    embeddings[1:50:2] = np.nan
    found = open_set(
        np.concatenate([embeddings, people(50, 1, 0.5)]),
        np.concatenate([labels, np.arange(50)]),
        20,
        fpir=0.05,
        draws=3,
    )
    assert found is not None
    assert 0 < found.rank1_std < 0.2
    assert found.rank1_std == pytest.approx(found.fnir_std)


def test_strangers_like_enrolled_people_raise_the_fnir() -> None:
    # All embeddings are equal, so no threshold separates enrolled people from strangers.
    embeddings, labels = np.ones((100, 1), np.float32), np.repeat(np.arange(50), 2)
    found = open_set(embeddings, labels, 20, fpir=0.05, draws=2)
    assert found is not None
    assert found.fnir == 1


def test_too_few_people_or_strangers_give_no_result() -> None:
    embeddings, labels = people(50, 2), np.repeat(np.arange(50), 2)
    assert open_set(embeddings, labels, 51) is None  # there are 50 people
    assert open_set(embeddings, labels, 20, fpir=0.01) is None  # 60 strangers cannot show 1 %
