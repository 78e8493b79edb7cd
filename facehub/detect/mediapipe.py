"""The face detector that facehub uses: MediaPipe's networks behind a thread-safe object."""

from __future__ import annotations

import atexit
import functools
import os
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, LifoQueue
from types import TracebackType
from typing import Self

import numpy as np

from facehub.detect.base import FaceLandmarks, Search, check_search, left_to_right
from facehub.detect.mediapipe_import import import_mediapipe
from facehub.detect.models import MediaPipeModels
from facehub.detect.no_sockets import refuse_sockets
from facehub.detect.search import search_faces

WORKERS = min(4, os.cpu_count() or 1)
EXIT_SECONDS = 10  # how long the interpreter waits for searches that nobody waited for


class MediaPipeDetector:
    """Finds faces and their 478 landmarks.

    Up to `workers` sets of models are loaded when calls need them, and freed when the detector is
    closed or no longer referenced. A call borrows a set and searches in its own thread.

    Safe to share between threads, but not with a forked child: let it create its own. The
    interpreter may exit without closing it.

    Args:
        workers: how many pictures are searched at once; more calls wait.
    """

    def __init__(self, *, workers: int = WORKERS) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        self._process = os.getpid()
        self._closed = False
        self._pool = _Pool(workers)
        atexit.register(self._pool.wait_at_exit)
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
        if self._closed:
            raise RuntimeError("the face detector is closed")
        with self._pool.borrowed() as models:
            return left_to_right(search_faces(models, image, search))

    def close(self) -> None:
        """Wait for running calls, then free threads and models; closing again has no effect."""
        if self._process != os.getpid():  # the models are the parent's
            return
        self._closed = True
        for keeper in self._pool.stop_when_idle():
            keeper.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Pool:
    """Models to borrow; knows nothing of the detector, which may be collected.

    Each set of models has a keeper: a daemon thread that makes it, waits, and closes it. Its stack
    alone references the models for good, so a forked child, where the thread does not exist, cannot
    destroy them, which would wait for ever; nor does the interpreter when it exits.

    Args:
        size: most sets at once.
    """

    def __init__(self, size: int) -> None:
        self._process = os.getpid()
        self._size = size
        self._places = threading.Semaphore(size)  # for calls at once
        self._idle: LifoQueue[weakref.ref[MediaPipeModels]] = LifoQueue()
        self._ending = threading.Event()
        self._keepers: list[threading.Thread] = []

    @contextmanager
    def borrowed(self) -> Iterator[MediaPipeModels]:
        """A set of models for this thread alone, made if none is idle; waits for a place first.

        Raises:
            RuntimeError: the detector was closed meanwhile.
        """
        with self._places:
            if self._ending.is_set():
                raise RuntimeError("the face detector is closed")
            try:
                reference = self._idle.get_nowait()
            except Empty:
                reference = self._make()
            models = reference()
            assert models is not None  # the keeper holds it
            try:
                yield models
            finally:
                self._idle.put(reference)

    def _make(self) -> weakref.ref[MediaPipeModels]:
        made: Future[weakref.ref[MediaPipeModels]] = Future()
        keeper = threading.Thread(
            target=_keep, args=(made, self._ending), name="facehub-detector", daemon=True
        )
        keeper.start()
        reference = made.result()
        self._keepers.append(keeper)
        return reference

    def stop(self) -> list[threading.Thread]:
        """Tell the keepers to free the models; does not wait for them."""
        atexit.unregister(self.wait_at_exit)
        self._ending.set()
        keepers, self._keepers = self._keepers, []
        return keepers

    def stop_when_idle(self) -> list[threading.Thread]:
        """As `stop`, after running calls have ended; calls that wait are told that it is closed."""
        for _ in range(self._size):
            self._places.acquire()
        keepers = self.stop()
        self._places.release(self._size)
        return keepers

    def wait_at_exit(self) -> None:
        """Let running searches end: a daemon thread that is ended inside OpenCV aborts Python."""
        deadline = time.monotonic() + EXIT_SECONDS
        if self._process == os.getpid():
            for _ in range(self._size):  # not given back: no further call begins
                self._places.acquire(timeout=max(0.0, deadline - time.monotonic()))


def _keep(made: Future[weakref.ref[MediaPipeModels]], ending: threading.Event) -> None:
    """Of MediaPipe's threads, which this one starts, none may report to its makers."""
    try:
        import_mediapipe()  # first: what else it imports keeps its sockets
        refuse_sockets()
        models = MediaPipeModels()
    except BaseException as error:
        made.set_exception(error)
        return
    made.set_result(weakref.ref(models))
    ending.wait()
    try:
        models.close()
    except RuntimeError:  # the interpreter is exiting
        threading.Event().wait()  # keeps the models, whose destruction would fail as well


@functools.cache
def default_detector() -> MediaPipeDetector:
    """The detector that recognisers share unless they are given another; never closed."""
    return MediaPipeDetector()
