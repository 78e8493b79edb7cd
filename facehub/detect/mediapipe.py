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
EXIT_SECONDS = 10  # how long the exiting interpreter waits for running searches


class MediaPipeDetector:
    """Finds faces and their 478 landmarks.

    Up to `workers` sets of models are loaded on demand, and freed when the detector is closed or no
    longer referenced. A call borrows a set and searches in its own thread.

    Thread-safe, but not usable in a forked child, which must create its own. The interpreter may
    exit without closing it.

    Args:
        workers: number of pictures searched at once, at least 1; further calls wait.

    Raises:
        ValueError: `workers` is less than 1.
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
            image: uint8 (H, W, 3), RGB, 0 to 255.
            search: "auto" searches the whole picture and its halves and, only if the whole picture
                shows no face, a padded copy (for faces that fill the picture) and smaller tiles.
                "thorough" always searches the smaller tiles too, for group photos.

        Returns:
            Faces from left to right (by the centre of the box, then top to bottom).

        Raises:
            AssetError: the model file in the package is missing or altered.
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
    """A pool of models; it holds no reference to the detector, which may be collected.

    Each set of models has a keeper: a daemon thread that creates it, waits, and closes it. Only the
    keeper's stack references the models permanently. A forked child does not have that thread, so
    it cannot destroy the models, which would hang; nor does the interpreter on exit.

    Args:
        size: largest number of sets.
    """

    def __init__(self, size: int) -> None:
        self._process = os.getpid()
        self._size = size
        self._places = threading.Semaphore(size)  # limits concurrent calls
        self._idle: LifoQueue[weakref.ref[MediaPipeModels]] = LifoQueue()
        self._ending = threading.Event()
        self._keepers: list[threading.Thread] = []

    @contextmanager
    def borrowed(self) -> Iterator[MediaPipeModels]:
        """Borrow a set of models, created if none is idle; wait if all are in use.

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
            assert models is not None  # the keeper references it
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
        """Wait for running calls, then `stop`; waiting calls raise RuntimeError."""
        for _ in range(self._size):
            self._places.acquire()
        keepers = self.stop()
        self._places.release(self._size)
        return keepers

    def wait_at_exit(self) -> None:
        """Wait for running searches: killing a daemon thread inside OpenCV aborts Python."""
        deadline = time.monotonic() + EXIT_SECONDS
        if self._process == os.getpid():
            for _ in range(self._size):  # never released: no further call begins
                self._places.acquire(timeout=max(0.0, deadline - time.monotonic()))


def _keep(made: Future[weakref.ref[MediaPipeModels]], ending: threading.Event) -> None:
    """Create and keep models in a thread whose MediaPipe threads cannot use the network."""
    try:
        import_mediapipe()  # first, so that other imported packages keep their sockets
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
        threading.Event().wait()  # keep the models: destroying them would fail too


@functools.cache
def default_detector() -> MediaPipeDetector:
    """The shared detector of all recognisers that are not given another; never closed."""
    return MediaPipeDetector()
