"""A recogniser for untrusted requests: its work is bounded in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np

from facehub.hosted.decoders import Decoders
from facehub.hosted.errors import TimedOutError
from facehub.io.images import ImageSource
from facehub.pipeline import FaceRecognizer

MANY = 10  # requests with many pictures get this many times the deadline
SPARE = 2  # extra decoders, so a slow picture does not block a worker


class Host:
    """Resources shared by all requests.

    Args:
        workers: number of pictures searched, or batches of faces embedded, at once.
        deadline: time limit of a request, seconds.

    Attributes:
        decoders: decoder processes, more than there are workers.
        threads: number of request threads needed to use all workers and decoders.
    """

    def __init__(self, workers: int, deadline: float) -> None:
        self.workers, self.deadline = workers, deadline
        self.decoders = Decoders(workers + SPARE)
        self.threads = 2 * workers + SPARE
        self._turns = threading.BoundedSemaphore(workers)

    def start(self) -> None:
        """Start one decoder per worker; the others start on demand."""
        self.decoders.start(self.workers)

    def close(self) -> None:
        """Kill the decoders."""
        self.decoders.close()

    @contextmanager
    def turn(self, until: float) -> Iterator[None]:
        """Wait for a free worker, and hold it in the `with` block.

        Raises:
            TimedOutError: no worker is free before `until`.
        """
        left = min(until - time.monotonic(), threading.TIMEOUT_MAX)
        if left <= 0 or not self._turns.acquire(timeout=left):
            raise TimedOutError("The server is busy: this took too long.")
        try:
            yield
        finally:
            self._turns.release()


@dataclass(frozen=True, eq=False)
class HostedRecognizer(FaceRecognizer):
    """A recogniser that decodes in a host's processes and waits for one of its workers.

    Args:
        host: see `Host`.
        until: `time.monotonic()` after which no further work starts.
    """

    host: Host = None  # type: ignore[assignment]  # `of` sets it
    until: float = float("inf")

    @classmethod
    def of(cls, recognizer: FaceRecognizer, host: Host) -> Self:
        """Wrap a recogniser for a host."""
        return cls(recognizer.embedder, recognizer.detector, recognizer.spec, host)

    def timed(self, pictures: Literal["few", "many"] = "few") -> Self:
        """Return a copy for one request, with a deadline that starts now.

        Args:
            pictures: "many" multiplies the deadline by `MANY`.
        """
        seconds = self.host.deadline * (MANY if pictures == "many" else 1)
        return replace(self, until=time.monotonic() + seconds)

    def read(self, image: ImageSource) -> np.ndarray:
        """Decode a picture; see `FaceRecognizer.read`.

        Raises:
            ImageError: the picture cannot be used, or takes too long.
            TimedOutError: the request's deadline has passed.
        """
        return self.host.decoders.read(image, self.until)

    def _search(self, pixels: np.ndarray, *args: Any) -> Any:
        with self.host.turn(self.until):
            return super()._search(pixels, *args)

    def _embed(self, pictures: Any) -> Any:
        if not any(pictures):
            return super()._embed(pictures)
        with self.host.turn(float("inf")):  # faces found in time are always embedded
            return super()._embed(pictures)
