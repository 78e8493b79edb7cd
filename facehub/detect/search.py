"""Search for faces of any size: the whole picture, then tiles, then a closer look at proposals.

Landmarks cost six times as much as proposals. So the detector runs on tiles, then again on the
surroundings of each proposal, and only confirmed proposals get landmarks. Proposals for the tiles
are computed in the background.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

import cv2
import numpy as np

from facehub.detect.base import MAX_FACES, FaceLandmarks, Search
from facehub.detect.models import Proposal
from facehub.detect.tiles import MAX_LEVELS, Box, View, reduced, square_around, tiles

WHOLE_SIDE = 2048  # longest side to which the whole picture is reduced

# Chosen with faces of CelebA pasted into pictures of scikit-image: the search finds 754 of 780 with
# these values, STRIDE and MIN_SCORE; the landmarker on tiles of half the side finds 743. The second
# look drops nine of ten false proposals.
WEAK_SCORE, WEAK_SIZE = 0.5, 0.22  # weaker proposals must be small in their tile
SURE_SCORE = 0.75  # a proposal with this score needs no second look
CHECK_REACH, CHECK_SCORE = 1.5, 0.6
LANDMARKS_REACH = 1.25

MAX_MISSES = 300  # false proposals before the search stops; bombs have thousands


class FaceModels(Protocol):
    """The interface that the search needs; see `MediaPipeModels`."""

    def propose(self, view: View) -> list[Proposal]:
        """Find boxes that may hold a face."""
        ...

    def propose_ahead(self, view: View) -> Future[list[Proposal]]:
        """Start `propose` in the background."""
        ...

    def landmarks(self, view: View) -> list[FaceLandmarks]:
        """Find faces with their landmarks."""
        ...


def search_faces(models: FaceModels, image: np.ndarray, search: Search) -> list[FaceLandmarks]:
    """Find the faces of a picture, each once.

    Args:
        models: computes proposals and landmarks.
        image: uint8 (H, W, 3), RGB.
        search: "auto" searches the whole picture and its halves and, only if the whole picture
            shows no face, a padded copy (for faces that fill the picture) and smaller tiles.
            "thorough" always searches the smaller tiles too.

    Returns:
        Faces in the order of discovery, from large tiles to small ones. The search ends after more
        than `MAX_FACES` faces or `MAX_MISSES` false proposals.
    """
    pending = [_start(models, image, 0)]
    found = FoundFaces()
    for face in sorted(_in_whole(models, image), key=lambda face: -Box(*face.box).side):
        found.add(face)  # the largest first: on a close-up, an eye may be taken for a face
    if search == "thorough" or not found.faces:
        pending += [_start(models, image, level) for level in range(1, MAX_LEVELS)]
    for tiles_of_level in pending:
        for proposal in _proposals(tiles_of_level):
            if found.is_full:
                return found.faces
            if not found.knows(proposal.box, proposal.eyes):
                _look_closer(models, image, proposal, found)
    return found.faces


_Started = list[tuple[View, Future[list[Proposal]]]]


def _start(models: FaceModels, image: np.ndarray, level: int) -> _Started:
    """Start computing proposals for the tiles of one level, in the background."""
    return [(tile, models.propose_ahead(tile)) for tile in tiles(image, range(level, level + 1))]


def _proposals(started: _Started) -> list[Proposal]:
    """The plausible proposals of one level; if there are many, the largest first."""
    found = [
        proposal
        for tile, proposals in started
        for proposal in proposals.result()
        if _plausible(proposal, tile)
    ]
    if len(found) > MAX_FACES:
        found.sort(key=lambda proposal: -proposal.box.side)
    return found


def _plausible(proposal: Proposal, tile: View) -> bool:
    """Reject weak scores except for small faces, at the network's limit."""
    small = proposal.box.side <= WEAK_SIZE * max(tile.pixels.shape[:2]) * tile.factor
    return small or proposal.score >= WEAK_SCORE


class FoundFaces:
    """The faces found so far, and the rejected proposals.

    Attributes:
        faces: each face once.
    """

    def __init__(self) -> None:
        self.faces: list[FaceLandmarks] = []
        self._boxes = np.empty((0, 4))
        self._eyes = np.empty((0, 2))
        self._rejected: list[Proposal] = []
        self._misses = 0

    @property
    def is_full(self) -> bool:
        """Whether the search must stop."""
        return len(self.faces) > MAX_FACES or self._misses >= MAX_MISSES

    def add(self, face: FaceLandmarks) -> bool:
        """Add a face unless it was found before; return whether it was added."""
        eyes = face.pupils.mean(axis=0)
        if self.knows(Box(*face.box), (eyes[0], eyes[1])):
            return False
        self.faces.append(face)
        self._boxes = np.vstack([self._boxes, face.box])
        self._eyes = np.vstack([self._eyes, eyes])
        return True

    def reject(self, proposal: Proposal) -> None:
        """Remember a false proposal."""
        self._rejected.append(proposal)
        self._misses += 1

    def knows(self, box: Box, eyes: tuple[float, float]) -> bool:
        """Whether a face was found before: the eyes of one are inside the box of the other."""
        corners, other_corners = np.reshape(box, (2, 2)), self._boxes.reshape(-1, 2, 2)
        in_other = (other_corners[:, 0] <= eyes) & (eyes <= other_corners[:, 1])
        others_in = (corners[0] <= self._eyes) & (self._eyes <= corners[1])
        return bool((in_other.all(axis=1) | others_in.all(axis=1)).any())

    def rejected(self, proposal: Proposal) -> bool:
        """Whether a similar proposal with at least the same score was rejected before."""
        (x, y), side = proposal.eyes, proposal.box.side
        return any(
            other.score >= proposal.score
            and max(abs(other.eyes[0] - x), abs(other.eyes[1] - y)) < 0.25 * side
            and 0.6 < other.box.side / side < 1.6
            for other in self._rejected
        )


def _in_whole(models: FaceModels, image: np.ndarray) -> list[FaceLandmarks]:
    factor = -(-max(image.shape[:2]) // WHOLE_SIDE)  # rounded up
    small = reduced(image, factor)
    if not small.size:
        return []
    return models.landmarks(View(small, factor=factor)) or _in_padded(models, small, factor)


def _in_padded(models: FaceModels, small: np.ndarray, factor: int) -> list[FaceLandmarks]:
    """Find faces that fill the picture or are cut off by its border."""
    height, width = small.shape[:2]
    pad = max(height, width) // 2
    padded = cv2.copyMakeBorder(small, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(128,) * 3)
    return [
        face
        for face in models.landmarks(View(padded, -pad * factor, -pad * factor, factor))
        if (face.pupils >= 0).all() and (face.pupils < (width * factor, height * factor)).all()
    ]


def _look_closer(
    models: FaceModels, image: np.ndarray, proposal: Proposal, found: FoundFaces
) -> None:
    """Confirm a proposal by a second look and landmarks; add the face or reject the proposal."""
    if found.rejected(proposal):
        return
    closer: Proposal | None = proposal
    if proposal.score < SURE_SCORE:
        closer = _second_look(models, image, proposal)
    if closer is not None and not found.knows(closer.box, closer.eyes):
        for face in models.landmarks(square_around(image, closer.box, LANDMARKS_REACH)):
            x, y = face.pupils.mean(axis=0)
            if same_place(Proposal(Box(*face.box), (x, y), 1), closer) and found.add(face):
                return
    found.reject(proposal)


def _second_look(models: FaceModels, image: np.ndarray, proposal: Proposal) -> Proposal | None:
    for closer in models.propose(square_around(image, proposal.box, CHECK_REACH)):
        if closer.score >= CHECK_SCORE and same_place(closer, proposal):
            return closer
    return None


def same_place(a: Proposal, b: Proposal) -> bool:
    """Whether two proposals are of one face: the eyes of one are inside the box of the other."""
    for eyes, box in ((a.eyes, b.box), (b.eyes, a.box)):
        if box.x0 <= eyes[0] <= box.x1 and box.y0 <= eyes[1] <= box.y1:
            return True
    return False
