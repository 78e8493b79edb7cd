"""Worker processes decode pictures; a process that takes too long is ended."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub.errors import ImageDecodeError, ImageError, ImageFormatError, ImageTooLargeError
from facehub.hosted.decoders import Decoders
from facehub.hosted.errors import ImageTooSlowError, TimedOutError
from facehub.io import images
from facehub.io.images import read_pixels

SLOW = b"slow 2"  # seconds, see `conftest`


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    decoders = Decoders(2, seconds=20)
    yield decoders
    decoders.close()


def pids(decoders: Decoders) -> list[int]:
    processes = [*decoders._idle, *(job.process for job in decoders._jobs)]
    return [process._popen.pid for process in processes]


def test_read_of_every_kind_of_source_equals_the_library(
    decoders: Decoders, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = examples / "grace_hopper.jpg"
    expected = read_pixels(path)
    for source in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        found = decoders.read(source)
        np.testing.assert_array_equal(found, expected)
        assert found.flags.writeable
    with Image.open(path) as image:
        np.testing.assert_array_equal(decoders.read(image), expected)
    assert decoders.read(expected) is expected
    not_utf8 = tmp_path / "mädchen \udcff.jpg"
    not_utf8.write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(decoders.read(not_utf8.name), expected)
    assert len(pids(decoders)) == 1  # one process decoded them all


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (b"", ImageDecodeError),
        (b"no picture", ImageFormatError),
        ("/nowhere/a.jpg", ImageDecodeError),
        (b"x" * (images.MAX_BYTES + 1), ImageTooLargeError),
        (7, ImageError),
    ],
)
def test_read_raises_the_errors_of_the_library(
    decoders: Decoders, source: object, error: type[ImageError]
) -> None:
    with pytest.raises(error):
        decoders.read(source)  # type: ignore[arg-type]
    assert decoders.read(_small()).shape == (8, 9, 3)
    if isinstance(source, bytes):
        with pytest.raises(ImageError) as there:
            read_pixels(source)
        with pytest.raises(ImageError) as here:
            decoders.read(source)
        assert (type(here.value), str(here.value)) == (type(there.value), str(there.value))


def test_picture_that_takes_too_long_is_refused_and_its_process_replaced() -> None:
    decoders = Decoders(1, seconds=0.3)
    decoders.start(1)
    (before,) = pids(decoders)
    started = time.monotonic()
    with pytest.raises(ImageTooSlowError):
        decoders.read(SLOW)
    assert time.monotonic() - started < 1
    (after,) = pids(decoders)
    assert after != before
    assert not _runs(before)
    assert decoders.read(_small()).shape == (8, 9, 3)
    decoders.close()
    assert not _runs(after)


def test_picture_slower_than_the_deadline_of_its_request_is_refused(decoders: Decoders) -> None:
    with pytest.raises(ImageTooSlowError):
        decoders.read(SLOW, until=time.monotonic() + 0.2)


def test_process_of_a_slow_picture_gets_the_lowest_priority(decoders: Decoders) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(decoders.read, SLOW)
        while not decoders._jobs:
            time.sleep(0.01)
        (pid,) = pids(decoders)
        assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0)
        while os.getpriority(os.PRIO_PROCESS, pid) != 19:
            assert not slow.done()
            time.sleep(0.01)
        assert slow.result(20).shape == (6, 7, 3)  # nobody waits, so it may finish
    assert pid not in pids(decoders)  # its priority cannot be raised again, so it was replaced


def test_waiting_picture_ends_a_slow_one(decoders: Decoders) -> None:
    def bomb(_: int) -> type[BaseException] | None:
        try:
            decoders.read(SLOW)
        except ImageError as error:
            return type(error)
        return None

    with ThreadPoolExecutor(2) as pool:
        bombs = [pool.submit(bomb, number) for number in range(2)]
        while len(decoders._jobs) < 2:
            time.sleep(0.01)
        assert decoders.read(_small()).shape == (8, 9, 3)
        assert not all(each.done() for each in bombs)  # it did not wait for both
        # One process was enough: the other slow picture kept its own.
        assert [each.result(20) for each in bombs].count(ImageTooSlowError) == 1


@pytest.mark.parametrize(("waiting", "ended"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3)])
def test_each_waiting_picture_ends_one_slow_one(
    monkeypatch: pytest.MonkeyPatch, waiting: int, ended: int
) -> None:
    """Also when the thread of an ended picture takes several checks to notice it."""
    decoders = Decoders(3)
    jobs = [SlowJob(started) for started in range(3)]
    decoders._jobs, decoders._waiting = list(jobs), waiting  # type: ignore[assignment]
    checks = iter(range(8))

    def wait(_: float) -> None:
        if next(checks) == 7:
            decoders._jobs.clear()

    monkeypatch.setattr(decoders._changed, "wait", wait)
    decoders._watch()
    assert [job.given_up for job in jobs] == [number < ended for number in range(3)]


class SlowJob:
    """A picture that counts as slow already."""

    def __init__(self, started: float) -> None:
        self.started, self.until, self.slow, self.given_up = started, float("inf"), True, False

    def give_up(self) -> None:
        self.given_up = True


def test_picture_that_waits_for_a_core_does_not_count_as_slow(decoders: Decoders) -> None:
    """On a busy machine every picture takes long; none is refused for that."""
    decoders._patience = 0.2
    decoders.start(1)
    (pid,) = pids(decoders)
    decoders.read(_small())
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(3) as pool:
        found = [pool.submit(decoders.read, _small()) for _ in range(3)]
        time.sleep(0.6)
        assert pid in pids(decoders)
        assert not any(job.slow for job in decoders._jobs)
        os.kill(pid, signal.SIGCONT)
        assert [each.result(5).shape for each in found] == [(8, 9, 3)] * 3
    assert pid in pids(decoders)


def test_read_without_a_free_process_raises_timed_out(decoders: Decoders) -> None:
    with ThreadPoolExecutor(2) as pool:
        bombs = [pool.submit(decoders.read, SLOW) for _ in range(2)]
        while len(decoders._jobs) < 2:
            time.sleep(0.01)
        with pytest.raises(TimedOutError):
            decoders.read(_small(), until=time.monotonic() + 0.1)
        decoders.close()
        for each in bombs:
            assert isinstance(each.exception(5), ImageTooSlowError)
    with pytest.raises(TimedOutError):
        decoders.read(_small())


def test_killed_process_fails_one_picture_only(decoders: Decoders) -> None:
    """A codec may crash a process, or the system may end it when memory runs out."""
    decoders.start(1)
    (pid,) = pids(decoders)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ImageDecodeError):
        decoders.read(_small())
    assert decoders.read(_small()).shape == (8, 9, 3)


def test_eight_threads_share_two_processes(decoders: Decoders) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: decoders.read(_small(n)), range(1, 41)))
    assert [picture.shape[1] for picture in found] == list(range(1, 41))
    assert len(pids(decoders)) <= 2
    deadline = time.monotonic() + 5
    while any(thread.name == "facehub-decoders" for thread in threading.enumerate()):
        assert time.monotonic() < deadline  # the watching thread ends when no job is left


def test_processes_end_with_their_parent() -> None:
    decoders = Decoders(1)
    decoders.read(_small())
    (pid,) = pids(decoders)
    (process,) = decoders._idle
    process._requests.close()  # the system does this when the parent is killed
    process._popen.wait(5)
    assert not _runs(pid)
    decoders.close()


def _small(width: int = 9) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 8)).save(buffer, "PNG")
    return buffer.getvalue()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
