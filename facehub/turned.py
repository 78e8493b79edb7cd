"""Faces in turned pictures: looked at again upright, and taken only if they stand up there.

The detector knows faces that stand or lean a little. In an upside-down picture it finds none, or
takes the chin for a forehead; in one that lies on its side it is often right, but not exact. So
`facehub.upright` judges every face. Where all stand, nothing more happens. Else each face that does
not is looked at in turned views of its surroundings, and of all that was seen at its place the one
that stands best counts. Where a turned face is found that way, or none stands, the whole picture is
searched in that turn, or in all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from facehub.align import align, similarity_matrix, warp
from facehub.detect.base import FaceDetector, FaceLandmarks, Search
from facehub.detect.mediapipe import default_detector
from facehub.detect.tiles import Box, reduced
from facehub.results import Face
from facehub.template import DEFAULT_TEMPLATE, AlignmentTemplate
from facehub.upright import SURE, upright_scores

MAX_ROLL = 35.0  # degrees up to which a face counts as upright in a view
MAX_LEAN = 50.0  # degrees up to which a turned picture may show it, to be found in that turn
VIEW_REACH = 1.25  # half the side of a turned view, in sides of the face's box
MAX_VIEW = 320  # pixels; larger ones are searched in tiles, which costs three times as much
ENOUGH = 1.5  # score from which a turned look counts; a face below it may lie on its side, too
BETTER = 2.0  # by how much a turned look has to be, for a covered face looks doubtful every way
BETTER_SURE = 0.5  # the same, where the turned look is sure
NOTHING = 0.0  # score below which there is no face, where the picture is known to be turned
MAX_LOOKS = 6  # turned views of one place


def align_faces(
    image: np.ndarray,
    detector: FaceDetector | None = None,
    *,
    template: AlignmentTemplate = DEFAULT_TEMPLATE,
    search: Search = "auto",
) -> list[Face]:
    """Find and align every face of a picture, which may be turned by any angle.

    Args:
        image: uint8 (H, W, 3), RGB, as `load_image` returns it.
        detector: finds the faces and their landmarks; None for the process's shared one.
        template: where the landmarks go in the crop; weights carry theirs in `config.json`.
        search: see `FaceDetector.find`.

    Returns:
        Faces from left to right; an empty list where there is none.

    Raises:
        AssetError: a file carried in the package is missing or damaged.
    """
    finder = _Finder(image, detector or default_detector(), template, search)
    faces = finder.faces()
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1] + face.box[3]))


@dataclass(frozen=True, eq=False)
class _View:
    """A turned picture, or a turned part of it.

    Attributes:
        pixels: uint8 (h, w, 3), RGB.
        back: float64 (2, 3), maps pixels of the view to pixels of the picture.
        degrees: how far the picture was turned anticlockwise.
    """

    pixels: np.ndarray
    back: np.ndarray
    degrees: float

    def placed(self, found: FaceLandmarks) -> FaceLandmarks:
        """Landmarks in the view to landmarks in the picture."""
        c, s = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        turn = np.eye(4)
        turn[:2, :2] = [[c, s], [-s, c]]  # clockwise, where y goes up
        points = found.points @ self.back[:, :2].T + self.back[:, 2]
        return FaceLandmarks(points.astype(np.float32), (turn @ found.pose).astype(np.float32))


class _Finder:
    """The search in one picture; arguments as in `align_faces`."""

    def __init__(
        self,
        image: np.ndarray,
        detector: FaceDetector,
        template: AlignmentTemplate,
        search: Search,
    ) -> None:
        self._image = image
        self._detector = detector
        self._template = template
        self._search = search

    def faces(self) -> list[Face]:
        """Each face once, in any order."""
        found = self._judged(self._detector.find(self._image, self._search))
        if found and all(map(_stands, found)):
            return found
        found = [face if _stands(face) else self._upright(face) for face in found]
        turns = {_quarter(face) for face in found if _score(face) >= ENOUGH} - {0}
        if not any(_score(face) >= ENOUGH for face in found):
            turns = {1, 2, 3}
        for turn in turns:
            view = _turned_picture(self._image, turn)
            for face in self._seen(view, self._search):
                if _score(face) >= ENOUGH and _leans(face, view.degrees) <= MAX_LEAN:
                    found.append(face)
        once = _each_once(found)
        if any(_score(face) >= ENOUGH and _leans(face, 0) > MAX_ROLL for face in once):
            return [face for face in once if _score(face) > NOTHING]
        return once

    def _upright(self, face: Face) -> Face:
        """The best that turned views show at the place of a face; the face itself if none is."""
        best = face
        leans = _leans(face, 0) > MAX_ROLL
        angles = [face.roll + 180]
        if leans:
            angles.insert(0, face.roll)
        if leans or _score(face) < ENOUGH:
            angles += [face.roll + 90, face.roll - 90]
        for looks, degrees in enumerate(angles):  # may grow
            if looks == MAX_LOOKS:
                break
            view = _turned_part(self._image, Box(*face.box), degrees)
            for seen in self._seen(view, "auto"):
                again = _leans(seen, face.roll) <= MAX_ROLL
                if not _same_place(seen, face) or (again and not leans):
                    continue
                if _leans(seen, degrees) > MAX_ROLL:
                    if not again and _sure(seen):
                        angles.append(seen.roll)
                elif _score(seen) > max(_score(best), _score(face) + _margin(seen)) or (
                    again and best is face and _score(seen) >= ENOUGH
                ):  # of two looks at a face, the upright one is exact
                    best = seen
        return best

    def _seen(self, view: _View, search: Search) -> list[Face]:
        found = self._detector.find(view.pixels, search)
        return self._judged(map(view.placed, found))

    def _judged(self, found: Iterable[FaceLandmarks]) -> list[Face]:
        faces = [align(self._image, landmarks, self._template) for landmarks in found]
        scores = upright_scores([_default_crop(face, self._template) for face in faces])
        return [
            replace(face, upright_score=float(score))
            for face, score in zip(faces, scores, strict=True)
        ]


def _stands(face: Face) -> bool:
    return _sure(face) and _leans(face, 0) <= MAX_ROLL


def _sure(face: Face) -> bool:
    return _score(face) >= SURE


def _margin(seen: Face) -> float:
    return BETTER_SURE if _sure(seen) else BETTER


def _score(face: Face) -> float:
    assert face.upright_score is not None
    return face.upright_score


def _leans(face: Face, degrees: float) -> float:
    """Degrees between the face and one whose roll is `degrees`, 0 to 180."""
    return abs((face.roll - degrees + 180) % 360 - 180)


def _quarter(face: Face) -> int:
    return round(face.roll / 90) % 4


def _each_once(faces: list[Face]) -> list[Face]:
    """Of all that was seen at one place, the face that stands best."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -_score(face)):
        if not any(_same_place(face, other) for other in kept):
            kept.append(face)
    return kept


def _same_place(a: Face, b: Face) -> bool:
    """Whether the eyes of one lie in the box of the other."""
    for one, other in ((a, b), (b, a)):
        (x, y), (x0, y0, x1, y1) = one.pupils.mean(axis=0), other.box
        if x0 <= x <= x1 and y0 <= y <= y1:
            return True
    return False


def _default_crop(face: Face, template: AlignmentTemplate) -> np.ndarray:
    """The face aligned to `DEFAULT_TEMPLATE`, from its crop."""
    if template == DEFAULT_TEMPLATE:
        return face.crop
    pupils = face.pupils @ face.matrix[:, :2].T + face.matrix[:, 2]
    return warp(face.crop, similarity_matrix(pupils), DEFAULT_TEMPLATE)


def _turned_picture(image: np.ndarray, quarters: int) -> _View:
    """The picture turned anticlockwise by quarters, 1 to 3."""
    height, width = image.shape[:2]
    back = {
        1: [[0, -1, width - 1], [1, 0, 0]],
        2: [[-1, 0, width - 1], [0, -1, height - 1]],
        3: [[0, 1, 0], [-1, 0, height - 1]],
    }[quarters]
    pixels = np.ascontiguousarray(np.rot90(image, quarters))
    return _View(pixels, np.array(back, np.float64), 90.0 * quarters)


def _turned_part(image: np.ndarray, box: Box, degrees: float) -> _View:
    """The square around a box, turned anticlockwise; grey where the picture ends."""
    factor = max(1, int(2 * VIEW_REACH * box.side / MAX_VIEW))
    small = reduced(image, factor)
    side = max(1, round(2 * VIEW_REACH * box.side / factor))
    # In the small picture, whose pixel (x, y) is the middle of a block of the picture.
    middle = (np.array(box.middle) - (factor - 1) / 2) / factor
    matrix: np.ndarray = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), degrees, 1)
    matrix[:, 2] += (side - 1) / 2 - middle
    pixels = cv2.warpAffine(
        small, matrix, (side, side), borderMode=cv2.BORDER_CONSTANT, borderValue=(128,) * 3
    )
    back = cv2.invertAffineTransform(matrix)
    back[:, :2] *= factor
    back[:, 2] = back[:, 2] * factor + (factor - 1) / 2
    return _View(pixels, back, degrees)
