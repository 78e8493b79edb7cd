"""Pictures are decoded in processes, which are ended where one takes too long."""

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


def test_all_sources_give_what_the_library_gives(
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
    odd = tmp_path / "mädchen \udcff.jpg"
    odd.write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(decoders.read(odd.name), expected)
    assert len(pids(decoders)) == 1  # one process did it all


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
def test_errors_are_those_of_the_library(
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


def test_a_picture_that_takes_too_long_is_given_up_and_its_process_replaced() -> None:
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


def test_a_request_s_own_time_counts_too(decoders: Decoders) -> None:
    with pytest.raises(ImageTooSlowError):
        decoders.read(SLOW, until=time.monotonic() + 0.2)


def test_a_slow_picture_has_the_lowest_priority(decoders: Decoders) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(decoders.read, SLOW)
        while not decoders._jobs:
            time.sleep(0.01)
        (pid,) = pids(decoders)
        assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0)
        while os.getpriority(os.PRIO_PROCESS, pid) != 19:
            assert not slow.done()
            time.sleep(0.01)
        assert slow.result(20).shape == (6, 7, 3)  # with nobody waiting it may go on
    assert pid not in pids(decoders)  # a priority cannot be raised again


def test_slow_pictures_give_way_to_whoever_waits(decoders: Decoders) -> None:
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
        assert not all(each.done() for each in bombs)  # it did not wait for them
        assert [each.result(20) for each in bombs].count(
            ImageTooSlowError
        ) == 1  # the other had a process still


def test_what_waits_for_a_core_is_not_slow(decoders: Decoders) -> None:
    """On a busy machine all takes long; nothing is given up for it."""
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


def test_whoever_waits_in_vain_is_told(decoders: Decoders) -> None:
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


def test_a_process_that_dies_costs_one_picture(decoders: Decoders) -> None:
    """As one does whose codec crashes, or that the system ends for want of memory."""
    decoders.start(1)
    (pid,) = pids(decoders)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ImageDecodeError):
        decoders.read(_small())
    assert decoders.read(_small()).shape == (8, 9, 3)


def test_many_threads_share_few_processes(decoders: Decoders) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: decoders.read(_small(n)), range(1, 41)))
    assert [picture.shape[1] for picture in found] == list(range(1, 41))
    assert len(pids(decoders)) <= 2
    deadline = time.monotonic() + 5
    while any(thread.name == "facehub-decoders" for thread in threading.enumerate()):
        assert time.monotonic() < deadline  # nothing to watch


def test_processes_end_with_their_parent() -> None:
    decoders = Decoders(1)
    decoders.read(_small())
    (pid,) = pids(decoders)
    (process,) = decoders._idle
    process._requests.close()  # as the system does for a parent that was killed
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
