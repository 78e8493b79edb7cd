"""A hosted recogniser gives the same results as the library, and keeps its deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from facehub import FaceRecognizer
from facehub.hosted.errors import ImageTooSlowError, TimedOutError
from facehub.hosted.recognizer import MANY, Host, HostedRecognizer
from tests.facehub.service.fakes import BLUE, RED, picture, recognizer_of_colours


@pytest.fixture
def hosted() -> Iterator[HostedRecognizer]:
    host = Host(workers=1, deadline=5)
    yield HostedRecognizer.of(recognizer_of_colours(), host)
    host.close()


def test_hosted_recognizer_gives_the_results_of_the_library(
    recognizer: FaceRecognizer, examples: Path
) -> None:
    host = Host(workers=2, deadline=60)
    hosted = HostedRecognizer.of(recognizer, host).timed()
    for name in ("both", "grace_hopper"):
        path = examples / f"{name}.jpg"
        expected, found = recognizer.faces(path), hosted.faces(path)
        assert [face.to_dict() for face in found] == [face.to_dict() for face in expected]
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one.embedding, other.embedding)
    host.close()


def test_with_threshold_keeps_the_host(hosted: HostedRecognizer) -> None:
    other = hosted.with_threshold(0.7).timed()
    assert other.host is hosted.host
    assert other.spec.threshold == 0.7
    assert hosted.spec.threshold == 0.5


def test_deadline_for_many_pictures_is_longer(hosted: HostedRecognizer) -> None:
    few, many = hosted.timed(), hosted.timed("many")
    assert few.until - time.monotonic() == pytest.approx(5, abs=0.5)
    assert many.until - time.monotonic() == pytest.approx(5 * MANY, abs=0.5)


def test_work_past_the_deadline_raises_timed_out(hosted: HostedRecognizer) -> None:
    hosted.host.deadline = 0
    late = hosted.timed()
    with pytest.raises(TimedOutError):
        late.faces(np.full((120, 100, 3), 200, np.uint8))
    found = list(hosted.timed("many").faces_many([picture(RED), picture(BLUE)]))
    assert len(found) == 2
    assert all(isinstance(each, TimedOutError | ImageTooSlowError) for each in found)


def test_one_slow_picture_does_not_delay_the_others(hosted: HostedRecognizer) -> None:
    hosted.faces(picture(RED))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(hosted.timed().faces, b"slow 4")
        while not hosted.host.decoders._jobs:
            time.sleep(0.01)
        started = time.monotonic()
        for _ in range(5):  # the host has one worker, and the slow picture does not hold it
            assert len(hosted.timed().faces(picture(RED))) == 1
        assert not slow.done()
        assert time.monotonic() - started < 1.5
        hosted.host.close()
        assert isinstance(slow.exception(5), ImageTooSlowError)


def test_host_runs_at_most_as_many_turns_at_once_as_workers() -> None:
    host = Host(workers=2, deadline=5)
    inside, most, lock = 0, 0, threading.Lock()

    def work(_: int) -> None:
        nonlocal inside, most
        with host.turn(float("inf")):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))
    assert most == 2
    with host.turn(float("inf")), host.turn(float("inf")):
        started = time.monotonic()
        with pytest.raises(TimedOutError), host.turn(time.monotonic() + 0.1):
            pass
        assert time.monotonic() - started < 1
