"""The search with fake networks: which views it examines, and each face once."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest

from facehub.detect.base import MAX_FACES, FaceLandmarks, Search
from facehub.detect.models import Proposal
from facehub.detect.search import MAX_MISSES, FoundFaces, _plausible, search_faces
from facehub.detect.tiles import Box, View


def face(x: float, y: float, side: float) -> FaceLandmarks:
    """A face with the middle of its eyes at (x, y)."""
    points = np.full((478, 2), (x, y), np.float32)
    points[0], points[1] = (x - side / 2, y - side / 2), (x + side / 2, y + side / 2)
    points[468], points[473] = (x - side / 5, y), (x + side / 5, y)
    return FaceLandmarks(points, np.eye(4, dtype=np.float32))


def proposal(x: float, y: float, side: float, score: float) -> Proposal:
    return Proposal(Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2), (x, y), score)


class Models:
    """Fake networks that know the faces of the picture.

    They see a face only where it is large enough in the view. They propose the first `phantoms`
    faces of a view, but find no landmarks there.
    """

    def __init__(self, faces: list[tuple[float, ...]], score: float, phantoms: int = 0) -> None:
        self.faces, self.score, self.phantoms = faces, score, phantoms
        self.proposed: list[View] = []
        self.landmarked: list[View] = []

    def _visible(self, view: View) -> list[tuple[float, ...]]:
        height, width = (side * view.factor for side in view.pixels.shape[:2])
        return [
            (x, y, side)
            for x, y, side in self.faces
            if view.x <= x < view.x + width
            and view.y <= y < view.y + height
            and side > 0.15 * max(width, height)
        ]

    def propose(self, view: View) -> list[Proposal]:
        self.proposed.append(view)
        return [proposal(*place, self.score) for place in self._visible(view)]

    def propose_ahead(self, view: View) -> Future[list[Proposal]]:
        done: Future[list[Proposal]] = Future()
        done.set_result(self.propose(view))
        return done

    def landmarks(self, view: View) -> list[FaceLandmarks]:
        self.landmarked.append(view)
        return [face(*place) for place in self._visible(view)[self.phantoms :]]


PICTURE = np.zeros((1000, 1000, 3), np.uint8)


@pytest.mark.parametrize(("search", "number"), [("auto", 1), ("thorough", 2)])
def test_only_thorough_search_finds_a_small_face_beside_a_large_one(
    search: Search, number: int
) -> None:
    models = Models([(300, 300, 400), (800, 800, 50)], 0.9)
    assert len(search_faces(models, PICTURE, search)) == number


@pytest.mark.parametrize("search", ["auto", "thorough"])
def test_both_searches_find_a_lone_small_face(search: Search) -> None:
    models = Models([(480, 520, 50)], 0.9)
    (found,) = search_faces(models, PICTURE, search)
    assert found.pupils.mean(axis=0).tolist() == [480, 520]


def test_sure_proposal_needs_no_second_look() -> None:
    looks = {}
    for score in (0.7, 0.8):
        models = Models([(480, 520, 50)], score)
        assert len(search_faces(models, PICTURE, "auto")) == 1
        looks[score] = len(models.proposed)
    assert looks[0.7] == looks[0.8] + 1


@pytest.mark.parametrize(
    ("side", "score", "plausible"), [(20, 0.4, True), (24, 0.4, False), (24, 0.5, True)]
)
def test_weak_proposal_has_to_be_small(side: float, score: float, plausible: bool) -> None:
    """The limit is 22 % of the tile: 22 of 100 pixels."""
    tile = View(np.zeros((50, 40, 3), np.uint8), factor=2)
    assert _plausible(proposal(50, 50, side, score), tile) == plausible


def test_weak_second_look_gets_no_landmarks() -> None:
    models = Models([(480, 520, 50)], 0.5)
    assert search_faces(models, PICTURE, "thorough") == []
    assert len(models.landmarked) == 2  # the whole picture and its padded copy


def test_rejected_place_gets_no_second_landmarks() -> None:
    """Four tiles propose it; the other two calls are for the whole and the padded picture."""
    models = Models([(500, 500, 100)], 0.9, phantoms=1)
    assert search_faces(models, PICTURE, "auto") == []
    assert len(models.landmarked) == 3


def test_known_face_is_not_searched_again() -> None:
    models = Models([(500, 500, 300)], 0.9)
    assert len(search_faces(models, PICTURE, "thorough")) == 1
    assert len(models.landmarked) == 1


def test_large_picture_is_reduced() -> None:
    models = Models([(2500, 2500, 2000)], 0.9)
    (found,) = search_faces(models, np.zeros((5000, 5000, 3), np.uint8), "auto")
    assert found.pupils.mean(axis=0).tolist() == [2500, 2500]
    (view,) = models.landmarked
    assert (view.factor, view.pixels.shape) == (3, (1666, 1666, 3))


def test_nested_face_of_one_pass_counts_once() -> None:
    found = FoundFaces()
    assert found.add(face(500, 500, 400))
    assert not found.add(face(520, 600, 100))
    assert not found.add(face(510, 400, 900))
    assert found.add(face(900, 500, 100))
    assert len(found.faces) == 2


@pytest.mark.parametrize("first", [0, 1])
def test_proposal_on_an_eye_is_no_face_in_any_order(first: int) -> None:
    """Also in one pass: of two nested proposals the larger is the face."""
    places = [(500, 500, 600), (600, 480, 180)]
    models = Models([places[first], places[1 - first], (40, 900, 180)], 0.9)
    found = search_faces(models, PICTURE, "auto")
    assert sorted(round(f.box[2] - f.box[0]) for f in found) == [180, 600]
    assert not any(f.pupils[:, 0].mean() == 600 for f in found)


def test_rejection_covers_only_proposals_of_its_size_and_score() -> None:
    found = FoundFaces()
    found.reject(proposal(100, 100, 50, 0.5))
    assert found.rejected(proposal(105, 100, 55, 0.4))
    assert not found.rejected(proposal(105, 100, 55, 0.6))
    assert not found.rejected(proposal(105, 100, 100, 0.4))
    assert not found.rejected(proposal(150, 100, 50, 0.4))


# --- work is bounded ------------------------------------------------------------------------------


def grid(side: int, count: int, size: float) -> list[tuple[float, ...]]:
    """`count` x `count` faces in a picture of `side` x `side` pixels."""
    step = side / count
    return [(step * (x + 0.5), step * (y + 0.5), size) for y in range(count) for x in range(count)]


def test_search_stops_one_face_beyond_the_limit() -> None:
    picture = np.zeros((4000, 4000, 3), np.uint8)
    models = Models(grid(4000, 20, 80), 0.9)
    found = search_faces(models, picture, "thorough")
    assert len(found) == MAX_FACES + 1
    assert len(models.landmarked) <= MAX_FACES + 4  # some for the whole picture and its padded copy


def test_search_of_a_crowd_finds_the_largest_faces() -> None:
    picture = np.zeros((4000, 4000, 3), np.uint8)
    places = [
        (x, y, 90 if number % 4 == 0 else 80) for number, (x, y, _) in enumerate(grid(4000, 20, 0))
    ]
    found = search_faces(Models(places, 0.9), picture, "thorough")
    sizes = [round(each.box[2] - each.box[0]) for each in found]
    assert sorted(sizes)[-100:] == [90] * 100


def test_search_stops_after_a_number_of_places_without_a_face() -> None:
    picture = np.zeros((4000, 4000, 3), np.uint8)
    places = grid(4000, 20, 80)
    models = Models(places, 0.9, phantoms=len(places))
    assert search_faces(models, picture, "thorough") == []
    assert len(models.landmarked) == MAX_MISSES + 2
