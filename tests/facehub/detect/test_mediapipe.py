"""The MediaPipe detector: position and order of faces, threads, processes and closing."""

from __future__ import annotations

import gc
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

import cv2
import numpy as np
import pytest

from facehub import AssetError
from facehub.detect import mediapipe, models
from facehub.detect.base import FaceDetector, FaceLandmarks, Search
from facehub.detect.mediapipe import MediaPipeDetector

PUPILS = np.array([(203.5, 101.1), (246.0, 103.5)])  # of the astronaut, set by eye
CELL = 100


@pytest.fixture(scope="module")
def detector() -> Iterator[FaceDetector]:
    with MediaPipeDetector() as detector:
        yield detector


@pytest.fixture(scope="module")
def group(astronaut: np.ndarray, hopper: np.ndarray) -> np.ndarray:
    """4 x 4 faces in cells of 100 pixels, like a chessboard."""
    faces = astronaut[:220, 120:340], hopper[90:400, 110:420]
    cells = [cv2.resize(face, (CELL, CELL), interpolation=cv2.INTER_AREA) for face in faces]
    return np.concatenate(
        [np.concatenate([cells[(i + j) % 2] for i in range(4)], axis=1) for j in range(4)]
    )


def test_pupils_are_found_within_two_pixels(detector: FaceDetector, astronaut: np.ndarray) -> None:
    (face,) = detector.find(astronaut)
    np.testing.assert_allclose(face.pupils, PUPILS, atol=2)
    assert face.points.shape == (478, 2)
    assert face.points.dtype == np.float32
    assert face.pose.shape == (4, 4)


def test_box_is_around_the_face(detector: FaceDetector, astronaut: np.ndarray) -> None:
    (face,) = detector.find(astronaut)
    x0, y0, x1, y1 = face.box
    assert x0 < PUPILS[0, 0] < PUPILS[1, 0] < x1
    assert y0 < PUPILS[:, 1].min() < PUPILS[:, 1].max() + 40 < y1  # the mouth too
    assert 2 < (x1 - x0) / (PUPILS[1, 0] - PUPILS[0, 0]) < 3  # two to three pupil distances wide


def test_iris_at_image_left_comes_first(detector: FaceDetector, astronaut: np.ndarray) -> None:
    for picture in (astronaut, astronaut[:, ::-1]):
        (face,) = detector.find(picture)
        assert face.points[468, 0] < face.points[473, 0]
        assert face.pupils[0, 0] < face.pupils[1, 0]


def test_mirrored_picture_gives_mirrored_pupils(
    detector: FaceDetector, astronaut: np.ndarray
) -> None:
    (face,) = detector.find(astronaut[:, ::-1])
    mirrored = np.column_stack([511 - PUPILS[::-1, 0], PUPILS[::-1, 1]])
    np.testing.assert_allclose(face.pupils, mirrored, atol=3)


@pytest.mark.parametrize("search", ["auto", "thorough"])
def test_order_is_left_to_right(detector: FaceDetector, both: np.ndarray, search: Search) -> None:
    left, right = detector.find(both, search)
    assert left.box[2] < right.box[0]
    mirrored = detector.find(both[:, ::-1], search)
    assert [round(face.box[0], -2) for face in mirrored] == [
        round(720 - face.box[2], -2) for face in (right, left)
    ]


def test_same_picture_gives_same_landmarks(detector: FaceDetector, both: np.ndarray) -> None:
    first, second = detector.find(both), detector.find(both)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.points, b.points)


def test_thorough_search_finds_every_small_face_once(
    detector: FaceDetector, group: np.ndarray
) -> None:
    faces = detector.find(group, "thorough")
    cells = [tuple((face.pupils.mean(axis=0) // CELL).astype(int)) for face in faces]
    assert sorted(cells) == [(i, j) for i in range(4) for j in range(4)]
    middles = [face.box[0] + face.box[2] for face in faces]
    assert middles == sorted(middles)


def test_auto_search_finds_a_lone_small_face(detector: FaceDetector, astronaut: np.ndarray) -> None:
    picture = np.full((1024, 1024, 3), 200, np.uint8)
    small = cv2.resize(astronaut[:300, 70:370], (128, 128), interpolation=cv2.INTER_AREA)
    picture[512:640, 300:428] = small
    (face,) = detector.find(picture)
    expected = (PUPILS - (70, 0)) * 128 / 300 + (300, 512)
    np.testing.assert_allclose(face.pupils, expected, atol=2)


def test_face_that_fills_the_picture_is_found(detector: FaceDetector, hopper: np.ndarray) -> None:
    """From the brows to the lips: too close for the network without a border."""
    (whole,) = detector.find(hopper)
    (face,) = detector.find(hopper[160:290, 190:340])
    np.testing.assert_allclose(face.pupils, whole.pupils - (190, 160), atol=4)


@pytest.mark.parametrize("search", ["auto", "thorough"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (300, 300)])
def test_blank_picture_has_no_face(
    detector: FaceDetector, shape: tuple[int, int], search: Search
) -> None:
    assert detector.find(np.full((*shape, 3), 255, np.uint8), search) == []


@pytest.mark.parametrize("search", ["auto", "thorough"])
def test_pictures_without_a_face_have_no_face(
    detector: FaceDetector, nobody: np.ndarray, search: Search
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert detector.find(nobody, search) == []
    assert detector.find(noise, search) == []


def test_view_of_an_array_gives_the_landmarks_of_a_copy(
    detector: FaceDetector, astronaut: np.ndarray
) -> None:
    (whole,) = detector.find(np.ascontiguousarray(astronaut[:256, 100:356]))
    (view,) = detector.find(astronaut[:256, 100:356])
    np.testing.assert_array_equal(whole.points, view.points)


@pytest.mark.parametrize("search", ["auto", "thorough"])
def test_close_up_is_one_face(detector: FaceDetector, hopper: np.ndarray, search: Search) -> None:
    """Parts of a large face that the search may propose do not count as faces."""
    for picture in (hopper[100:400, 120:420], hopper[130:330, 170:370]):
        large = cv2.resize(picture, (1200, 1200), interpolation=cv2.INTER_CUBIC)
        assert len(detector.find(large, search)) == 1


def test_large_picture_has_the_landmarks_of_a_small_one(
    detector: FaceDetector, astronaut: np.ndarray
) -> None:
    """The picture is reduced to find the face; the points are in its own pixels."""
    large = cv2.resize(astronaut, (4096, 4096), interpolation=cv2.INTER_CUBIC)
    (face,) = detector.find(large)
    np.testing.assert_allclose(face.pupils, PUPILS * 8, atol=16)


# --- threads, processes, model file ---------------------------------------------------------------


def test_eight_threads_share_a_detector(
    detector: FaceDetector, astronaut: np.ndarray, hopper: np.ndarray
) -> None:
    alone = [detector.find(picture)[0].points for picture in (astronaut, hopper)]
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(detector.find, [astronaut, hopper] * 16))
    for number, (face,) in enumerate(results):
        np.testing.assert_array_equal(face.points, alone[number % 2])


def test_more_calls_than_workers_are_all_answered(astronaut: np.ndarray) -> None:
    before = set(threading.enumerate())
    with MediaPipeDetector(workers=1) as detector, ThreadPoolExecutor(4) as threads:
        results = list(threads.map(detector.find, [astronaut] * 8))
        started = set(threading.enumerate()) - before
        (worker,) = (t for t in started if t.name == "facehub-detector")
    assert [len(faces) for faces in results] == [1] * 8
    worker.join(10)
    assert not worker.is_alive()


def test_detector_without_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="workers must be at least 1"):
        MediaPipeDetector(workers=0)


def test_two_detectors_work_independently(astronaut: np.ndarray) -> None:
    with MediaPipeDetector() as one, MediaPipeDetector() as other:
        expected = one.find(astronaut)[0].points
        np.testing.assert_array_equal(other.find(astronaut)[0].points, expected)
        one.close()
        np.testing.assert_array_equal(other.find(astronaut)[0].points, expected)


def test_new_detector_works_after_another_is_closed(astronaut: np.ndarray) -> None:
    with MediaPipeDetector() as detector:
        before = detector.find(astronaut)[0].points
    with MediaPipeDetector() as detector:
        np.testing.assert_array_equal(detector.find(astronaut)[0].points, before)


@pytest.mark.parametrize("used", [False, True])
def test_closed_detector_refuses_to_search(astronaut: np.ndarray, used: bool) -> None:
    detector = MediaPipeDetector()
    if used:
        detector.find(astronaut)
    detector.close()
    detector.close()
    with pytest.raises(RuntimeError, match="is closed"):
        detector.find(astronaut)


def test_close_waits_for_running_calls(both: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their models work until they return; a call that comes later is refused."""
    detector = MediaPipeDetector()
    running, go_on = threading.Barrier(3), threading.Event()
    real = mediapipe.search_faces

    def held(*args: Any) -> list[FaceLandmarks]:
        running.wait(10)
        assert go_on.wait(10)
        return real(*args)

    monkeypatch.setattr(mediapipe, "search_faces", held)
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(detector.find, both) for _ in range(2)]
        running.wait(10)
        closing = threads.submit(detector.close)
        with pytest.raises(TimeoutError):
            closing.result(0.2)
        with pytest.raises(RuntimeError, match="is closed"):
            detector.find(both)
        go_on.set()
        assert [len(call.result(10)) for call in calls] == [2, 2]
        closing.result(10)


def test_creation_of_a_detector_loads_nothing() -> None:
    """No thread, no model, not even MediaPipe's import."""
    code = """
import sys, threading
from facehub.detect.mediapipe import MediaPipeDetector
detector = MediaPipeDetector()
print("mediapipe" in sys.modules, threading.active_count())
"""
    assert run_python(code) == "False 1\n"


def test_deleted_detector_ends_its_threads(astronaut: np.ndarray) -> None:
    before = set(threading.enumerate())
    detector = MediaPipeDetector()
    detector.find(astronaut)
    started = set(threading.enumerate()) - before
    assert started
    del detector
    gc.collect()
    for thread in started:
        thread.join(10)
    assert not any(thread.is_alive() for thread in started)


def _send_pupils(picture: np.ndarray, sender: Connection) -> None:
    with MediaPipeDetector() as detector:
        sender.send(detector.find(picture)[0].pupils)


def _use_inherited(detector: MediaPipeDetector, picture: np.ndarray, sender: Connection) -> None:
    try:
        detector.find(picture)
    except RuntimeError as error:
        sender.send(str(error))
    detector.close()
    del detector
    gc.collect()


def run_forked(target: Callable[..., None], *args: object) -> object:
    """Call `target(*args, sender)` in a forked process; return what it sends."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=target, args=(*args, sender))
    child.start()
    try:
        assert receiver.poll(60), "the forked process hangs"
        answer = receiver.recv()
        child.join(20)
        assert child.exitcode == 0
    finally:
        child.kill()
    return answer


needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs fork"
)


@needs_fork
def test_new_detector_works_in_a_forked_process(
    detector: FaceDetector, astronaut: np.ndarray
) -> None:
    before = detector.find(astronaut)[0].pupils  # the parent's models are open
    np.testing.assert_array_equal(run_forked(_send_pupils, astronaut), before)
    np.testing.assert_array_equal(detector.find(astronaut)[0].pupils, before)


@needs_fork
def test_inherited_detector_refuses_to_search_in_a_forked_process(
    detector: FaceDetector, astronaut: np.ndarray
) -> None:
    detector.find(astronaut)
    assert "forked process" in str(run_forked(_use_inherited, detector, astronaut))
    assert len(detector.find(astronaut)) == 1


def run_python(code: str) -> str:
    """Run code in another interpreter, which must end cleanly; return its output."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("end", ["", "detector.close()", "del detector"])
@pytest.mark.parametrize("where", ["main thread", "other thread"])
def test_process_exits_cleanly(where: str, end: str) -> None:
    code = """
import threading
from skimage import data
from facehub.detect.mediapipe import MediaPipeDetector
detector = MediaPipeDetector()
def run(): print(len(detector.find(data.astronaut())))
"""
    other = "thread = threading.Thread(target=run); thread.start(); thread.join()"
    code += "run()" if where == "main thread" else other
    assert run_python(f"{code}\n{end}") == "1\n"


def test_process_exits_cleanly_during_a_search() -> None:
    """The interpreter waits for a call in a daemon thread."""
    code = """
import os, threading, time
from skimage import data
from facehub.detect import mediapipe
real, searching = mediapipe.search_faces, threading.Event()
def slow(*args):
    found = real(*args)
    searching.set()
    time.sleep(0.5)
    os.write(1, b"searched")
    return found
mediapipe.search_faces = slow
detector = mediapipe.MediaPipeDetector()
threading.Thread(target=detector.find, args=(data.astronaut(),), daemon=True).start()
searching.wait()
"""
    assert run_python(code) == "searched"


def test_altered_model_file_is_refused(
    astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "MODEL_SHA256", "0" * 64)
    with MediaPipeDetector() as detector:
        with pytest.raises(AssetError, match="damaged or altered"):
            detector.find(astronaut)
        monkeypatch.undo()
        assert len(detector.find(astronaut)) == 1  # the failure is not cached


def test_missing_model_file_is_refused(
    astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "MODEL_FILE", "nothing.task")
    with (
        MediaPipeDetector() as detector,
        pytest.raises(AssetError, match=r"nothing\.task is missing"),
    ):
        detector.find(astronaut)


def test_unknown_search_is_refused(detector: FaceDetector, astronaut: np.ndarray) -> None:
    with pytest.raises(ValueError, match="search must be one of"):
        detector.find(astronaut, "typo")
