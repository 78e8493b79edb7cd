"""A recogniser for requests of people whom nobody knows: its work is bounded in time."""

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

MANY = 10  # times the deadline, for requests with many pictures
SPARE = 2  # decoders besides one for each worker: what is slow to decode holds up nobody


class Host:
    """What all requests share.

    Args:
        workers: pictures searched, or batches of faces embedded, at once.
        deadline: seconds that a request may take.

    Attributes:
        decoders: processes that decode, more than there are workers.
        threads: that requests need in order to use all of it.
    """

    def __init__(self, workers: int, deadline: float) -> None:
        self.workers, self.deadline = workers, deadline
        self.decoders = Decoders(workers + SPARE)
        self.threads = 2 * workers + SPARE
        self._turns = threading.BoundedSemaphore(workers)

    def start(self) -> None:
        """Start one decoder for each worker; the others are started when they are needed."""
        self.decoders.start(self.workers)

    def close(self) -> None:
        """End the decoders."""
        self.decoders.close()

    @contextmanager
    def turn(self, until: float) -> Iterator[None]:
        """Compute in the body, when it is its turn.

        Raises:
            TimedOutError: it is not before `until`.
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
    """Decodes in processes of a host, and computes when it is its turn.

    Args:
        host: see there.
        until: `time.monotonic()` after which nothing more is begun.
    """

    host: Host = None  # type: ignore[assignment]  # `of` sets it
    until: float = float("inf")

    @classmethod
    def of(cls, recognizer: FaceRecognizer, host: Host) -> Self:
        """The same recogniser on a host."""
        return cls(recognizer.embedder, recognizer.detector, recognizer.spec, host)

    def timed(self, pictures: Literal["few", "many"] = "few") -> Self:
        """For one request, which begins now: past its deadline nothing more is begun.

        Args:
            pictures: "many" gives `MANY` times as long.
        """
        seconds = self.host.deadline * (MANY if pictures == "many" else 1)
        return replace(self, until=time.monotonic() + seconds)

    def read(self, image: ImageSource) -> np.ndarray:
        """As `FaceRecognizer.read`.

        Raises:
            ImageError: the picture cannot be used, or takes too long.
            TimedOutError: the request's time is up.
        """
        return self.host.decoders.read(image, self.until)

    def _search(self, pixels: np.ndarray, *args: Any) -> Any:
        with self.host.turn(self.until):
            return super()._search(pixels, *args)

    def _embed(self, pictures: Any) -> Any:
        if not any(pictures):
            return super()._embed(pictures)
        with self.host.turn(float("inf")):  # what was found in time is not lost
            return super()._embed(pictures)
