"""The review of doubtful enrolments, with templates of known similarities."""

from __future__ import annotations

import numpy as np
import pytest

from facehub import Entry, Gallery, MemoryGallery
from facehub.gallery.review import FALSE, ReviewReason, review_gallery
from facehub.model.calibration import Calibration
from facehub.model.spec import ModelSpec


def _template(degrees: float, axis: int = 1) -> np.ndarray:
    """A unit vector, `degrees` from the first axis towards another: cosines are known."""
    vector = np.zeros(8)
    vector[0], vector[axis] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return vector


def spec(threshold: float | None, uncertain_margin: float = 0.0) -> ModelSpec:
    """A spec without calibration: its threshold does not rise with the gallery."""
    return ModelSpec(threshold=threshold, uncertain_margin=uncertain_margin, embedding_size=8)


@pytest.fixture
def gallery() -> Gallery:
    """Two people, two photos each, 30 degrees apart; the people are at a right angle."""
    gallery = MemoryGallery("sha256:x", 8)
    gallery.add("Ada", _template(0), "a1")
    gallery.add("Ada", _template(30), "a2")
    gallery.add("Bob", _template(90, 2), "b1")
    gallery.add("Bob", _template(90, 2) * 0.866 + _template(90, 3) * 0.5, "b2")
    return gallery


def test_sound_gallery_has_no_finding(gallery: Gallery) -> None:
    assert review_gallery(gallery, spec(0.5)) == []
    assert review_gallery(MemoryGallery("sha256:x", 8), spec(0.5)) == []


def test_duplicate_is_reported_once_for_the_later_photo(gallery: Gallery) -> None:
    gallery.add("Bob", _template(1), "b3")
    (found,) = review_gallery(gallery, spec(0.5))
    assert (found.reason, found.name, found.example, found.source) == (
        ReviewReason.DUPLICATE,
        "Bob",
        2,
        "b3",
    )
    assert (found.other, found.other_source) == ("Ada", "a1")
    assert found.similarity == pytest.approx(np.cos(np.radians(1)), abs=1e-5)


def test_photo_beyond_the_margin_is_an_outlier(gallery: Gallery) -> None:
    # 65 degrees from Ada's nearest photo: cosine 0.42, below 0.5 - 0.05 but not below 0.4.
    gallery.add("Ada", _template(95), "a3")
    (found,) = review_gallery(gallery, spec(0.5, 0.05))
    assert (found.reason, found.name, found.source, found.other) == (
        ReviewReason.OUTLIER,
        "Ada",
        "a3",
        "Ada",
    )
    assert found.similarity == pytest.approx(np.cos(np.radians(65)), abs=1e-5)
    assert review_gallery(gallery, spec(0.5, 0.1)) == []


def test_one_person_under_two_names_is_reported(gallery: Gallery) -> None:
    gallery.add("Countess", _template(50), "c1")  # 20 degrees from a2
    (found,) = review_gallery(gallery, spec(0.5))
    assert (found.reason, found.name, found.other) == (ReviewReason.TWO_NAMES, "Countess", "Ada")
    assert found.other_source == "a2"


def test_single_photo_of_a_person_is_no_outlier() -> None:
    gallery = MemoryGallery("sha256:x", 8)
    gallery.add("Ada", _template(0))
    gallery.add("Bob", _template(90))
    assert review_gallery(gallery, spec(0.5)) == []


def test_review_without_a_threshold_finds_only_duplicates(gallery: Gallery) -> None:
    assert review_gallery(gallery, spec(None)) == []
    gallery.add("Bob", _template(1), "b3")
    gallery.add("Ada", _template(90, 2), "a3")
    found = review_gallery(gallery, spec(None))
    assert [f.reason for f in found] == [ReviewReason.DUPLICATE, ReviewReason.DUPLICATE]


# --- many people ----------------------------------------------------------------------------------

SIZE = 64


def strangers(count: int, seed: int) -> np.ndarray:
    """Random unit vectors: similarities have mean 0 and standard deviation 1/8."""
    rows = np.random.default_rng(seed).normal(size=(count, SIZE))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def measured() -> ModelSpec:
    """A calibration of such vectors; one impostor pair in 1,000 reaches the threshold."""
    rows = strangers(4000, 99)
    similarity = np.sort((rows @ rows.T)[np.triu_indices(len(rows), 1)])
    limits = np.arange(-0.2, 0.7, 0.02)
    rates = 1 - np.searchsorted(similarity, limits) / len(similarity)
    curve = tuple((float(s), float(fmr), 0.1) for s, fmr in zip(limits, rates, strict=True))
    calibration = Calibration("made up", 1e-3, 1e-3, 0.1, len(similarity), 9, curve)
    threshold = float(similarity[-len(similarity) // 1000])
    return ModelSpec(threshold=threshold, calibration=calibration, embedding_size=SIZE)


@pytest.mark.parametrize("count", [50, 100, 200, 300])
def test_review_of_different_people_has_few_false_findings(measured: ModelSpec, count: int) -> None:
    """The threshold of a single pair would report about 45 of the 44,850 pairs of 300 people."""
    found = []
    for seed in range(20):
        gallery = MemoryGallery("sha256:x", SIZE)
        gallery.add_many(Entry(f"p{i}", row) for i, row in enumerate(strangers(count, seed)))
        found.append(len(review_gallery(gallery, measured)))
    assert sum(found) <= 20 * 3 * FALSE  # expected: one in ten galleries has one
    assert sum(n > 1 for n in found) <= 1
    assert measured.threshold is not None
    by_hand = review_gallery(gallery, measured.with_threshold(measured.threshold))
    assert (len(by_hand) > 10) == (count >= 200)


def test_one_person_under_two_names_is_found_among_300(measured: ModelSpec) -> None:
    gallery = MemoryGallery("sha256:x", SIZE)
    rows = strangers(300, 1)
    for number, row in enumerate(rows):
        gallery.add(f"p{number}", row)
    gallery.add("again", rows[7] + 0.6 * strangers(1, 1)[0])  # a cosine of about 0.86
    (found,) = review_gallery(gallery, measured)
    assert (found.reason, found.name, found.other) == (ReviewReason.TWO_NAMES, "again", "p7")
