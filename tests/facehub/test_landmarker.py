"""Finding faces: where they are, in which order, and from any thread or process."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

import cv2
import numpy as np
import pytest

from facehub import AssetError, landmarker
from facehub.landmarker import close_landmarkers, find_landmarks

PUPILS = np.array([(203.5, 101.1), (246.0, 103.5)])  # of the astronaut, set by eye
CELL = 100


@pytest.fixture(scope="module")
def group(astronaut: np.ndarray, hopper: np.ndarray) -> np.ndarray:
    """4 x 4 faces in cells of 100 pixels, like a chessboard."""
    faces = astronaut[:220, 120:340], hopper[90:400, 110:420]
    cells = [cv2.resize(face, (CELL, CELL), interpolation=cv2.INTER_AREA) for face in faces]
    return np.concatenate(
        [np.concatenate([cells[(i + j) % 2] for i in range(4)], axis=1) for j in range(4)]
    )


def test_pupils(astronaut: np.ndarray) -> None:
    (face,) = find_landmarks(astronaut)
    np.testing.assert_allclose(face.pupils, PUPILS, atol=2)
    assert face.points.shape == (478, 2)
    assert face.points.dtype == np.float32
    assert face.pose.shape == (4, 4)


def test_box_is_around_the_face(astronaut: np.ndarray) -> None:
    (face,) = find_landmarks(astronaut)
    x0, y0, x1, y1 = face.box
    assert x0 < PUPILS[0, 0] < PUPILS[1, 0] < x1
    assert y0 < PUPILS[:, 1].min() < PUPILS[:, 1].max() + 40 < y1  # the mouth too
    assert 2 < (x1 - x0) / (PUPILS[1, 0] - PUPILS[0, 0]) < 3  # two to three pupil distances wide


def test_iris_at_image_left_comes_first(astronaut: np.ndarray) -> None:
    for picture in (astronaut, astronaut[:, ::-1]):
        (face,) = find_landmarks(picture)
        assert face.points[468, 0] < face.points[473, 0]
        assert face.pupils[0, 0] < face.pupils[1, 0]


def test_mirrored_picture_gives_mirrored_pupils(astronaut: np.ndarray) -> None:
    (face,) = find_landmarks(astronaut[:, ::-1])
    mirrored = np.column_stack([511 - PUPILS[::-1, 0], PUPILS[::-1, 1]])
    np.testing.assert_allclose(face.pupils, mirrored, atol=3)


@pytest.mark.parametrize("search", ["auto", "thorough"])
def test_order_is_left_to_right(both: np.ndarray, search: landmarker.Search) -> None:
    left, right = find_landmarks(both, search)
    assert left.box[2] < right.box[0]
    mirrored = find_landmarks(both[:, ::-1], search)
    assert [round(face.box[0], -2) for face in mirrored] == [
        round(720 - face.box[2], -2) for face in (right, left)
    ]


def test_same_picture_gives_same_landmarks(both: np.ndarray) -> None:
    first, second = find_landmarks(both), find_landmarks(both)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.points, b.points)


def test_thorough_search_finds_every_small_face_once(group: np.ndarray) -> None:
    faces = find_landmarks(group, "thorough")
    cells = [tuple((face.pupils.mean(axis=0) // CELL).astype(int)) for face in faces]
    assert sorted(cells) == [(i, j) for i in range(4) for j in range(4)]
    middles = [face.box[0] + face.box[2] for face in faces]
    assert middles == sorted(middles)


def test_auto_search_finds_a_lone_small_face(astronaut: np.ndarray) -> None:
    picture = np.full((1024, 1024, 3), 200, np.uint8)
    small = cv2.resize(astronaut[:300, 70:370], (128, 128), interpolation=cv2.INTER_AREA)
    picture[512:640, 300:428] = small
    (face,) = find_landmarks(picture)
    expected = (PUPILS - (70, 0)) * 128 / 300 + (300, 512)
    np.testing.assert_allclose(face.pupils, expected, atol=2)


def test_face_that_fills_the_picture(hopper: np.ndarray) -> None:
    """From the brows to the lips: too close for the detector, unless it gets a border."""
    (whole,) = find_landmarks(hopper)
    (face,) = find_landmarks(hopper[160:290, 190:340])
    np.testing.assert_allclose(face.pupils, whole.pupils - (190, 160), atol=4)


@pytest.mark.parametrize("search", ["auto", "thorough"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (300, 300)])
def test_blank_picture_has_no_face(shape: tuple[int, int], search: landmarker.Search) -> None:
    assert find_landmarks(np.full((*shape, 3), 255, np.uint8), search) == []


@pytest.mark.parametrize("search", ["auto", "thorough"])
def test_no_face(nobody: np.ndarray, search: landmarker.Search) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert find_landmarks(nobody, search) == []
    assert find_landmarks(noise, search) == []


def test_view_of_a_larger_array(astronaut: np.ndarray) -> None:
    (whole,) = find_landmarks(np.ascontiguousarray(astronaut[:256, 100:356]))
    (view,) = find_landmarks(astronaut[:256, 100:356])
    np.testing.assert_array_equal(whole.points, view.points)


# --- threads, processes, model file ---------------------------------------------------------------


def test_eight_threads_at_once(astronaut: np.ndarray, hopper: np.ndarray) -> None:
    alone = [find_landmarks(picture)[0].points for picture in (astronaut, hopper)]
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(find_landmarks, [astronaut, hopper] * 16))
    for number, (face,) in enumerate(results):
        np.testing.assert_array_equal(face.points, alone[number % 2])


def test_close_and_use_again(astronaut: np.ndarray) -> None:
    before = find_landmarks(astronaut)[0].points
    close_landmarkers()
    close_landmarkers()
    np.testing.assert_array_equal(find_landmarks(astronaut)[0].points, before)


def _send_pupils(picture: np.ndarray, sender: Connection) -> None:
    sender.send(find_landmarks(picture)[0].pupils)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_works_in_a_forked_process(astronaut: np.ndarray) -> None:
    before = find_landmarks(astronaut)[0].pupils  # the parent's landmarker is open
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send_pupils, args=(astronaut, sender))
    child.start()
    try:
        assert receiver.poll(20), "the forked process hangs"
        np.testing.assert_array_equal(receiver.recv(), before)
        child.join(20)
        assert child.exitcode == 0
    finally:
        child.kill()
    np.testing.assert_array_equal(find_landmarks(astronaut)[0].pupils, before)


@pytest.mark.parametrize("where", ["main thread", "other thread"])
def test_process_exits_cleanly(where: str) -> None:
    code = """
import threading
from skimage import data
from facehub.landmarker import find_landmarks
def run(): print(len(find_landmarks(data.astronaut())))
"""
    other = "thread = threading.Thread(target=run); thread.start(); thread.join()"
    code += "run()" if where == "main thread" else other
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "1\n"
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.fixture
def fresh_model() -> Iterator[None]:
    """Forget the model and the landmarkers, before and after."""
    close_landmarkers()
    landmarker._model.cache_clear()
    yield
    close_landmarkers()
    landmarker._model.cache_clear()


@pytest.mark.usefixtures("fresh_model")
def test_altered_model_file(astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarker, "MODEL_SHA256", "0" * 64)
    with pytest.raises(AssetError, match="damaged or altered"):
        find_landmarks(astronaut)
    monkeypatch.undo()
    assert len(find_landmarks(astronaut)) == 1  # a failure is not remembered


@pytest.mark.usefixtures("fresh_model")
def test_missing_model_file(astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarker, "MODEL_FILE", "nothing.task")
    with pytest.raises(AssetError, match=r"nothing\.task is missing"):
        find_landmarks(astronaut)


def test_unknown_search(astronaut: np.ndarray) -> None:
    with pytest.raises(ValueError, match="search must be one of"):
        landmarker.find_landmarks(astronaut, "typo")
