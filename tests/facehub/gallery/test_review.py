"""Doubtful enrolments, from templates whose similarities are known."""

from __future__ import annotations

import numpy as np
import pytest

from facehub import Gallery, MemoryGallery
from facehub.gallery.review import Doubt, review_gallery


def _template(degrees: float, axis: int = 1) -> np.ndarray:
    """A unit vector so far from the first axis towards another: cosines are known."""
    vector = np.zeros(8)
    vector[0], vector[axis] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return vector


@pytest.fixture
def gallery() -> Gallery:
    """Two people, two photos each, 30 degrees apart; the people are at a right angle."""
    gallery = MemoryGallery("sha256:x", 8)
    gallery.add("Ada", _template(0), "a1")
    gallery.add("Ada", _template(30), "a2")
    gallery.add("Bob", _template(90, 2), "b1")
    gallery.add("Bob", _template(90, 2) * 0.866 + _template(90, 3) * 0.5, "b2")
    return gallery


def test_nothing_to_say(gallery: Gallery) -> None:
    assert review_gallery(gallery, threshold=0.5) == []
    assert review_gallery(MemoryGallery("sha256:x", 8), threshold=0.5) == []


def test_duplicate_is_told_once_and_of_the_later_photo(gallery: Gallery) -> None:
    gallery.add("Bob", _template(1), "b3")
    (found,) = review_gallery(gallery, threshold=0.5)
    assert (found.doubt, found.name, found.example, found.source) == (
        Doubt.DUPLICATE,
        "Bob",
        2,
        "b3",
    )
    assert (found.other, found.other_source) == ("Ada", "a1")
    assert found.similarity == pytest.approx(np.cos(np.radians(1)), abs=1e-5)


def test_outlier(gallery: Gallery) -> None:
    # 65 degrees from Ada's nearest photo: cosine 0.42, below 0.5 - 0.05 but not below 0.4.
    gallery.add("Ada", _template(95), "a3")
    (found,) = review_gallery(gallery, threshold=0.5, uncertain_margin=0.05)
    assert (found.doubt, found.name, found.source, found.other) == (
        Doubt.OUTLIER,
        "Ada",
        "a3",
        "Ada",
    )
    assert found.similarity == pytest.approx(np.cos(np.radians(65)), abs=1e-5)
    assert review_gallery(gallery, threshold=0.5, uncertain_margin=0.1) == []


def test_one_person_under_two_names(gallery: Gallery) -> None:
    gallery.add("Countess", _template(50), "c1")  # 20 degrees from a2
    (found,) = review_gallery(gallery, threshold=0.5)
    assert (found.doubt, found.name, found.other) == (Doubt.TWO_NAMES, "Countess", "Ada")
    assert found.other_source == "a2"


def test_a_single_photo_is_no_outlier() -> None:
    gallery = MemoryGallery("sha256:x", 8)
    gallery.add("Ada", _template(0))
    gallery.add("Bob", _template(90))
    assert review_gallery(gallery, threshold=0.5) == []


def test_without_a_threshold_only_copies_are_found(gallery: Gallery) -> None:
    assert review_gallery(gallery, threshold=None) == []
    gallery.add("Bob", _template(1), "b3")
    gallery.add("Ada", _template(90, 2), "a3")
    found = review_gallery(gallery, threshold=None)
    assert [f.doubt for f in found] == [Doubt.DUPLICATE, Doubt.DUPLICATE]
