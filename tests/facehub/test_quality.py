"""Quality issues: each fault gives only its own issue, and a good picture has none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facehub import Face, LowQualityError, QualityIssue, align_faces
from facehub.detect.base import MAX_FACES
from facehub.quality import ADVICE, assess, reject, sharpness
from facehub.upright import DOUBT


def face_with(
    crop: np.ndarray | None = None,
    *,
    box: tuple[float, float, float, float] = (10, 10, 90, 110),
    inter_eye: float = 40.0,
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    upright_score: float | None = None,
) -> Face:
    """A face with no issue but the given ones: noise is sharp, neither dark nor bright."""
    if crop is None:
        crop = np.random.default_rng(0).integers(0, 256, (112, 96, 3), np.uint8)
    pupils = np.array([(30, 50), (30 + inter_eye, 50)], np.float32)
    return Face(
        crop=crop,
        box=box,
        pupils=pupils,
        inter_eye=inter_eye,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        matrix=np.eye(2, 3, dtype=np.float32),
        landmarks=np.zeros((478, 2), np.float32),
        upright_score=upright_score,
    )


COVERINGS = {QualityIssue.COVERED_EYES, QualityIssue.COVERED_MOUTH}


def assessed(face: Face, shape: tuple[int, ...], n_faces: int = 1) -> tuple[QualityIssue, ...]:
    """All issues but occlusions, which need a crop of a face (`test_occlusion.py`)."""
    return tuple(issue for issue in assess(face, shape, n_faces) if issue not in COVERINGS)


def issues(picture: np.ndarray) -> set[QualityIssue]:
    faces = align_faces(picture)
    assert faces
    return set(assess(faces[0], picture.shape, len(faces)))


# --- altered photos -------------------------------------------------------------------------------


def test_good_pictures_have_no_issue(astronaut: np.ndarray, hopper: np.ndarray) -> None:
    assert issues(astronaut) == set()
    assert issues(hopper) == set()


def test_tilted_head_is_no_issue(astronaut: np.ndarray) -> None:
    matrix = cv2.getRotationMatrix2D((224, 102), 30, 1)
    assert issues(cv2.warpAffine(astronaut, matrix, (512, 512))) == set()


def test_small_face_has_its_issue(astronaut: np.ndarray) -> None:
    """Pupils 42.6 apart become 21.3 apart; the minimum is 24."""
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    assert issues(small) == {QualityIssue.SMALL_FACE}


def test_blurred_photo_has_its_issue(astronaut: np.ndarray) -> None:
    assert issues(cv2.GaussianBlur(astronaut, (0, 0), 3)) == {QualityIssue.BLURRED}


def test_dark_photo_has_its_issue(astronaut: np.ndarray) -> None:
    assert issues((astronaut * 0.2).astype(np.uint8)) == {QualityIssue.TOO_DARK}


def test_bright_photo_has_its_issue(astronaut: np.ndarray) -> None:
    assert issues((255 - (255 - astronaut) * 0.2).astype(np.uint8)) == {QualityIssue.TOO_BRIGHT}


@pytest.mark.parametrize("cut", [np.s_[:, 205:], np.s_[90:]], ids=["left", "top"])
def test_face_cut_off_at_the_border_has_its_issue(
    astronaut: np.ndarray, cut: tuple[slice, ...]
) -> None:
    # Half a face may also count as a doubtful one.
    doubts = COVERINGS | {QualityIssue.DOUBTFUL_FACE}
    assert issues(astronaut[cut]) - doubts == {QualityIssue.CUT_OFF}


def test_several_faces_have_their_issue(both: np.ndarray) -> None:
    assert issues(both) == {QualityIssue.SEVERAL_FACES}


# --- limits, with synthetic faces -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "issue"),
    [
        ({"inter_eye": 23.9}, QualityIssue.SMALL_FACE),
        ({"inter_eye": 24.0}, None),
        ({"yaw": 30.5}, QualityIssue.STRONG_YAW),
        ({"yaw": -30.5}, QualityIssue.STRONG_YAW),
        ({"yaw": 29.5}, None),
        ({"pitch": 35.5}, QualityIssue.STRONG_PITCH),
        ({"pitch": -35.5}, QualityIssue.STRONG_PITCH),
        ({"roll": 45.5}, QualityIssue.STRONG_ROLL),
        ({"roll": -179.0}, QualityIssue.STRONG_ROLL),
        ({"roll": 44.5}, None),
        ({"pitch": -34.5}, None),
        ({"box": (-20, 10, 80, 110)}, QualityIssue.CUT_OFF),  # 20 % outside
        ({"box": (-10, 10, 90, 110)}, None),  # 10 %
        ({"box": (20, 60, 100, 160)}, QualityIssue.CUT_OFF),  # 40 %
        ({"box": (-50, -50, -10, -10)}, QualityIssue.CUT_OFF),  # entirely
        ({"upright_score": DOUBT}, None),
        ({"upright_score": DOUBT - 0.1}, QualityIssue.DOUBTFUL_FACE),
    ],
)
def test_issue_starts_at_its_limit(change: dict[str, float], issue: QualityIssue | None) -> None:
    expected = () if issue is None else (issue,)
    assert assessed(face_with(**change), (120, 100, 3)) == expected


@pytest.mark.parametrize(
    ("grey", "issue"),
    [(44, QualityIssue.TOO_DARK), (46, None), (219, None), (221, QualityIssue.TOO_BRIGHT)],
)
def test_brightness_issue_starts_at_its_limit(grey: int, issue: QualityIssue | None) -> None:
    crop = np.full((112, 96, 3), grey, np.uint8)
    crop[::2, ::2] += 8  # a fine pattern: sharp, with ...
    crop[1::2, 1::2] -= 8  # ... the same mean
    assert assessed(face_with(crop), (120, 100, 3)) == (() if issue is None else (issue,))


def test_brightness_is_that_of_the_face_not_the_background() -> None:
    """The mean is 64 in the middle half of the crop and 32 in all of it; the minimum is 45."""
    crop = np.random.default_rng(0).integers(0, 128, (112, 96, 3), np.uint8)
    crop[:, :14] = crop[:, 82:] = crop[:16] = crop[96:] = 0
    assert assessed(face_with(crop), (120, 100, 3)) == ()


@pytest.mark.parametrize("size", [(224, 192), (28, 24), (12, 12)])
def test_brightness_uses_the_same_share_of_a_crop_of_any_size(size: tuple[int, int]) -> None:
    """A small crop is no error."""
    height, width = size
    crop = np.random.default_rng(0).integers(100, 156, (*size, 3), np.uint8)
    inner = slice(height // 7, height * 6 // 7), slice(width * 7 // 48, width * 41 // 48)
    dark = np.zeros_like(crop)
    dark[inner] = crop[inner]
    assert QualityIssue.TOO_DARK not in assessed(face_with(dark), (120, 100, 3))


def test_issues_have_the_order_of_the_enumeration() -> None:
    flat = np.full((112, 96, 3), 20, np.uint8)
    bad = {"yaw": 40, "pitch": 40, "roll": 90, "upright_score": -5}
    face = face_with(flat, box=(-50, 0, 50, 100), inter_eye=10, **bad)
    found = assessed(face, (120, 100, 3), n_faces=MAX_FACES + 1)
    expected = set(QualityIssue) - {QualityIssue.TOO_BRIGHT} - COVERINGS
    assert found == tuple(issue for issue in QualityIssue if issue in expected)


# --- sharpness ------------------------------------------------------------------------------------


def test_sharpness_of_a_chessboard_is_800() -> None:
    """Grey levels +-c: the Laplacian is -8 times each, so 800 % of the standard deviation."""
    rows, columns = np.indices((112, 96))
    board = np.where((rows + columns) % 2, 100, 140).astype(np.uint8)
    assert sharpness(np.dstack([board] * 3)) == pytest.approx(800, rel=1e-3)


def test_sharpness_of_a_flat_crop_is_zero() -> None:
    assert sharpness(np.full((112, 96, 3), 128, np.uint8)) == 0


def test_sharpness_does_not_depend_on_contrast(astronaut: np.ndarray) -> None:
    (face,) = align_faces(astronaut)
    pale = (face.crop * 0.5 + 60).astype(np.uint8)
    assert sharpness(pale) == pytest.approx(sharpness(face.crop), rel=0.03)


def test_sharpness_is_that_of_the_face_not_the_background(astronaut: np.ndarray) -> None:
    (face,) = align_faces(astronaut)
    noisy = np.random.default_rng(0).integers(0, 256, (112, 96, 3), np.uint8)
    noisy[16:96, 14:82] = face.crop[16:96, 14:82]
    assert sharpness(noisy) == pytest.approx(sharpness(face.crop))


def test_sharpness_falls_with_blur(astronaut: np.ndarray) -> None:
    (face,) = align_faces(astronaut)
    values = [sharpness(cv2.GaussianBlur(face.crop, (0, 0), s)) for s in (0.5, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 2 * values[-1]


# --- rejection ------------------------------------------------------------------------------------


def test_reject_raises_an_error_with_the_advice() -> None:
    found = (QualityIssue.BLURRED, QualityIssue.TOO_DARK)
    with pytest.raises(LowQualityError) as error:
        reject(found, {QualityIssue.TOO_DARK, QualityIssue.CUT_OFF})
    assert str(error.value) == ADVICE[QualityIssue.TOO_DARK]


@pytest.mark.parametrize("rejected", [(), {QualityIssue.CUT_OFF}])
def test_reject_ignores_other_issues(rejected: set[QualityIssue]) -> None:
    reject((QualityIssue.BLURRED, QualityIssue.TOO_DARK), rejected)


def test_every_issue_has_advice() -> None:
    assert set(ADVICE) == set(QualityIssue)
    assert len(set(ADVICE.values())) == len(QualityIssue)
