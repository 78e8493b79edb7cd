"""Bounds on concurrent requests, and on the request rate of a key."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from facehub.hosting import MAX_UPLOADS
from facehub.service.errors import BusyError, RateLimitError
from facehub.service.keys import Key

Answer = TypeVar("Answer")


class RateLimits:
    """A token bucket for each key, with room for a tenth of a minute's requests, at least one.

    Used by the event loop only.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, and the time of that count

    def take(self, key: Key) -> None:
        """Count one request.

        Raises:
            RateLimitError: the key has none left; the error says when to try again.
        """
        room, rate = max(1.0, key.rate / 10), key.rate / 60
        now = self._clock()
        left, since = self._buckets.get(key.digest, (room, now))
        left = min(room, left + (now - since) * rate)
        if left >= 1:
            self._buckets[key.digest] = (left - 1, now)
            return
        self._buckets[key.digest] = (left, now)
        raise RateLimitError(max(1, math.ceil((1 - left) / rate)))


class Visit:
    """An admitted request, and the bytes of its body."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self.held = gate, 0

    def hold(self, count: int) -> None:
        """Count bytes that were received.

        Raises:
            BusyError: all requests together hold too many bytes.
        """
        if self._gate.held + count > self._gate.max_held:
            raise BusyError("The server holds too many pictures at the moment.")
        self.held += count
        self._gate.held += count


class Gate:
    """Admits a bounded number of requests and runs a few of them at once.

    Everything but the work itself runs in the event loop.

    Args:
        workers: requests that run at once, see `HostSettings`.
        queue_size: further requests that may wait.
        deadline: seconds that a request may wait for its turn. Work that has begun is finished, so
            that no enrolment is reported as failed and then succeeds.
        max_held: bytes of all bodies together.
        threads: requests that are begun at once, of which some only decode; as many as workers by
            default.

    Attributes:
        inside: admitted requests.
        held: bytes of their bodies.
    """

    def __init__(
        self,
        workers: int,
        queue_size: int,
        deadline: float,
        max_held: int = MAX_UPLOADS,
        threads: int | None = None,
    ) -> None:
        self._pool = ThreadPoolExecutor(threads or workers, thread_name_prefix="facehub")
        self._room = workers + queue_size
        self.deadline, self.max_held = deadline, max_held
        self.inside, self.held = 0, 0

    @contextmanager
    def enter(self) -> Iterator[Visit]:
        """Admit a request, before its body is read.

        Raises:
            BusyError: the queue is full.
        """
        if self.inside >= self._room:
            raise BusyError("The server is busy.")
        visit = Visit(self)
        self.inside += 1
        try:
            yield visit
        finally:
            self.inside -= 1
            self.held -= visit.held

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Run work in a thread when its turn comes.

        Raises:
            BusyError: its turn did not come in time.
        """
        future = self._pool.submit(work)
        answer = asyncio.wrap_future(future)
        answer.add_done_callback(_retrieve)
        try:
            await asyncio.wait({answer}, timeout=self.deadline)
            if future.cancel():
                raise BusyError("The server is busy: the request waited for too long.")
            return await answer
        finally:
            future.cancel()

    def close(self) -> None:
        """Finish running work, and drop what waits."""
        self._pool.shutdown(cancel_futures=True)


def _retrieve(answer: asyncio.Future[Any]) -> None:
    """Retrieve an exception that nobody awaits; else asyncio logs its text."""
    if not answer.cancelled():
        answer.exception()
