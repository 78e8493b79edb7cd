"""The face detector that facehub uses: MediaPipe's networks behind a thread-safe object."""

from __future__ import annotations

import atexit
import functools
import os
import threading
import weakref
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import numpy as np

from facehub.detect.base import FaceLandmarks, Search, check_search, left_to_right
from facehub.detect.models import MediaPipeModels
from facehub.detect.search import search_faces

WORKERS = min(4, os.cpu_count() or 1)
EXIT_SECONDS = 10  # how long the interpreter waits for searches that nobody waited for


class MediaPipeDetector:
    """Finds faces and their 478 landmarks.

    Up to `workers` threads own one set of models each. They start, and load their models, when
    calls need them, and end when the detector is closed or no longer referenced.

    Safe to share between threads, but not with a forked child: let it create its own. The
    interpreter may exit without closing it.

    Args:
        workers: how many pictures are searched at once; more calls wait.
    """

    def __init__(self, *, workers: int = WORKERS) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        self._workers = workers
        self._process = os.getpid()
        self._closed = False
        self._lock = threading.Lock()
        self._pool = _Pool()
        atexit.register(self._pool.stop_at_exit)
        weakref.finalize(self, self._pool.stop).atexit = False

    def find(self, image: np.ndarray, search: Search = "auto") -> list[FaceLandmarks]:
        """Find the faces of a picture.

        Args:
            image: uint8 (H, W, 3), RGB.
            search: "auto" looks at the whole picture and at its halves and, only where the whole
                shows no face, at a padded copy (faces that fill the picture) and at smaller tiles.
                "thorough" always looks at the smaller tiles too, for group photos.

        Returns:
            Faces from left to right (by the middle of the box, then top to bottom).

        Raises:
            AssetError: the model file carried in the package is missing or altered.
            RuntimeError: the detector is closed, or belongs to the process that this one was
                forked from.
            ValueError: `search` is neither "auto" nor "thorough".
        """
        check_search(search)
        if self._process != os.getpid():
            raise RuntimeError("a face detector does not work in a forked process: create another")
        job = _Job(image, search)
        with self._lock:
            if self._closed:
                raise RuntimeError("the face detector is closed")
            self._pool.submit(job, self._workers)
        return left_to_right(job.done.result())

    def close(self) -> None:
        """Wait for running calls, then free threads and models; closing again has no effect."""
        if self._process != os.getpid():  # the threads exist in the parent only
            return
        with self._lock:
            self._closed = True
            stops = self._pool.stop()
        for stop in stops:
            stop.done.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, eq=False)
class _Job:
    image: np.ndarray
    search: Search
    done: Future[list[FaceLandmarks]] = field(default_factory=Future)


@dataclass(frozen=True, eq=False)
class _Stop:
    """Tells one worker to end."""

    done: Future[None] = field(default_factory=Future)


class _Pool:
    """Worker threads and their queue; knows nothing of the detector, which may be collected.

    The threads are daemons, so the interpreter does not wait for idle ones. Their stacks alone
    reference the models: a forked child, where the threads do not exist, cannot destroy them, which
    would wait for ever.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._jobs: SimpleQueue[_Job | _Stop] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads = 0

    def submit(self, job: _Job, workers: int) -> None:
        """Queue a job, and start a worker where none is idle and there are fewer than `workers`."""
        self._jobs.put(job)
        if not self._idle.acquire(blocking=False) and self._threads < workers:
            threading.Thread(
                target=_work, args=(self._jobs, self._idle), name="facehub-detector", daemon=True
            ).start()
            self._threads += 1

    def stop(self) -> list[_Stop]:
        """Tell all workers to end after the jobs queued so far; does not wait for them."""
        atexit.unregister(self.stop_at_exit)
        stops = [_Stop() for _ in range(self._threads)]
        self._threads = 0
        for stop in stops:
            self._jobs.put(stop)
        return stops

    def stop_at_exit(self) -> None:
        """Let running searches end, which MediaPipe now refuses to continue.

        A daemon thread that the interpreter ends inside OpenCV takes the process down.
        """
        if self._process == os.getpid():
            wait([stop.done for stop in self.stop()], timeout=EXIT_SECONDS)


def _work(jobs: SimpleQueue[_Job | _Stop], idle: threading.Semaphore) -> None:
    models: MediaPipeModels | None = None
    while True:
        job = jobs.get()
        if isinstance(job, _Stop):
            break
        try:
            models = models or MediaPipeModels()
            faces = search_faces(models, job.image, job.search)
        except BaseException as error:
            idle.release()
            job.done.set_exception(error)
        else:
            idle.release()  # before the result: the next call of this caller finds a worker idle
            job.done.set_result(faces)
            del faces
        del job  # and with it the picture
    try:
        if models is not None:
            models.close()
    except RuntimeError:  # the interpreter is exiting
        job.done.set_result(None)
        threading.Event().wait()  # keeps the models, whose destruction would fail as well
    job.done.set_result(None)


@functools.cache
def default_detector() -> MediaPipeDetector:
    """The detector that recognisers share unless they are given another; never closed."""
    return MediaPipeDetector()
