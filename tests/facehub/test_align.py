"""Alignment: pupils on the template, pose with the right sign, crops without artefacts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facehub import AlignmentTemplate, align
from facehub.align import similarity_matrix, warp
from facehub.detect.base import FaceLandmarks
from facehub.rotated import align_faces
from facehub.template import DEFAULT_TEMPLATE

FACE = (224.0, 102.0)  # between the astronaut's pupils


def turned(picture: np.ndarray, degrees: float, scale: float = 1.0) -> np.ndarray:
    """Rotate clockwise about the face and scale; the picture keeps its size."""
    matrix = cv2.getRotationMatrix2D(FACE, -degrees, scale)
    size = picture.shape[1::-1]
    return cv2.warpAffine(
        picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )


def nose_moved(picture: np.ndarray, by: float) -> np.ndarray:
    """Move the middle of Hopper's face to image right, as a turn of the head does."""
    x = np.arange(picture.shape[1], dtype=np.float32)
    source = x - by * np.exp(-2 * ((x - 264) / 95) ** 2)
    rows, columns = np.indices(picture.shape[:2], dtype=np.float32)
    columns[:] = source
    return cv2.remap(picture, columns, rows, cv2.INTER_LINEAR)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference in grey levels, without the outermost pixels."""
    return float(np.abs(a.astype(int) - b)[4:-4, 4:-4].mean())


# --- geometry -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [DEFAULT_TEMPLATE, AlignmentTemplate(112, 112, (38.3, 51.7), (73.5, 51.5))],
    ids=["default", "slanted"],
)
@pytest.mark.parametrize(
    "pupils",
    [
        [(30.4, 51.6), (65.6, 51.6)],
        [(100, 200), (150, 180)],
        [(100, 200), (100, 150)],
        [(2000, 1500), (3000, 1600)],
        [(-5, 3), (2, 9)],
    ],
    ids=["in place", "slanted", "upright", "large", "outside"],
)
def test_matrix_puts_pupils_on_template(
    pupils: list[tuple[float, float]], template: AlignmentTemplate
) -> None:
    matrix = similarity_matrix(np.array(pupils), template)
    assert matrix.dtype == np.float32
    mapped = np.column_stack([pupils, np.ones(2)]) @ matrix.T
    np.testing.assert_allclose(mapped, [template.left_eye, template.right_eye], atol=1e-3)


def test_matrix_matches_a_hand_worked_case() -> None:
    """Pupils 17.6 apart, one above the other: scale 35.2 / 17.6 = 2, a quarter turn clockwise."""
    matrix = similarity_matrix(np.array([(10, 27.6), (10, 10)]))
    # x' = -2 y + b, y' = 2 x + c: (10, 27.6) goes to (30.4, 51.6), so b = 85.6 and c = 31.6.
    np.testing.assert_allclose(matrix, [[0, -2, 85.6], [2, 0, 31.6]], atol=1e-4)


def test_matrix_only_rotates_scales_and_shifts() -> None:
    a = similarity_matrix(np.array([(12.0, 34.0), (60.0, 21.0)]))[:, :2].astype(np.float64)
    np.testing.assert_allclose(a @ a.T, np.linalg.det(a) * np.eye(2), atol=1e-6)
    assert np.linalg.det(a) > 0  # no mirror image


def test_aligned_face_has_crop_pupils_box_and_landmarks(astronaut: np.ndarray) -> None:
    (face,) = align_faces(astronaut)
    assert face.crop.shape == (112, 96, 3)
    assert face.crop.dtype == np.uint8
    mapped = np.column_stack([face.pupils, np.ones(2)]) @ face.matrix.T
    np.testing.assert_allclose(mapped, [(30.4, 51.6), (65.6, 51.6)], atol=1e-3)
    assert face.inter_eye == pytest.approx(np.hypot(42.5, 2.4), abs=1.5)
    assert face.area == pytest.approx(
        (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]), rel=1e-6
    )
    assert face.landmarks.shape == (478, 2)


def test_picture_without_a_face_gives_no_aligned_face(nobody: np.ndarray) -> None:
    assert align_faces(nobody) == []


def test_template_sets_the_size_of_the_crop(astronaut: np.ndarray) -> None:
    """A template twice as large gives the same crop at twice the size."""
    large = AlignmentTemplate(192, 224, (61.3, 103.7), (131.7, 103.7))  # x' = 2 x + 1/2
    (face,) = align_faces(astronaut, template=large)
    assert face.crop.shape == (224, 192, 3)
    (small,) = align_faces(astronaut)
    halved = cv2.resize(face.crop, (96, 112), interpolation=cv2.INTER_AREA)
    assert difference(halved, small.crop) < 6


# --- pose -----------------------------------------------------------------------------------------


def rotation(axis: str, degrees: float) -> np.ndarray:
    """Right-handed rotation of a pose: x right, y up, z to the viewer."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    pose = np.eye(4, dtype=np.float32)
    pose[i, i] = pose[j, j] = c
    pose[j, i], pose[i, j] = s, -s
    return pose


@pytest.mark.parametrize(
    ("axis", "degrees", "yaw", "pitch"),
    [
        ("y", 0, 0, 0),
        ("y", 25, 25, 0),  # z turns towards x: the nose points to image right
        ("y", -70, -70, 0),
        ("x", -20, 0, 20),  # z turns towards y: the nose points up
        ("x", 15, 0, -15),
        ("z", 40, 0, 0),  # a tilt changes neither yaw nor pitch
    ],
)
def test_yaw_and_pitch_of_hand_made_pose(
    monkeypatch: pytest.MonkeyPatch, axis: str, degrees: float, yaw: float, pitch: float
) -> None:
    points = np.random.default_rng(0).uniform(10, 90, (478, 2)).astype(np.float32)
    points[468], points[473] = (30, 50), (60, 50)
    pose = rotation(axis, degrees)
    pose[:3, :3] *= 1.3  # MediaPipe's matrix also scales
    face = align.align(np.zeros((100, 100, 3), np.uint8), FaceLandmarks(points, pose))
    assert (face.yaw, face.pitch) == pytest.approx((yaw, pitch), abs=1e-3)


def test_nose_at_image_right_is_positive_yaw(hopper: np.ndarray) -> None:
    yaws = [align_faces(nose_moved(hopper, by))[0].yaw for by in (-55, 0, 55)]
    assert yaws[0] < -8 < -4 < yaws[1] < 4 < 8 < yaws[2]


@pytest.mark.parametrize("by", [-55, -30, 30, 55])
def test_mirror_image_has_the_opposite_yaw(hopper: np.ndarray, by: float) -> None:
    picture = nose_moved(hopper, by)
    yaw, mirrored = (align_faces(p)[0].yaw for p in (picture, picture[:, ::-1]))
    assert np.sign(mirrored) == -np.sign(yaw) == -np.sign(by)
    assert mirrored == pytest.approx(-yaw, abs=5)


@pytest.mark.parametrize("degrees", [-30, -10, 10, 30])
def test_roll_is_clockwise(astronaut: np.ndarray, degrees: float) -> None:
    before, after = (align_faces(p)[0].roll for p in (astronaut, turned(astronaut, degrees)))
    assert after - before == pytest.approx(degrees, abs=2)


def test_mirror_image_has_the_opposite_roll(astronaut: np.ndarray) -> None:
    roll, mirrored = (align_faces(p)[0].roll for p in (astronaut, astronaut[:, ::-1]))
    assert roll == pytest.approx(np.degrees(np.arctan2(2.4, 42.5)), abs=1.5)
    assert mirrored == pytest.approx(-roll, abs=1.5)


# --- the crop -------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [-25, -10, 10, 25])
def test_crop_does_not_depend_on_rotation(astronaut: np.ndarray, degrees: float) -> None:
    before, after = (align_faces(p)[0].crop for p in (astronaut, turned(astronaut, degrees)))
    assert difference(before, after) < 8


@pytest.mark.parametrize("scale", [0.5, 2, 4])
def test_crop_does_not_depend_on_scale(astronaut: np.ndarray, scale: float) -> None:
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=kind)
    before, after = (align_faces(p)[0].crop for p in (astronaut, scaled))
    assert difference(before, after) < 8


def test_crops_of_two_people_differ(astronaut: np.ndarray, hopper: np.ndarray) -> None:
    """The bounds on equal crops above are far below this difference."""
    one, other = (align_faces(p)[0].crop for p in (astronaut, hopper))
    assert difference(one, other) > 40


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_warp_averages_large_faces(factor: int) -> None:
    """Lines one image pixel wide become an even grey instead of moiré."""
    picture = np.zeros((112 * factor, 96 * factor, 3), np.uint8)
    picture[:, ::factor] = 255
    shift = (1 - factor) / 2 / factor  # the middle of image pixels 0 to factor-1 is crop pixel 0
    matrix = np.array([[1 / factor, 0, shift], [0, 1 / factor, shift]], np.float32)
    crop = warp(picture, matrix, DEFAULT_TEMPLATE)
    np.testing.assert_allclose(crop, 255 / factor, atol=1)


def test_warp_keeps_pixel_centres() -> None:
    """Crop pixel (x, y) is the mean of its 4 x 4 image pixels, neither shifted nor mirrored."""
    blocks = np.random.default_rng(0).integers(0, 256, (112, 96, 3), np.uint8)
    picture = blocks.repeat(4, axis=0).repeat(4, axis=1)
    matrix = np.array([[0.25, 0, -0.375], [0, 0.25, -0.375]], np.float32)
    np.testing.assert_array_equal(warp(picture, matrix, DEFAULT_TEMPLATE), blocks)


def test_warp_reflects_at_the_border() -> None:
    picture = np.tile(np.arange(96, dtype=np.uint8)[None, :, None], (112, 1, 3))
    matrix = np.array([[1, 0, 10], [0, 1, 0]], np.float32)  # image pixel 0 goes to crop pixel 10
    crop = warp(picture, matrix, DEFAULT_TEMPLATE)
    assert crop[5, :13, 0].tolist() == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2]


@pytest.mark.parametrize("edge", ["left", "top", "right", "bottom"])
def test_crop_beyond_the_border_keeps_the_face(astronaut: np.ndarray, edge: str) -> None:
    """The face lies in the picture, but the crop extends beyond the edge."""
    (whole,) = align_faces(astronaut)
    cut = {
        "left": np.s_[:, 178:],
        "top": np.s_[68:],
        "right": np.s_[:, :274],
        "bottom": np.s_[:181],
    }[edge]
    (face,) = align_faces(astronaut[cut])
    assert face.crop.shape == (112, 96, 3)
    middle = np.s_[40:90, 28:70]
    assert difference(face.crop[middle], whole.crop[middle]) < 12
