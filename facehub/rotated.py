"""Find faces in rotated pictures: detect them again in rotated views, and keep the upright result.

The detector expects faces that are upright or tilted a little. In an upside-down picture it finds
none, or takes the chin for the forehead; in a picture rotated by 90 degrees it is often right, but
not exact. So `facehub.upright` scores every face. If all are upright, the search ends. Otherwise
each face that is not upright is detected again in rotated views of its surroundings, and the best
result at its position is kept. If that finds a rotated face, the whole picture is searched in that
rotation; if no face is upright, in all rotations.
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
MAX_LEAN = 50.0  # degrees up to which a face may be tilted in a rotated picture to be found there
VIEW_REACH = 1.25  # half the side of a rotated view, in sides of the face's box
MAX_VIEW = 320  # pixels; larger views are searched in tiles, at three times the cost
ENOUGH = 1.5  # lowest score of a rotated view's face; a face below it is also tried sideways
BETTER = 2.0  # lowest gain in score of a rotated view: occluded faces score low in every rotation
BETTER_SURE = 0.5  # the same, if the rotated view's face is sure
NOTHING = 0.0  # in a picture known to be rotated, a face with a lower score is dropped
MAX_LOOKS = 6  # rotated views per position


def align_faces(
    image: np.ndarray,
    detector: FaceDetector | None = None,
    *,
    template: AlignmentTemplate = DEFAULT_TEMPLATE,
    search: Search = "auto",
) -> list[Face]:
    """Find and align every face of a picture, which may be rotated by any angle.

    Args:
        image: uint8 (H, W, 3), RGB, 0 to 255, from `load_image`.
        detector: finds the faces and their landmarks; None: the process's shared detector.
        template: positions of the landmarks in the crop; weights have theirs in `config.json`.
        search: see `FaceDetector.find`.

    Returns:
        Faces from left to right; an empty list if there is none.

    Raises:
        AssetError: a file of the package is missing or damaged.
    """
    finder = _Finder(image, detector or default_detector(), template, search)
    faces = finder.faces()
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1] + face.box[3]))


@dataclass(frozen=True, eq=False)
class _View:
    """A rotated picture, or a rotated part of it.

    Attributes:
        pixels: uint8 (h, w, 3), RGB.
        back: float64 (2, 3), which maps pixels of the view to pixels of the picture.
        degrees: rotation of the picture, anticlockwise.
    """

    pixels: np.ndarray
    back: np.ndarray
    degrees: float

    def to_picture(self, found: FaceLandmarks) -> FaceLandmarks:
        """Map landmarks in the view to landmarks in the picture."""
        c, s = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        turn = np.eye(4)
        turn[:2, :2] = [[c, s], [-s, c]]  # clockwise, with y up
        points = found.points @ self.back[:, :2].T + self.back[:, 2]
        return FaceLandmarks(points.astype(np.float32), (turn @ found.pose).astype(np.float32))


class _Finder:
    """The search in one picture; see `align_faces` for the arguments."""

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
        """Find each face once, in any order."""
        found = self._scored(self._detector.find(self._image, self._search))
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
        """The best face that rotated views show at a face's position, or the face itself."""
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
                ):  # the upright view of the same face is more exact
                    best = seen
        return best

    def _seen(self, view: _View, search: Search) -> list[Face]:
        found = self._detector.find(view.pixels, search)
        return self._scored(map(view.to_picture, found))

    def _scored(self, found: Iterable[FaceLandmarks]) -> list[Face]:
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
    """Absolute difference between a face's roll and `degrees`, 0 to 180."""
    return abs((face.roll - degrees + 180) % 360 - 180)


def _quarter(face: Face) -> int:
    return round(face.roll / 90) % 4


def _each_once(faces: list[Face]) -> list[Face]:
    """Keep the face with the highest score at each position."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -_score(face)):
        if not any(_same_place(face, other) for other in kept):
            kept.append(face)
    return kept


def _same_place(a: Face, b: Face) -> bool:
    """Whether the eyes of one face are inside the box of the other."""
    for one, other in ((a, b), (b, a)):
        (x, y), (x0, y0, x1, y1) = one.pupils.mean(axis=0), other.box
        if x0 <= x <= x1 and y0 <= y <= y1:
            return True
    return False


def _default_crop(face: Face, template: AlignmentTemplate) -> np.ndarray:
    """Re-align a face's crop to `DEFAULT_TEMPLATE`."""
    if template == DEFAULT_TEMPLATE:
        return face.crop
    pupils = face.pupils @ face.matrix[:, :2].T + face.matrix[:, 2]
    return warp(face.crop, similarity_matrix(pupils), DEFAULT_TEMPLATE)


def _turned_picture(image: np.ndarray, quarters: int) -> _View:
    """Rotate the picture anticlockwise by 1 to 3 quarter turns."""
    height, width = image.shape[:2]
    back = {
        1: [[0, -1, width - 1], [1, 0, 0]],
        2: [[-1, 0, width - 1], [0, -1, height - 1]],
        3: [[0, 1, 0], [-1, 0, height - 1]],
    }[quarters]
    pixels = np.ascontiguousarray(np.rot90(image, quarters))
    return _View(pixels, np.array(back, np.float64), 90.0 * quarters)


def _turned_part(image: np.ndarray, box: Box, degrees: float) -> _View:
    """Rotate the square around a box anticlockwise; grey outside the picture."""
    factor = max(1, int(2 * VIEW_REACH * box.side / MAX_VIEW))
    small = reduced(image, factor)
    side = max(1, round(2 * VIEW_REACH * box.side / factor))
    # In the reduced picture, whose pixels are centred on blocks of the picture.
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
