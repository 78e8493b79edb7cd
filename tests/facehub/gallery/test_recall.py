"""The measured recall of approximate search."""

from __future__ import annotations

import numpy as np
import pytest

from facehub import Candidate, Entry, GalleryError, MemoryGallery
from facehub.gallery.recall import Indexed, _found, _share, measure_recall
from tests.facehub.gallery.conftest import FINGERPRINT


class Forgetful(MemoryGallery):
    """A gallery that misses the best person in every second search, and the last in each."""

    exact = False

    def __init__(self) -> None:
        super().__init__(FINGERPRINT, 16)
        self.searches = 0

    def search(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        self.searches += 1
        found = super().search(probes, top_k)
        return [each[self.searches % 2 : -1] for each in found]

    def search_exactly(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        return super().search(probes, top_k)

    def create_index(self) -> None: ...

    def drop_index(self) -> None: ...


def test_measured_recall_matches_a_hand_worked_case() -> None:
    gallery = Forgetful()
    gallery.add_many(Entry(f"p{i}", row) for i, row in enumerate(np.eye(16)))
    assert isinstance(gallery, Indexed)
    found = measure_recall(gallery, 10)
    assert found.probes == 10
    assert found.at_1.value == pytest.approx(0.5)
    assert found.at_5.value == pytest.approx((5 * 3 / 5 + 5 * 4 / 5) / 10)
    assert found.exact > 0
    assert found.time_ratio == found.approximate / found.exact
    assert found.to_dict()["recall_at_1"] == found.at_1.to_dict()


def test_recall_of_an_empty_gallery_is_refused() -> None:
    with pytest.raises(GalleryError, match="empty"):
        measure_recall(Forgetful())


def candidates(*similarities: float) -> list[Candidate]:
    return [Candidate(f"p{s}", s, 0, "") for s in similarities]


@pytest.mark.parametrize(
    ("found", "exact", "share"),
    [
        (candidates(0.9, 0.5, 0.3), candidates(0.9, 0.5), 1),
        (candidates(0.9, 0.3), candidates(0.9, 0.5), 0.5),
        (candidates(0.5, 0.5), candidates(0.9, 0.5), 1),  # anybody as similar as the last counts
        (candidates(), candidates(0.9, 0.5), 0),
        (candidates(), candidates(), 1),
    ],
)
def test_found_is_the_share_of_the_exact_result(
    found: list[Candidate], exact: list[Candidate], share: float
) -> None:
    assert _found(found, exact) == share


def test_share_has_a_wilson_interval() -> None:
    # Wilson for 10 of 100: (0.1 + z^2/200 -+ z sqrt(0.09/100 + z^2/40000)) / (1 + z^2/100)
    share = _share(10 * [1.0] + 90 * [0.0])
    assert (share.value, round(share.low, 4), round(share.high, 4)) == (0.1, 0.0552, 0.1744)
    assert _share(100 * [1.0]).high == 1
    assert round(_share(100 * [1.0]).low, 4) == 0.963
