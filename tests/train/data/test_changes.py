"""Probabilities of the augmentations, from a configuration."""

import dataclasses

import pytest

from train.data.changes import FULL, Augmentation


def test_probabilities_of_none_flip_and_full() -> None:
    assert dataclasses.astuple(Augmentation.of("none")) == (0, 0, 0, 0, 0, 0)
    assert dataclasses.astuple(Augmentation.of("flip")) == (0.5, 0, 0, 0, 0, 0)
    assert Augmentation.of("full") == FULL
    assert dataclasses.astuple(FULL) == (0.5, 1, 1, 0.1, 0.1, 0.2)


def test_probability_setting_applies_to_all_changes_but_the_flip() -> None:
    assert dataclasses.astuple(Augmentation.of("full", 0.2)) == (0.5, 0.2, 0.2, 0.2, 0.2, 0.2)


@pytest.mark.parametrize(
    ("kind", "probability", "message"),
    [
        ("some", 0.0, "augmentation must be none, flip or full, not 'some'"),
        ("full", 1.5, "from 0 to 1"),
        ("full", float("nan"), "from 0 to 1"),
        ("flip", 0.2, "needs augmentation"),
    ],
)
def test_bad_settings_are_refused(kind: str, probability: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augmentation.of(kind, probability)
